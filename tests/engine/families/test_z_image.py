"""Z-Image: one model in every format, the loop against diffusers' own pipeline, texts of any length in one pass."""

import json
from dataclasses import replace

import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, ZImagePipeline

from tests.engine import tiny
from tests.engine.helpers import Loop
from tests.engine.singles import SUFFIXES, write
from tests.engine.tiny_z_image import folder, stock_tokenizer, tokenizer, write_tokenizer, z_image_model
from webui.core.errors import ModelProblem
from webui.core.model_folders import ModelFolders
from webui.engine.attention import products
from webui.engine.attention.apply import apply
from webui.engine.attention.backends import Backends
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.qwen3_tokens import LENGTH, count_prompt, prompt_tokens
from webui.engine.families.base import Purpose
from webui.engine.layouts import language_models
from webui.engine.layouts.base import same
from webui.engine.reading.cache import NetworkCache
from webui.plugins.resolve import resolve

STEPS = 4
LONG = "a red circle, very large, " * 6


@pytest.fixture(scope="module")
def model():
    return z_image_model()


@pytest.fixture
def models(tmp_path):
    """A folder of models that has Qwen3's tokenizer."""
    write_tokenizer(tmp_path / "tokenizers" / "qwen3")
    for name in ("Stable-diffusion", "VAE", "text_encoder"):
        (tmp_path / name).mkdir()
    return tmp_path


@pytest.fixture
def root(models):
    """Its folder of checkpoints."""
    return models / "Stable-diffusion"


def found(path):
    """The checkpoint at this place, made of what lies in its folder of models."""
    models = path.parent.parent
    folders = ModelFolders((path.parent,), vae=(models / "VAE",), text_encoders=(models / "text_encoder",))
    return Catalogue(folders).get(path.name)


def loaded(checkpoint, registry, dtype=torch.float32):
    """Its model in memory, on the CPU."""
    reader = NetworkCache(registry, resolve, torch.device("cpu"), dtype)
    return resolve(registry.families.get(checkpoint.family).function)(checkpoint, reader)


