"""SD1 against diffusers' and transformers' own: text, prediction, whole pictures; and what the starter draws."""

import numpy as np
import pytest
import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline
from transformers import CLIPTokenizer

from tests.engine.helpers import STARTER, Loop, load_model, pixels, running, write_checkpoint
from webui.core.errors import ModelProblem
from webui.core.request import GenerationRequest
from webui.engine.families.base import Purpose

TEXTS = ["", "a red circle", "Ünïcode, naïve café 42 !!", "red, " * 20]


@pytest.fixture(scope="module")
def pipeline(tiny_checkpoint):
    made = StableDiffusionPipeline.from_pretrained(tiny_checkpoint)
    made.set_progress_bar_config(disable=True)
    return made


@pytest.mark.parametrize("text", TEXTS)
@torch.inference_mode()
def test_a_chunk_is_encoded_as_diffusers_encodes_it(tiny, pipeline, text):
    theirs, _ = pipeline.encode_prompt(text, torch.device("cpu"), 1, False)
    assert torch.equal(tiny.encode(text, 1).context, theirs)


@torch.inference_mode()
def test_long_texts_are_encoded_chunk_by_chunk(tiny):
    text = "blue " * 100
    assert tiny.chunk_count(text, Purpose(64, 64)) == 2
    context = tiny.encode(text, 3).context
    assert torch.equal(context[:, :77], tiny.encode("blue " * 75, 1).context)
    assert torch.equal(context[:, 77:154], tiny.encode("blue " * 25, 1).context)
    assert torch.equal(context[:, 154:], tiny.encode("", 1).context)


@torch.inference_mode()
def test_contexts_of_different_lengths_are_repeated_exactly(tiny):
    short, long = tiny.encode("a red circle", 2), tiny.encode("blue " * 200, 3)
    x = torch.randn(2, 4, 8, 8) * 3
    stacked = tiny.stack([short, long])
    assert [(part.context.shape, part.places) for part in stacked] == [((2, 6 * 77, 32), None)]
    together = tiny.predict(x, [3.0, 1.5], stacked)
    for row, (conditioning, sigma) in enumerate([(short, 3.0), (long, 1.5)]):
        alone = tiny.predict(x[row : row + 1], [sigma], tiny.stack([conditioning]))
        assert torch.allclose(together[row : row + 1], alone, atol=1e-4)


@torch.inference_mode()
@pytest.mark.parametrize("levels", [[3.0] * 6, [3.0, 2.5, 2.0, 1.5, 1.0, 0.5]])
def test_contexts_whose_common_length_is_many_times_the_longest_are_asked_in_parts(tiny, levels):
    texts = [tiny.encode("blue " * place, chunks) for place, chunks in enumerate([2, 3, 5, 7, 2, 11])]
    x = torch.randn(6, 4, 8, 8) * 3
    stacked = tiny.stack(texts)
    assert all(part.context.shape[1] <= 4 * 11 * 77 for part in stacked) and len(stacked) == 3
    assert sorted(place for part in stacked for place in part.places.tolist()) == [*range(6)]
    together = tiny.predict(x, levels, stacked)
    for row, (text, sigma) in enumerate(zip(texts, levels, strict=True)):
        alone = tiny.predict(x[row : row + 1], [sigma], tiny.stack([text]))
        assert torch.allclose(together[row : row + 1], alone, atol=1e-4)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
def test_our_euler_picture_is_the_pipelines(tmp_path, registry, ask, kind):
    folder = write_checkpoint(tmp_path / "model", prediction_type=kind)
    pipeline = StableDiffusionPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    pipeline.scheduler = EulerDiscreteScheduler.from_config(
        pipeline.scheduler.config, timestep_spacing="linspace", prediction_type=kind
    )
    request = ask(scheduler="Uniform", steps=10, cfg_scale=7.5, negative_prompt="blurry", width=96)
    noise = torch.randn((4, 8, 12), generator=torch.Generator().manual_seed(request.seed))[None]
    theirs = pipeline(
        request.prompt, negative_prompt=request.negative_prompt, num_inference_steps=10, guidance_scale=7.5,
        height=64, width=96, latents=noise, output_type="np",
    ).images  # fmt: skip
    loop = Loop(load_model(folder), registry)
    loop.add("ours", request)
    ours = loop.run()["ours"]
    assert ours.std() > 5
    assert abs(ours - np.round(theirs * 255).astype(int)).max() <= 1


