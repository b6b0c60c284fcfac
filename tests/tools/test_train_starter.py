"""The starter's training: pictures obey their description, captions tell the truth, every stage runs and exports."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, DiffusionPipeline
from transformers import CLIPTokenizer

from tools.train_starter import data, draw, evaluate, export, sample, text, unet, vae
from tools.train_starter.captions import NOUNS, NUMBERS, PLURALS, SYNONYMS, caption
from tools.train_starter.judge import areas, judge, nearest
from tools.train_starter.scene import COLOURS, HELD_OUT, SHAPES, Scene, Thing, random_scene
from tools.train_starter.tokenizer import Bpe
from tools.train_starter.training import Plan

SCENES = [random_scene(0, index) for index in range(400)]
COLOUR_OF = {word: colour for colour in COLOURS for word in (colour, *SYNONYMS.get(colour, ()))}
SHAPE_OF = {form: shape for shape, nouns in NOUNS.items() for n in nouns for form in (n, PLURALS.get(n, n + "s"))}
OBJECT = re.compile(rf"({'|'.join(COLOUR_OF)}) ({'|'.join(sorted(SHAPE_OF, key=len, reverse=True))})\b")


def rng(index: int) -> np.random.Generator:
    return np.random.default_rng((5, index))


def objects_in(words: str) -> list[tuple[str, str]]:
    """(shape, colour) of each object that a caption names, in order."""
    return [(SHAPE_OF[noun], COLOUR_OF[colour]) for colour, noun in OBJECT.findall(words)]


def test_a_drawing_has_the_objects_of_its_scene() -> None:
    for scene in [s for s in SCENES if not s.things[0].outlined][:60]:
        verdict = judge(draw.draw(scene), scene, True, lambda crops, s=scene: [s.things[0].shape] * len(crops))
        assert {k: v for k, v in verdict.items() if k != "shape"} == dict.fromkeys(
            ("colour", "count", "ground", "place"), True
        ), scene


@pytest.mark.parametrize("shape", SHAPES)
def test_a_drawn_shape_covers_the_area_of_its_outline(shape: str) -> None:
    scene = Scene("single", (Thing(shape, "red", 0.5, 0.5, 0.3),), "plain", ("white",))
    x, y = (draw.OUTLINES[shape] * 0.3 * draw.SIDE).T
    area = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
    red = 1 - (draw.draw(scene)[..., 1].astype(float) - 30) / 220
    assert red.sum() == pytest.approx(area, rel=0.03)


def test_the_judge_sees_what_is_wrong() -> None:
    scene = Scene("single", (Thing("circle", "red", 0.25, 0.25, 0.2),), "plain", ("blue",), place=0)
    circle = lambda crops: ["circle"] * len(crops)  # noqa: E731
    right = draw.draw(scene)
    assert all(judge(right, scene, True, circle).values())
    assert not judge(right, scene, True, lambda crops: ["star"] * len(crops))["shape"]
    assert not judge(right[:, ::-1], scene, True, circle)["place"]
    assert not judge(draw.background("plain", ("blue",)), scene, True, circle)["colour"]
    other = draw.draw(Scene("single", scene.things, "striped", ("blue", "white"), place=0))
    assert not judge(other, scene, True, circle)["ground"]
    twice = np.where(right[:, ::-1] == COLOURS["red"], right[:, ::-1], right)
    assert not judge(twice, scene, True, circle)["count"]


def test_captions_name_the_objects_of_their_scene() -> None:
    for index, scene in enumerate(SCENES):
        given = caption(rng(index), scene)
        if given.unsaid:
            continue
        wanted = {(t.shape, t.colour) for t in scene.things}
        assert set(objects_in(given.text)) == wanted, given.text
        if scene.layout == "group":
            assert re.search(rf"\b({'|'.join(NUMBERS[len(scene.things)])}) ", given.text), given.text
        if scene.pattern != "plain":
            ground = given.text
            assert all(any(w in ground for w in (c, *SYNONYMS.get(c, ()))) for c in scene.colours), given.text


@pytest.mark.parametrize(
    ("words", "first_is_upper_left"),
    [("left of", True), ("to the right of", False), ("above", True), ("below", False), ("beneath", False)],
)
def test_the_relation_in_a_caption_is_the_drawn_one(words: str, first_is_upper_left: bool) -> None:
    seen = 0
    for index in range(1500):
        scene = random_scene(1, index)
        given = caption(rng(index), scene)
        if scene.layout == "pair" and f" {words} " in given.text:
            first = objects_in(given.text)[0]
            things = [(t.shape, t.colour) for t in sorted(scene.things, key=lambda t: t.y if scene.vertical else t.x)]
            assert (first == things[0]) == first_is_upper_left, given.text
            assert scene.vertical == (words in ("above", "below", "beneath"))
            seen += 1
    assert seen > 5


def test_held_out_combinations_occur_neither_in_pictures_nor_in_captions() -> None:
    for index in range(3000):
        scene = random_scene(0, index)
        assert not {(t.shape, t.colour) for t in scene.things} & HELD_OUT
        assert not set(objects_in(caption(rng(index), scene).text)) & HELD_OUT
    asked = {(t.shape, t.colour) for q in evaluate.questions() if q.kind == "held out" for t in q.scene.things}
    assert asked == HELD_OUT


def test_the_questions_are_sixty_of_each_kind_and_always_the_same() -> None:
    asked = evaluate.questions()
    assert [q.text for q in asked] == [q.text for q in evaluate.questions()]
    assert {kind: sum(q.kind == kind for q in asked) for kind in evaluate.NEEDED} == dict.fromkeys(evaluate.NEEDED, 60)


def test_the_tokenizer_is_clips_and_loses_nothing(tmp_path: Path) -> None:
    bpe = Bpe.train([caption(rng(i), s).text for i, s in enumerate(SCENES)], 200)
    bpe.save(tmp_path)
    clip = CLIPTokenizer.from_pretrained(tmp_path)
    for words in ("a red circle", "Two  BLUE stars, 42 (naïve) 日本 it's_so", "", "x" * 300):
        numbers = clip(words, padding="max_length", max_length=77, truncation=True).input_ids
        assert numbers == bpe.padded(bpe.encode(words))
    assert clip.decode(bpe.encode("two blue stars"), skip_special_tokens=True) == "two blue stars"
    assert Bpe.load(tmp_path).vocabulary == bpe.vocabulary
    assert {path.name for path in tmp_path.iterdir()} >= {"vocab.json", "merges.txt", "tokenizer.json"}


def test_text_targets_point_at_the_noun_and_the_cell() -> None:
    bpe = Bpe.train([caption(rng(i), s).text for i, s in enumerate(SCENES)], 500)
    scene = Scene(
        "pair", (Thing("circle", "red", 0.27, 0.5, 0.18), Thing("square", "blue", 0.73, 0.5, 0.18)), "plain", ("white",)
    )
    colours, shapes = text.cells(scene, frozenset())
    names = list(COLOURS)
    assert [names[c] if c < len(names) else "" for c in colours[3:6]] == ["red", "", "blue"]
    assert [SHAPES[s] if s < len(SHAPES) else "" for s in shapes[3:6]] == ["circle", "", "square"]
    given = text.batch(bpe, [scene] * 8, rng(0), 0.0)
    letters = {number: name for name, number in bpe.vocabulary.items()}
    for row, position, _, shape in given.nouns.tolist():
        word = letters[int(given.tokens[row, position])].removesuffix("</w>")
        assert word in [noun.split()[-1] for noun in NOUNS[SHAPES[shape]]]


def test_the_sampler_solves_a_gaussian_and_gains_with_steps() -> None:
    def error(steps: int) -> float:
        levels = sample.sigmas("Karras", steps)
        x = torch.full((1, 1), float(levels[0]), dtype=torch.float64)
        exact = float(levels[0] * np.sqrt((1 + levels[-2] ** 2) / (1 + levels[0] ** 2)) / (1 + levels[-2] ** 2))
        return abs(float(sample.dpmpp_2m(lambda x, sigma: x / (1 + sigma**2), x, levels)) - exact)

    assert error(20) < 0.02
    assert error(40) < error(20) / 2.5


class Cut(Plan):
    """A plan that is interrupted after two steps."""

    @property
    def done(self) -> bool:
        return self.step >= 2


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which every stage has run for a step or two."""
    folder = tmp_path_factory.mktemp("starter")
    data.make(folder, 0, 96)
    vae.train(folder, Plan(1, None), 0, "cpu")
    text.train(folder, Plan(1, None), 0, "cpu", 96, 4)
    unet.train(folder, Plan(2, None), 0, "cpu", 2, (8, 16, 16))
    vae.polish(folder, Plan(1, None), 0, "cpu")
    return folder


