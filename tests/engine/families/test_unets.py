"""SD1, SD2 and SDXL from single files: one model in every format, and the loop against diffusers' own pipelines."""

import pytest
import torch
from diffusers import (
    EulerDiscreteScheduler,
    StableDiffusionPipeline,
    StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLPipeline,
)
from transformers import CLIPTokenizer

from tests.engine.helpers import Loop, load_model
from tests.engine.singles import SUFFIXES, sd, tokenizer, write
from webui.core.errors import ModelProblem
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.families.base import Purpose
from webui.engine.model_schedule import DiscreteSchedule

KINDS = ["sd1", "sd2", "sdxl", "sdxl-refiner"]
XL = {"sdxl": StableDiffusionXLPipeline, "sdxl-refiner": StableDiffusionXLImg2ImgPipeline}
BETAS = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "timestep_spacing": "linspace"}


@pytest.fixture(scope="module", params=KINDS)
def model(request):
    return sd(request.param)


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """CLIP's tokenizer in transformers' form, with each of the two paddings."""
    folder = tmp_path_factory.mktemp("words")
    return {
        pad: CLIPTokenizer.from_pretrained(tokenizer(folder / str(i), pad))
        for i, pad in enumerate(["<|endoftext|>", "!"])
    }


@torch.inference_mode()
def predictions(model, size=64):
    """What a loaded model makes of a text and a noise; its extra channels included."""
    conditioning = model.encode("a red circle, very large", 1, Purpose(size, size))
    torch.manual_seed(1)
    x = torch.randn(1, model.latent_channels, size // 8, size // 8) * 3
    return model.predict(x, [2.5], model.stack([conditioning])), model.decode(x / 3)


@pytest.mark.parametrize("precision", [torch.float32, torch.float16])
def test_one_model_in_every_format_gives_the_same_bytes(tmp_path, model, precision):
    answers = {}
    for suffix in SUFFIXES:
        path = write(model.tensors(), tmp_path / f"{suffix}.{suffix}", precision)
        found = Catalogue((tmp_path,)).get(path.name)
        assert (found.family, found.problem, found.kind, found.missing) == (model.kind, None, "single", ())
        assert found.parts["unet"].precision == {torch.float32: "fp32", torch.float16: "fp16"}[precision]
        answers[suffix] = predictions(load_model(path))
    first, *others = answers.values()
    assert first[0].std() > 0.1
    assert all(torch.equal(a, b) for other in others for a, b in zip(first, other, strict=True))


def pipeline_of(model, words, prediction="epsilon", **schedule):
    """diffusers' own pipeline on the very networks."""
    scheduler = EulerDiscreteScheduler(**BETAS, prediction_type=prediction, **schedule)
    common = {"unet": model["unet"], "vae": model["vae"], "scheduler": scheduler}
    if model.kind in XL:
        encoder = model.parts.get("text_encoder")
        options = {"requires_aesthetics_score": True} if encoder is None else {}
        made = XL[model.kind](
            **common, text_encoder=encoder and encoder.network, text_encoder_2=model["text_encoder_2"],
            tokenizer=encoder and words["<|endoftext|>"], tokenizer_2=words["!"], add_watermarker=False, **options,
        )  # fmt: skip
    else:
        text = model["text_encoder"]
        if model.kind == "sd2":
            # What diffusers' own folders of SD2 are: OpenCLIP's last layer is not there.
            text.encoder.layers = text.encoder.layers[:23]
        made = StableDiffusionPipeline(
            **common, text_encoder=text, tokenizer=words["!" if model.kind == "sd2" else "<|endoftext|>"],
            safety_checker=None, feature_extractor=None, requires_safety_checker=False,
        )  # fmt: skip
    made.set_progress_bar_config(disable=True)
    return made


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("kind", ["sd1", "sd2", "sdxl"])
def test_the_loop_is_the_stock_pipeline(tmp_path, words, registry, ask, kind, prediction):
    model = sd(kind, marks=["v_pred"] if prediction == "v_prediction" else [])
    path = write(model.tensors(), tmp_path / "m.safetensors")
    loop = Loop(load_model(path), registry)
    words_said = {"prompt": "a red circle", "negative_prompt": "blurry"}
    request = ask(**words_said, scheduler="Uniform", steps=6, cfg_scale=5.0, width=96)
    loop.add("ours", request)
    loop.run()
    ours = loop.ends["ours"].latents
    noise = torch.randn((4, 8, 12), generator=torch.Generator().manual_seed(request.seed))[None]
    theirs = pipeline_of(model, words, prediction)(
        **words_said, num_inference_steps=6, guidance_scale=5.0, height=64, width=96,
        latents=noise, output_type="latent",
    ).images  # fmt: skip
    assert theirs.std() > 0.5
    assert (ours - theirs).abs().max() < 1e-4 * theirs.abs().max()


@pytest.mark.parametrize("kind", ["sd1", "sd2"])
def test_clip_skip_takes_an_earlier_layer_as_diffusers_does(tmp_path, words, kind):
    model = sd(kind)
    ours = load_model(write(model.tensors(), tmp_path / "m.safetensors"))
    theirs = pipeline_of(model, words)
    # Where diffusers looks for the norm since before transformers 5.
    theirs.text_encoder.__dict__["text_model"] = theirs.text_encoder
    with torch.inference_mode():
        for skip in (1, 2):
            # diffusers counts from 0, and its None is the last layer after the same norm.
            expected, _ = theirs.encode_prompt("a circle", "cpu", 1, False, clip_skip=skip - 1 or None)
            made = ours.encode("a circle", 1, Purpose(64, 64, clip_skip=skip)).context
            assert torch.allclose(made, expected, atol=1e-5)
        last = ours.encode("a circle", 1, Purpose(64, 64)).context
        assert not torch.allclose(last, made, atol=1e-2)


def test_a_clip_skip_beyond_the_layers_is_said(tmp_path):
    model = load_model(write(sd("sd1").tensors(), tmp_path / "m.safetensors"))
    with pytest.raises(ModelProblem, match="Clip skip is 13, and this checkpoint's text encoder has 12 layers"):
        model.encode("a", 1, Purpose(64, 64, clip_skip=13))


def test_the_refiner_s_texts_and_labels_are_diffusers(tmp_path, words):
    model = sd("sdxl-refiner")
    ours = load_model(write(model.tensors(), tmp_path / "m.safetensors"))
    theirs = pipeline_of(model, words)
    with torch.inference_mode():
        states, negative, pooled, negative_pooled = theirs.encode_prompt("a circle", negative_prompt="blurry")
        ids, negative_ids = theirs._get_add_time_ids(
            (64, 96), (0, 0), (64, 96), 6.0, 2.5, (64, 96), (0, 0), (64, 96), torch.float32, 64
        )
        for text, is_negative, expected in (
            ("a circle", False, (states, pooled, ids)), ("blurry", True, (negative, negative_pooled, negative_ids)),
        ):  # fmt: skip
            made = ours.encode(text, 1, Purpose(96, 64, is_negative))
            for mine, wanted in zip((made.context, made.pooled, made.time_ids), expected, strict=True):
                assert torch.allclose(mine, wanted, atol=1e-5)


def test_sdxl_says_nothing_with_zeros(tmp_path):
    model = load_model(write(sd("sdxl").tensors(), tmp_path / "m.safetensors"))
    with torch.inference_mode():
        nothing = model.encode("", 1, Purpose(64, 64, True))
        assert nothing.context.abs().max() == nothing.pooled.abs().max() == 0
        assert model.encode("", 1, Purpose(64, 64)).context.abs().max() > 0


@pytest.mark.parametrize("channels", [8, 9])
@pytest.mark.parametrize("kind", ["sd1", "sd2", "sdxl"])
def test_models_that_start_from_a_picture_run_with_an_empty_one(tmp_path, kind, channels):
    model = sd(kind, channels)
    path = write(model.tensors(), tmp_path / "m.safetensors")
    assert Catalogue((tmp_path,)).get("m").variant == {8: "pix2pix", 9: "inpainting"}[channels]
    loaded = load_model(path)
    answer, picture = predictions(loaded)
    assert loaded.latent_channels == 4 and answer.shape == (1, 4, 8, 8) and picture.shape == (1, 64, 64, 3)
    with torch.inference_mode():
        extra = loaded._empty_picture(64, 64)
        grey = model["vae"].encode(torch.zeros(1, 3, 64, 64)).latent_dist.mode() * loaded.vae.scaling
    if channels == 9:
        assert torch.equal(extra[:, :1], torch.ones(1, 1, 8, 8)) and torch.allclose(extra[:, 1:], grey, atol=1e-5)
    else:
        assert extra.shape == (1, 4, 8, 8) and not extra.any()


def test_marks_in_an_sdxl_file_say_velocity_and_zero_snr(tmp_path):
    plain = load_model(write(sd("sdxl").tensors(), tmp_path / "plain.safetensors"))
    marked = load_model(write(sd("sdxl", marks=["v_pred", "ztsnr"]).tensors(), tmp_path / "marked.safetensors"))
    assert not plain._velocity and marked._velocity
    assert plain.schedule.sigma_max < 15 and marked.schedule.sigma_max > 4000


def test_zero_snr_is_the_paper_s():
    from diffusers.schedulers.scheduling_ddim import rescale_zero_terminal_snr

    betas = torch.linspace(0.00085**0.5, 0.012**0.5, 1000, dtype=torch.float64) ** 2
    alphas = torch.cumprod(1 - rescale_zero_terminal_snr(betas), 0)
    ours = DiscreteSchedule.scaled_linear(zero_snr=True).sigmas
    theirs = ((1 - alphas) / alphas).sqrt()[:-1]
    assert torch.allclose(torch.tensor(ours[:-1], dtype=torch.float64), theirs, rtol=1e-6)


def test_sd2_is_asked_what_it_predicts(tmp_path):
    model = sd("sd2")
    kinds = []
    for shift in (0.0, -5.0):
        # At the last step a flat input comes back from one that predicts noise; the other answers far below it.
        model["unet"].conv_out.weight.data.zero_()
        model["unet"].conv_out.bias.data.fill_(0.5 + shift)
        kinds.append(load_model(write(model.tensors(), tmp_path / f"m{shift}.safetensors"))._velocity)
    assert kinds == [False, True]


def test_a_sidecar_counts_more_than_the_marks_in_a_file(tmp_path):
    path = write(sd("sdxl", marks=["v_pred", "ztsnr"]).tensors(), tmp_path / "m.safetensors")
    (tmp_path / "m.darkroom.json").write_text('{"prediction_type": "epsilon", "zero_snr": false}')
    model = load_model(path)
    assert not model._velocity and model.schedule.sigma_max < 15
