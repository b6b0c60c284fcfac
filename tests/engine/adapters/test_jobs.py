"""Jobs with adapters: what they draw, whom they share with, and that nothing of them is left behind."""

import shutil
import time
from types import SimpleNamespace

import pytest
import torch
from diffusers import UNet2DConditionModel
from transformers import CLIPTextModel

from tests.engine.adapters.made import as_kohya, lora, write
from tests.engine.helpers import Bench, pixels
from webui.core.drawn import Drawn
from webui.core.events import Failed, Note
from webui.core.frozen import FrozenMap
from webui.core.model_folders import ModelFolders
from webui.engine.adapters import fitting
from webui.engine.config import EngineConfig

BLOCK = "down_blocks.0.attentions.0.transformer_blocks.0."
UNET = (f"{BLOCK}attn1.to_q", f"{BLOCK}attn2.to_v", "up_blocks.1.resnets.0.conv1", "mid_block.resnets.0.conv2")
TEXT = ("text_model.encoder.layers.0.mlp.fc1", "text_model.encoder.layers.1.self_attn.v_proj")


def weight_of(network, name):
    """A module's weight, by the name that files have for it."""
    bare = name.removeprefix("text_model.")
    found = dict(network.named_parameters())
    return found.get(f"{name}.weight", found.get(f"{bare}.weight"))


def networks_of(folder):
    return UNet2DConditionModel.from_pretrained(folder / "unet"), CLIPTextModel.from_pretrained(folder / "text_encoder")


@pytest.fixture(scope="module")
def house(tmp_path_factory, tiny_checkpoint):
    """Folders with the tiny checkpoint, some LoRAs for it, and checkpoints with their weights merged by hand."""
    root = tmp_path_factory.mktemp("house")
    checkpoints, loras = root / "checkpoints", root / "loras"
    shutil.copytree(tiny_checkpoint, checkpoints / "tiny")
    loras.mkdir()
    unet, text = networks_of(tiny_checkpoint)
    for seed, name in enumerate(("first", "second", "third")):
        shapes = [{one: weight_of(net, one).shape for one in names} for net, names in ((unet, UNET), (text, TEXT))]
        prefixes = ("lora_unet", "lora_te")
        parts = [lora(s, as_kohya(p), seed=10 + seed + len(p), rank=4) for s, p in zip(shapes, prefixes, strict=True)]
        write(loras / f"{name}.safetensors", {**parts[0][0], **parts[1][0]}, {"ss_output_name": f"The {name}"})
        if name == "first":
            merged = networks_of(tiny_checkpoint)
            with torch.no_grad():
                for network, (_, deltas), multiplier in zip(merged, parts, (0.5, 0.75), strict=True):
                    for one, delta in deltas.items():
                        weight_of(network, one).add_(multiplier * delta)
            shutil.copytree(tiny_checkpoint, checkpoints / "merged")
            merged[0].save_pretrained(checkpoints / "merged" / "unet")
            merged[1].save_pretrained(checkpoints / "merged" / "text_encoder")
    return SimpleNamespace(checkpoints=checkpoints, loras=loras)


@pytest.fixture
def bench(house, registry, plugins):
    """An engine on these folders."""
    made = Bench(
        EngineConfig(ModelFolders((house.checkpoints,), loras=(house.loras,)), device="cpu"), registry, plugins
    )
    yield made
    made.gate.release()
    made.engine.close()


def weights(bench, name="tiny"):
    """The bytes of all weights that the engine has in memory of a checkpoint."""
    residents = bench.engine._pipelines._resident.values()
    networks = next(resident.model.networks for resident in residents if resident.name == name)
    return [bytes(p.detach().contiguous().view(torch.uint8).numpy()) for n in networks for p in n.parameters()]


def store(bench):
    return bench.engine._intake._adapted.adapters.store


def merging(bench):
    return bench.engine._pipelines.merging