def test_every_stage_runs_and_the_export_is_a_pipeline_that_draws(trained: Path, tmp_path: Path) -> None:
    export.export(trained, tmp_path / "model")
    pipe = DiffusionPipeline.from_pretrained(tmp_path / "model", local_files_only=True)
    pipe.set_progress_bar_config(disable=True)
    picture = pipe("a red circle", num_inference_steps=2, height=128, width=128, output_type="np").images[0]
    assert picture.shape == (128, 128, 3)
    assert pipe.vae.config.scaling_factor == 0.18215
    assert pipe.scheduler.config.prediction_type == "epsilon"
    assert DDIMScheduler.from_config(pipe.scheduler.config).config.clip_sample is False
    own = sample.pictures(sample.Model.load(tmp_path / "model"), ["a red circle"], [3], steps=2)
    assert own.shape == (1, 128, 128, 3)


def test_folded_latents_have_unit_spread(trained: Path) -> None:
    latents = np.load(trained / "latents.npy").astype(np.float32)
    assert latents.mean((0, 2, 3)) == pytest.approx([0, 0, 0, 0], abs=0.25)
    assert latents.std((0, 2, 3)) == pytest.approx([1, 1, 1, 1], abs=0.25)


def test_a_training_that_was_cut_goes_on_to_the_same_weights(trained: Path) -> None:
    whole = _unet_weights(trained, Plan(4, None))
    _unet_weights(trained, Cut(4, None))
    resumed = _unet_weights(trained, Plan(4, None), fresh=False)
    assert all(torch.equal(whole[key], resumed[key]) for key in whole)


def _unet_weights(folder: Path, plan: Plan, fresh: bool = True) -> dict[str, torch.Tensor]:
    if fresh:
        (folder / "unet.pt").unlink()
    unet.train(folder, plan, 0, "cpu", 2, (8, 16, 16))
    return torch.load(folder / "unet.pt", weights_only=True)["module"]


def test_areas_of_a_group_are_counted_and_ordered() -> None:
    scene = next(s for s in SCENES if s.layout == "group" and len(s.things) == 3 and s.pattern == "plain")
    found = areas(nearest(draw.draw(scene)), scene.things[0].colour)
    assert [round(a.x, 1) for a in found] == sorted(round(t.x, 1) for t in scene.things)