@torch.inference_mode()
def predictions(model, size=64):
    """What a loaded model makes of a text and a noise."""
    conditioning = model.encode("a red circle, very large", 1, Purpose(size, size))
    torch.manual_seed(1)
    x = torch.randn(1, 16, size // 8, size // 8)
    return model.predict(x, [0.8], model.stack([conditioning])), model.decode(x)


def assert_equal(answers):
    first, *others = answers
    assert first[0].std() > 0.1
    assert all(torch.equal(a, b) for other in others for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("precision", [torch.float32, torch.float16])
def test_one_model_in_every_format_gives_the_same_bytes(root, registry, model, precision):
    answers = []
    for suffix in SUFFIXES:
        checkpoint = found(write(model.tensors(), root / f"{suffix}.{suffix}", precision))
        assert (checkpoint.family, checkpoint.problem, checkpoint.missing) == ("z-image", None, ())
        assert checkpoint.completed == {}
        assert checkpoint.parts["transformer"].precision == {torch.float32: "fp32", torch.float16: "fp16"}[precision]
        answers.append(predictions(loaded(checkpoint, registry)))
    if precision == torch.float32:
        answers.append(predictions(loaded(found(folder(model, root / "folder")), registry)))
    assert_equal(answers)


@pytest.mark.parametrize("prefix", ["", "model.diffusion_model."])
@pytest.mark.parametrize("suffix", ["safetensors", "gguf"])
def test_files_of_the_parts_are_put_together(models, root, registry, model, prefix, suffix):
    whole = loaded(found(folder(model, models.parent / "else" / "whole")), registry)
    names = model.tensors("transformer", bare=True) if suffix == "gguf" else tiny.renamed(model["transformer"], same)
    bare = write({prefix + name: tensor for name, tensor in names.items()}, root / f"z_image.{suffix}")
    write(model.tensors("vae", bare=True), models / "VAE" / "ae.safetensors")
    layout = {"": language_models.transformers, "model.diffusion_model.": same}[prefix]
    layout = language_models.llama_cpp if suffix == "gguf" else layout
    write(tiny.renamed(model["text_encoder"], layout), models / "text_encoder" / f"qwen_3_4b.{suffix}")
    checkpoint = found(bare)
    assert set(checkpoint.completed) == {"vae", "text_encoder"}
    assert_equal([predictions(whole), predictions(loaded(checkpoint, registry))])


def test_fp8_with_scales_is_what_it_stands_for(root, registry):
    model = z_image_model(seed=3)
    tensors, rounded = {}, {}
    for name, tensor in model.tensors().items():
        tensors[name] = rounded[name] = tensor
        if tensor.dim() == 2 and name.endswith(".weight") and "model.diffusion_model.layers" in name:
            scale = tensor.abs().max() / 448
            tensors[name] = (tensor / scale).to(torch.float8_e4m3fn)
            tensors[name.replace(".weight", ".scale_weight")] = scale
            rounded[name] = tensors[name].float() * scale
    paths = write(tensors, root / "fp8.safetensors"), write(rounded, root / "plain.safetensors")
    assert_equal([predictions(loaded(found(path), registry)) for path in paths])


def stock(model, request, shift=3.0):
    """The latents that diffusers makes of a request."""
    made = ZImagePipeline(
        scheduler=FlowMatchEulerDiscreteScheduler(shift=shift), vae=model["vae"], tokenizer=stock_tokenizer(),
        text_encoder=model["text_encoder"], transformer=model["transformer"],
    )  # fmt: skip
    made.set_progress_bar_config(disable=True)
    height, width = request.height, request.width
    noise = torch.randn((16, height // 8, width // 8), generator=torch.Generator().manual_seed(request.seed))[None]
    return made(
        request.prompt, negative_prompt=request.negative_prompt, height=height, width=width, latents=noise,
        # diffusers' scale is how far beyond the prompt's answer, and a person's how far from the negative prompt's.
        num_inference_steps=request.steps, guidance_scale=request.cfg_scale - 1.0, output_type="latent",
    ).images  # fmt: skip


def ours(model, registry, request):
    """The latents that the loop makes of it."""
    loop = Loop(model, registry)
    loop.add("ours", request)
    loop.run()
    return loop.ends["ours"].latents


def assert_same(mine, theirs):
    assert theirs.std() > 0.3
    assert (mine - theirs).abs().max() < 1e-4 * theirs.abs().max()


@pytest.mark.parametrize(("prompt", "cfg_scale"), [("a red circle", 1.0), ("a red circle", 4.0), (40 * LONG, 3.0)])
def test_the_loop_is_the_stock_pipeline(root, registry, ask, model, prompt, cfg_scale):
    path = write(model.tensors(), root / "m.safetensors")
    request = ask(
        prompt=prompt, negative_prompt="blurry", scheduler="Automatic", steps=STEPS, cfg_scale=cfg_scale, width=96
    )
    theirs = stock(model, request)
    assert_same(ours(loaded(found(path), registry), registry, request), theirs)
    # Guidance, and how it is scaled, show.
    other = stock(model, replace(request, cfg_scale=cfg_scale + 1.0))
    assert (other - theirs).abs().max() > 1e-2 * theirs.abs().max()


def test_the_folder_s_own_schedule_counts_and_the_sidecar_s_more(root, registry, ask, model):
    path = folder(model, root / "m", shift=6.0)
    request = ask(prompt="a circle", scheduler="Automatic", steps=STEPS, cfg_scale=3.0)
    assert_same(ours(loaded(found(path), registry), registry, request), stock(model, request, 6.0))
    (path / "darkroom.json").write_text(json.dumps({"shift": 2}))
    assert loaded(found(path), registry).schedule_at(64, 64).shift == 2.0
    assert registry.families.get("z-image").flow
    single = write(model.tensors(), root / "base.safetensors")
    single.with_suffix(".darkroom.json").write_text(json.dumps({"shift": 6}))
    assert loaded(found(single), registry).schedule_at(64, 64).shift == 6.0
    (path / "darkroom.json").write_text(json.dumps({"shift": "2"}))
    with pytest.raises(ModelProblem, match="shift"):
        loaded(found(path), registry)


def test_turbo_is_known_by_its_folder_s_schedule_or_else_its_name(root, model):
    assert found(folder(model, root / "a", shift=3.0)).variant == "turbo"
    assert found(folder(model, root / "a turbo", shift=6.0)).variant == ""
    assert found(write(model.tensors(), root / "z_image_Turbo_bf16.safetensors")).variant == "turbo"
    assert found(write(model.tensors(), root / "z_image_bf16.safetensors")).variant == ""


@torch.inference_mode()
def test_texts_of_any_length_and_noises_share_a_pass(root, registry, model):
    made = loaded(found(write(model.tensors(), root / "m.safetensors")), registry)
    texts = [made.encode(text, 1, Purpose(64, 96)) for text in ("a red circle", LONG, "")]
    assert len({len(text.states) for text in texts}) == 3
    x, sigmas = torch.randn(3, 16, 12, 8), (0.9, 0.2, 1.0)
    together = made.predict(x, sigmas, made.stack(texts))
    alone = [made.predict(x[i : i + 1], [s], made.stack([texts[i]])) for i, s in enumerate(sigmas)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-4)
    swapped = made.predict(x, sigmas, made.stack([texts[1], texts[0], texts[2]]))
    assert (together - swapped).flatten(1).abs().amax(1)[:2].min() > 0.01


def test_lanes_of_different_texts_in_one_loop_come_out_as_each_alone(root, registry, ask, model):
    made = loaded(found(write(model.tensors(), root / "m.safetensors")), registry)
    requests = {
        "short": ask(prompt="a", scheduler="Automatic", steps=3, cfg_scale=3.0),
        "long": ask(prompt=LONG, scheduler="Automatic", steps=5, cfg_scale=1.0, seed=7),
    }
    loop = Loop(made, registry)
    for name, request in requests.items():
        loop.add(name, request)
    loop.run()
    assert 3 in loop.rows
    for name, request in requests.items():
        assert torch.allclose(loop.ends[name].latents, ours(made, registry, request), atol=1e-3)


@torch.inference_mode()
def test_attention_can_be_chosen(root, registry, model, monkeypatch):
    made = loaded(found(write(model.tensors(), root / "m.safetensors")), registry)
    calls = []
    plain = products._sliced
    monkeypatch.setattr(products, "_sliced", lambda *args: calls.append(1) or plain(*args))
    backends = Backends(registry.attention, resolve)
    answers = []
    for name in ("sdpa", "math", "sdpa"):
        applied = apply(backends, name, made.denoiser)
        calls.clear()
        answers.append(predictions(made)[0])
        assert bool(calls) == (name == "math")
        applied.undo()
    assert torch.equal(answers[0], answers[2]) and torch.allclose(answers[0], answers[1], atol=1e-4)


def test_half_precision_is_never_fp16(root, registry, model):
    made = loaded(found(write(model.tensors(), root / "m.safetensors")), registry, torch.float16)
    assert made.dtype == torch.bfloat16 and predictions(made)[0].isfinite().all()


def test_the_counter_counts_the_prompt_alone_and_says_what_there_is_room_for(root, model):
    checkpoint = found(write(model.tensors(), root / "m.safetensors"))
    tokens, room = count_prompt(checkpoint, "a red circle")
    assert tokens == len(tokenizer().encode("a red circle").ids)
    assert count_prompt(checkpoint, "") == (0, room)
    fits = "1" * room
    assert count_prompt(checkpoint, fits)[0] == room and len(prompt_tokens(tokenizer(), fits)) == LENGTH
    assert prompt_tokens(tokenizer(), 2 * fits) == prompt_tokens(tokenizer(), 3 * fits)


def test_another_tokenizer_and_none_are_said(models, root, registry, model, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HUB_CACHE", str(models / "nothing"))
    path = write(model.tensors(), root / "m.safetensors")
    place = models / "tokenizers" / "qwen3" / "tokenizer.json"
    place.write_text(place.read_text().replace("151644", "151650"))
    with pytest.raises(ModelProblem, match="not the tokenizer of Qwen3"):
        loaded(found(path), registry)
    place.unlink()
    assert count_prompt(found(path), "a red circle") == (3, 75)
    with pytest.raises(ModelProblem, match="needs the tokenizer of Qwen3"):
        loaded(found(path), registry)