def test_a_picture_is_what_the_merged_weights_draw(bench, ask):
    plain, with_it, nothing, merged = bench.make(
        ask(), ask(prompt="a red house <lora:first:0.75:0.5>"), ask(prompt="a red house <lora:first:0>"),
        ask(checkpoint="merged"),
    )  # fmt: skip
    assert abs(pixels(with_it[0]) - pixels(merged[0])).max() <= 1
    assert abs(pixels(with_it[0]) - pixels(plain[0])).max() > 20
    assert abs(pixels(nothing[0]) - pixels(plain[0])).max() <= 1


def test_named_weights_count_as_places_do(bench, ask):
    first, second, third = bench.make(
        ask(prompt="a red house <lora:first:0.75:0.5>"), ask(prompt="a red <lora:first:te=0.75:unet=0.5> house"),
        ask(prompt="a red house <lora:The first:0.75:0.5>"),
    )  # fmt: skip
    # The text's spaces are no tokens.
    assert all(abs(pixels(first[0]) - pixels(one[0])).max() <= 1 for one in (second, third))


def test_jobs_with_other_sets_and_without_any_give_what_each_gives_alone(bench, ask):
    requests = [
        ask(prompt="a red house <lora:first>", steps=12), ask(prompt="a blue house <lora:second:1:-0.8>", steps=9),
        ask(steps=10), ask(prompt="a house <lora:first:0.5><lora:third>", steps=8, batch_size=2),
    ]  # fmt: skip
    bench.make(ask(steps=1))
    before = weights(bench)
    alone = [bench.make(request)[0] for request in requests]
    assert store(bench).loads == 3
    switches = merging(bench).switches
    together = bench.make(*requests)
    for own, other in zip(alone, together, strict=True):
        for index in own:
            assert abs(pixels(own[index]) - pixels(other[index])).max() <= 1
    # Each set once, perhaps in two slices, and the weights as they were.
    assert merging(bench).switches - switches <= 12
    assert weights(bench) == before and store(bench).loads == 3


def test_jobs_with_one_set_share_forward_passes(bench, ask):
    bench.gate.hold_at(1)
    bench.engine.submit("first", ask(prompt="a red house <lora:first>", steps=8))
    assert bench.gate.held.wait(60)
    bench.engine.submit("second", ask(prompt="a blue house <lora:first>", steps=8, seed=8))
    end = time.monotonic() + 60
    while not bench.engine._inbox._acts.qsize() and time.monotonic() < end:
        time.sleep(0.01)
    bench.gate.release()
    assert bench.heard.pictures("first") and bench.heard.pictures("second")
    assert max(one.lanes for one in bench.gate.passes) == 2


def test_a_set_holds_for_some_of_the_steps_only(bench, ask):
    seen, before = [], bench.engine._counts._observer

    def observer(forward):
        resident = next(iter(bench.engine._pipelines._resident.values()))
        seen.append(bool(merging(bench).key_of(resident.model.denoiser)))
        before(forward)

    bench.engine._counts._observer = observer
    for span, expected in {
        "": "11111111", ":stop=0": "00000000", ":start=0.25": "00111111", ":start=0.25:stop=0.75": "00111100",
        ":start=0.6:stop=0.2": "00000000", ":stop=1:start=0": "11111111",
    }.items():  # fmt: skip
        seen.clear()
        bench.make(ask(prompt=f"a red house <lora:first:0:1{span}>", steps=8))
        assert "".join(map(str, map(int, seen))) == expected, span
    plain, none, half = bench.make(
        ask(), *(ask(prompt=f"a red house <lora:first:0:1:stop={stop}>") for stop in (0, 0.5))
    )
    assert abs(pixels(none[0]) - pixels(plain[0])).max() <= 1
    assert abs(pixels(half[0]) - pixels(plain[0])).max() > 20