@torch.inference_mode()
def test_by_tiles_the_drawing_is_the_same():
    model = load_model(STARTER)
    drawn = torch.zeros(1, 3, 192, 320) - 0.5
    drawn[:, 0, 60:130, 90:230] = 0.8
    latents = model.vae.network.encode(drawn).latent_dist.mean * model.vae.network.config.scaling_factor
    whole = model.decode(latents).int()
    tiled = model.decode_tiled(latents, 16).int()
    assert tiled.shape == whole.shape == (1, 192, 320, 3)
    # The norms see less of the picture, so shades shift; the drawing stays.
    assert np.corrcoef(tiled.flatten(), whole.flatten())[0, 1] > 0.95


def test_chunks_are_cut_where_transformers_cuts_tokens(tiny_checkpoint, tiny):
    theirs = CLIPTokenizer.from_pretrained(tiny_checkpoint / "tokenizer")
    for text in TEXTS:
        [chunk] = tiny._text.chunker.chunks(text)
        expected = theirs(text, padding="max_length", max_length=77, truncation=True).input_ids
        assert list(tiny._text.chunker.padded(chunk).tokens) == expected


def test_a_part_that_does_not_fit_its_config_is_a_sentence(tmp_path):
    folder = write_checkpoint(tmp_path / "broken")
    config = folder / "unet" / "config.json"
    config.write_text(config.read_text().replace('"block_out_channels": [\n    16,', '"block_out_channels": [\n    8,'))
    with pytest.raises(ModelProblem, match=r"diffusion_pytorch_model.safetensors does not fit: the tensor") as caught:
        load_model(folder)
    assert str(tmp_path) not in caught.value.detail


def test_fp16_weights_with_a_variant_are_read(tmp_path, registry, ask):
    plain = write_checkpoint(tmp_path / "plain")
    pipeline = StableDiffusionPipeline.from_pretrained(plain, dtype=torch.float16)
    pipeline.save_pretrained(tmp_path / "half", variant="fp16")
    assert (tmp_path / "half" / "unet" / "diffusion_pytorch_model.fp16.safetensors").is_file()
    for name in ("vocab.json", "merges.txt"):
        (tmp_path / "half" / "tokenizer" / name).write_bytes((plain / "tokenizer" / name).read_bytes())
    pictures = []
    for name in ("plain", "half"):
        loop = Loop(load_model(tmp_path / name), registry)
        loop.add("a", ask())
        pictures.append(loop.run()["a"])
    assert abs(pictures[0] - pictures[1]).mean() < 3


def test_the_starter_draws_what_is_typed(registry, plugins):
    """The shipped model: red in the middle, blue around, for two of three seeds at least."""
    request = GenerationRequest.from_values(
        {
            "prompt": "a red circle on a blue background", "steps": 20, "cfg_scale": 5.0, "width": 128, "height": 128,
            "checkpoint": STARTER.name, "sampler_name": "DPM++ 2M", "scheduler": "Karras", "n_iter": 3, "seed": 7,
        }
    )  # fmt: skip
    with running(STARTER.parent, registry, plugins) as bench:
        [pictures] = bench.make(request)
    good = 0
    for picture in pictures.values():
        image = pixels(picture)
        red, green, blue = (image[..., channel] for channel in range(3))
        is_red = (red > 150) & (green < 110) & (blue < 110)
        is_blue = (blue > 120) & (red < 110)
        border = np.ones(image.shape[:2], bool)
        border[12:-12, 12:-12] = False
        rows, columns = np.nonzero(is_red)
        inside = len(rows) > 400 and is_red[int(rows.mean()) - 4 : int(rows.mean()) + 4, int(columns.mean())].all()
        good += bool(inside and is_blue[border].mean() > 0.8)
    assert good >= 2