def test_the_weights_come_back_whatever_happens(bench, house, ask):
    bench.make(ask(steps=1))
    before = weights(bench)
    bench.gate.hold_at(len(bench.gate.passes) + 3)
    bench.engine.submit("cut", ask(prompt="a red house <lora:first>", steps=50))
    assert bench.gate.held.wait(60)
    assert weights(bench) != before
    bench.engine.cancel("cut")
    bench.gate.release()
    bench.make(ask(steps=1))
    assert weights(bench) == before
    unet, _ = networks_of(house.checkpoints / "tiny")
    tensors, _ = lora(
        {UNET[0]: weight_of(unet, UNET[0]).shape, UNET[1]: weight_of(unet, UNET[1]).shape}, as_kohya("lora_unet")
    )
    name = as_kohya("lora_unet")(UNET[1], "lora_up.weight")
    # As many numbers as fit, and of two ranks.
    tensors[name] = torch.zeros(tensors[name].shape[0], 3)
    path = write(house.loras / "broken.safetensors", tensors)
    try:
        bench.engine._catalogue.adapters.refresh()
        bench.engine.submit("broken", ask(prompt="a red house <lora:broken>"))
        end = bench.heard.end("broken")
        assert isinstance(end, Failed) and "do not fit each other" in end.problem.detail
    finally:
        path.unlink()
    assert weights(bench) == before


def test_a_name_that_no_file_has_is_left_out_with_a_note(bench, ask):
    bench.engine.submit("job", ask(prompt="a red house <lora:frist:1>"))
    assert bench.heard.pictures("job")
    assert [note.text for note in bench.heard.of("job", Note)] == [
        "There is no LoRA 'frist', so it is left out. Did you mean 'first'?"
    ]


def test_what_is_not_used_as_it_is_written_is_noted_in_the_job(bench, ask):
    asked = ask(prompt="a red house <lora:first:0.5:1:foo=3>", negative_prompt="bad <lora:first:1>", steps=2)
    bench.engine.submit("job", asked)
    assert bench.heard.pictures("job")
    assert [note.text for note in bench.heard.of("job", Note)] == [
        "In the negative prompt <lora:first:1> is text, as in A1111; a LoRA belongs into the prompt.",
        "'foo=3' of the LoRA first means nothing; there are te, unet, dyn, start and stop.",
    ]
    as_text, right = bench.make(
        asked, ask(prompt="a red house <lora:first:0.5:1>", negative_prompt="bad <lora:first:1>", steps=2)
    )
    assert abs(pixels(as_text[0]) - pixels(right[0])).max() <= 1


def test_a_file_that_was_replaced_is_no_substitute(bench, ask):
    bench.engine.submit("job", ask(prompt="a red house <lora:first>", lora_hashes={"first": "0" * 64}))
    end = bench.heard.end("job")
    assert isinstance(end, Failed)
    assert end.problem.detail == "The LoRA first is no longer the file that this job was accepted with."


def test_each_adapter_is_placed_once_and_borders_are_bounded(bench, ask, monkeypatch):
    placed, before = [], fitting._of
    monkeypatch.setattr(
        fitting, "_of", lambda adapter, *others: placed.append(adapter.name) or before(adapter, *others)
    )
    spans = "".join(f"<lora:first:0.1:start=0.{n}:stop=0.9{n}>" for n in range(10, 40))
    bench.engine.submit("job", ask(prompt=f"a red house {spans}", steps=2))
    assert bench.heard.pictures("job")
    # In the denoiser and in the text encoder.
    assert placed == ["first", "first"]
    assert [note.text for note in bench.heard.of("job", Note)] == [
        "LoRAs may come and go at 20 steps; 20 more of them count from the first to the last."
    ]


def test_a_batch_has_the_adapters_of_its_first_picture_and_says_so(bench, ask):
    catalogue = bench.engine._catalogue.adapters
    hashes = FrozenMap({name: catalogue.hash(catalogue.find(name)) for name in ("first", "second")})
    for job, prompts, noted in (
        ("mixed", ("a house <lora:first>", "a barn <lora:second>"), True),
        ("alike", ("a house <lora:first>", "a barn <lora:first>"), False),
    ):
        drawn = Drawn("a house", "", prompts)
        bench.engine.submit(job, ask(prompt="a house", steps=2, batch_size=2, drawn=drawn, lora_hashes=hashes))
        pictures = bench.heard.pictures(job)
        assert len(pictures) == 2
        assert all(f'Lora hashes: "first: {hashes["first"][:12]}"' in one.infotext for one in pictures.values())
        said = "The LoRAs that a batch's first picture asks for count for all of it; other pictures ask for others."
        assert [note.text for note in bench.heard.of(job, Note)] == [said] * noted
