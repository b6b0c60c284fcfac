"""SD3, SD3.5 and Flux.1: one model in every format, and the loop against diffusers' own pipelines."""

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, FluxPipeline, StableDiffusion3Pipeline
from transformers import CLIPTextModelWithProjection, CLIPTokenizer, PreTrainedTokenizerFast

from tests.engine import tiny
from tests.engine.helpers import Loop, running
from tests.engine.singles import SUFFIXES, write
from tests.engine.singles import tokenizer as clip_tokenizer
from tests.engine.tiny_flow import KINDS, SCHEDULERS, flow, folder, tokenizer, write_tokenizer
from webui.core.errors import ModelProblem
from webui.core.model_folders import inside_models
from webui.engine.attention import products
from webui.engine.attention.apply import apply
from webui.engine.attention.backends import Backends
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.tokens import Reading
from webui.engine.families.autoencoder import Autoencoder
from webui.engine.families.base import Purpose
from webui.engine.families.t5_texts import T5Text
from webui.engine.layouts import t5
from webui.engine.reading.cache import NetworkCache
from webui.plugins.resolve import resolve

NAMES = {"sd3": "sd3_vae", "sd3.5": "sd35 sd3", "flux-dev": "ae", "flux-schnell": "flux_vae"}
FAMILY = {"sd3": "sd3", "sd3.5": "sd3", "flux-dev": "flux", "flux-schnell": "flux"}
STEPS = 5


@pytest.fixture(scope="module", params=KINDS)
def model(request):
    return flow(request.param)


@pytest.fixture
def root(tmp_path):
    """A folder of checkpoints in a folder of models that has T5's tokenizer."""
    write_tokenizer(tmp_path / "tokenizers" / "t5")
    for name in ("Stable-diffusion", "unet", "VAE", "text_encoder"):
        (tmp_path / name).mkdir()
    return tmp_path / "Stable-diffusion"


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    """The tokenizers in transformers' form: CLIP-L's, OpenCLIP-G's and T5's."""
    folders = tmp_path_factory.mktemp("words")
    clips = [
        CLIPTokenizer.from_pretrained(clip_tokenizer(folders / str(place), pad))
        for place, pad in enumerate(["<|endoftext|>", "!"])
    ]
    specials = {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"}
    return (*clips, PreTrainedTokenizerFast(tokenizer_object=tokenizer(), **specials))


def found(path):
    """The checkpoint at this place."""
    return Catalogue((path.parent,)).get(path.name)


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


@pytest.mark.parametrize("precision", [torch.float32, torch.float16])
def test_one_model_in_every_format_gives_the_same_bytes(root, registry, model, precision):
    answers = {}
    for suffix in SUFFIXES:
        path = write(model.tensors(), root / f"{suffix}.{suffix}", precision)
        checkpoint = found(path)
        assert (checkpoint.family, checkpoint.problem, checkpoint.missing) == (FAMILY[model.kind], None, ())
        assert set(checkpoint.parts) == set(model.parts)
        assert checkpoint.parts["transformer"].precision == {torch.float32: "fp32", torch.float16: "fp16"}[precision]
        answers[suffix] = predictions(loaded(checkpoint, registry))
    if precision == torch.float32:
        answers["folder"] = predictions(loaded(found(folder(model, root / "folder")), registry))
    first, *others = answers.values()
    assert first[0].std() > 0.1
    assert all(torch.equal(a, b) for other in others for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("suffix", ["safetensors", "gguf"])
def test_a_transformer_alone_is_put_together_with_parts(root, registry, model, suffix):
    whole = loaded(found(write(model.tensors(), root / "whole.safetensors")), registry)
    bare = write(model.tensors("transformer", bare=True), root.parent / "unet" / f"bare.{suffix}")
    alone = Catalogue(inside_models(root.parent)).find(bare.name)
    lacking = set(model.parts) - {"transformer", "text_encoder_3"}
    assert (alone.family, set(alone.parts), set(alone.missing)) == (FAMILY[model.kind], {"transformer"}, lacking)
    for name, part in model.parts.items():
        if name != "transformer":
            tensors = model.tensors(name, bare=True)
            if suffix == "gguf" and "t5xxl" in part.prefix:
                tensors = tiny.renamed(part.network.encoder, t5.llama_cpp)
            kind = "VAE" if name == "vae" else "text_encoder"
            write(tensors, root.parent / kind / f"{name}.{suffix}")
    # Another family's autoencoder of the same form stands first in the list; its name tells that it is not meant.
    other = "sd3" if model.kind.startswith("flux") else "ae"
    write(flow(model.kind, seed=5).tensors("vae", bare=True), root.parent / "VAE" / f"{other}.{suffix}")
    (root.parent / "VAE" / f"vae.{suffix}").rename(root.parent / "VAE" / f"{NAMES[model.kind]}.{suffix}")
    together = loaded(Catalogue(inside_models(root.parent)).get(bare.name), registry)
    assert all(torch.equal(a, b) for a, b in zip(predictions(whole), predictions(together), strict=True))


def pipeline_of(model, words, scheduler=None, projection=False):
    """diffusers' own pipeline on the very networks. projection: CLIP-L's own counts, which single files lack."""
    scheduler = FlowMatchEulerDiscreteScheduler(**(scheduler or SCHEDULERS[model.kind]))
    common = {"transformer": model["transformer"], "vae": model["vae"], "scheduler": scheduler}
    if model.kind.startswith("sd3"):
        small = model["text_encoder"]
        if not projection:
            without, small = small, CLIPTextModelWithProjection(small.config).eval()
            weights = {name.removeprefix("text_model."): tensor for name, tensor in without.state_dict().items()}
            weights = {
                name: weights.get(name.removeprefix("text_model."), torch.eye(64)) for name in small.state_dict()
            }
            small.load_state_dict(weights)
        made = StableDiffusion3Pipeline(
            **common, text_encoder=small, tokenizer=words[0], text_encoder_2=model["text_encoder_2"],
            tokenizer_2=words[1], text_encoder_3=model.parts.get("text_encoder_3") and model["text_encoder_3"],
            tokenizer_3=words[2],
        )  # fmt: skip
    else:
        made = FluxPipeline(
            **common, text_encoder=model["text_encoder"], tokenizer=words[0],
            text_encoder_2=model["text_encoder_2"], tokenizer_2=words[2],
        )  # fmt: skip
    made.set_progress_bar_config(disable=True)
    return made


def stock(pipeline, request, **options):
    """The latents that diffusers makes of a request."""
    height, width = request.height, request.width
    noise = torch.randn((16, height // 8, width // 8), generator=torch.Generator().manual_seed(request.seed))[None]
    texts = {"prompt": request.prompt, "negative_prompt": request.negative_prompt, "output_type": "latent"}
    size = {"height": height, "width": width, "num_inference_steps": request.steps}
    if isinstance(pipeline, StableDiffusion3Pipeline):
        # By default this one pipeline shifts the last noise level twice; its program does not, nor do the others.
        sigmas = np.linspace(1.0, 1 / request.steps, request.steps).tolist()
        return pipeline(
            **texts, **size, latents=noise, sigmas=sigmas, guidance_scale=request.cfg_scale, **options
        ).images
    packed = pipeline._pack_latents(noise, 1, 16, height // 8, width // 8)
    latents = pipeline(**texts, **size, latents=packed, true_cfg_scale=request.cfg_scale, **options).images
    return pipeline._unpack_latents(latents, height, width, 8)


def ours(model, registry, request):
    """The latents that the loop makes of it."""
    loop = Loop(model, registry)
    loop.add("ours", request)
    loop.run()
    return loop.ends["ours"].latents


def assert_same(mine, theirs):
    assert theirs.std() > 0.3
    assert (mine - theirs).abs().max() < 1e-4 * theirs.abs().max()


@pytest.mark.parametrize("cfg_scale", [1.0, 4.0])
def test_the_loop_is_the_stock_pipeline(root, words, registry, ask, model, cfg_scale):
    path = write(model.tensors(), root / "m.safetensors")
    request = ask(
        prompt="a red circle", negative_prompt="blurry", sampler_name="Euler", scheduler="Automatic", steps=STEPS,
        cfg_scale=cfg_scale, width=96,
    )  # fmt: skip
    options = {}
    if model.kind.startswith("flux"):
        options["max_sequence_length"] = 512 if model.kind == "flux-dev" else 256
    theirs = stock(pipeline_of(model, words), request, **options)
    assert_same(ours(loaded(found(path), registry), registry, request), theirs)


def test_the_folder_s_own_schedule_and_projection_count(root, words, registry, ask):
    model = flow("sd3")
    model.parts["text_encoder"].network = tiny.clip(projection=True, seed=3)
    path = folder(model, root / "m")
    FlowMatchEulerDiscreteScheduler(shift=1.7).save_pretrained(path / "scheduler")
    request = ask(prompt="a circle", scheduler="Automatic", steps=STEPS, cfg_scale=3.0)
    theirs = stock(pipeline_of(model, words, {"shift": 1.7}, projection=True), request)
    assert_same(ours(loaded(found(path), registry), registry, request), theirs)


def test_sd3_works_without_t5(root, words, registry, ask):
    model = flow("sd3.5")
    del model.parts["text_encoder_3"]
    checkpoint = found(write(model.tensors(), root / "m.safetensors"))
    assert checkpoint.problem is None and "text_encoder_3" not in checkpoint.parts
    request = ask(prompt="a red circle", scheduler="Automatic", steps=STEPS, cfg_scale=3.0)
    assert_same(ours(loaded(checkpoint, registry), registry, request), stock(pipeline_of(model, words), request))


def test_dev_is_told_its_guidance_and_schnell_none(root, registry):
    dev = loaded(found(write(flow("flux-dev").tensors(), root / "dev.safetensors")), registry)
    schnell = loaded(found(write(flow("flux-schnell").tensors(), root / "schnell.safetensors")), registry)
    x = torch.randn(1, 16, 8, 8)
    with torch.inference_mode():
        for model, differs in ((dev, True), (schnell, False)):
            texts = [model.encode("a", 1, Purpose(64, 64, distilled_cfg_scale=scale)) for scale in (0.0, 3.5, 9.0)]
            plain, same, other = (model.predict(x, [0.7], model.stack([text])) for text in texts)
            assert torch.equal(plain, same) and torch.equal(plain, other) != differs


@torch.inference_mode()
def test_rows_of_different_noise_and_text_share_a_pass(root, registry, model):
    made = loaded(found(write(model.tensors(), root / "m.safetensors")), registry)
    texts = [made.encode(text, 1, Purpose(64, 96)) for text in ("a red circle", "")]
    x = torch.randn(2, 16, 12, 8)
    together = made.predict(x, [0.9, 0.2], made.stack(texts))
    alone = [made.predict(x[i : i + 1], [s], made.stack([texts[i]])) for i, s in enumerate((0.9, 0.2))]
    assert torch.allclose(together, torch.cat(alone), atol=1e-4)
    assert (together[0] - together[1]).abs().max() > 0.1


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


@pytest.mark.parametrize(
    ("kind", "small", "large"), [("sd3", 3.0, 3.0), ("flux-schnell", 1.0, 1.0), ("flux-dev", 1.6487, 3.1582)]
)
def test_shifts(root, registry, kind, small, large):
    checkpoint = found(write(flow(kind).tensors(), root / "m.safetensors"))
    made = loaded(checkpoint, registry)
    assert made.schedule_at(256, 256).flow and registry.families.get(checkpoint.family).flow
    assert made.schedule_at(256, 256).shift == pytest.approx(small, abs=1e-4)
    assert made.schedule_at(1024, 1024).shift == pytest.approx(large, abs=1e-4)


def test_a_picture_beyond_the_table_of_places_is_refused(root, registry):
    made = loaded(found(write(flow("sd3").tensors(), root / "m.safetensors")), registry)
    made.encode("a", 1, Purpose(192, 192))
    with pytest.raises(ModelProblem, match="at most 192 pixels") as problem:
        made.encode("a", 1, Purpose(64, 208))
    assert problem.value.field == "height"


def test_variants_say_what_they_understand(root, registry):
    row = registry.families.get("flux")
    for kind, name in (("flux-dev", "dev"), ("flux-schnell", "schnell")):
        assert found(write(flow(kind).tensors(), root / f"{kind}.safetensors")).variant == name
    assert found(write(flow("sd3.5").tensors(), root / "sd3.5_large_Turbo.safetensors")).variant == "turbo"
    dev, schnell = row.variants
    assert (dev.abilities, schnell.abilities) == (("cfg", "distilled_cfg"), ())
    assert (dev.defaults["steps"], schnell.defaults["steps"]) == (20, 4)


def test_t5_never_computes_in_fp16(root, registry):
    checkpoint = found(write(flow("flux-schnell").tensors(), root / "m.safetensors", torch.float16))
    reader = NetworkCache(registry, resolve, torch.device("cpu"), torch.float16)
    assert T5Text.read(checkpoint, reader, 2, 256).network.dtype == torch.bfloat16


@torch.inference_mode()
def test_the_vae_may_have_a_precision_of_its_own(root, registry):
    checkpoint = found(write(flow("flux-schnell").tensors(), root / "m.safetensors"))
    load, latents = resolve(registry.families.get("flux").function), torch.randn(1, 16, 8, 8)
    own = {"vae": torch.bfloat16}
    plain, made = (
        load(checkpoint, NetworkCache(registry, resolve, torch.device("cpu"), torch.float32, precisions))
        for precisions in ({}, own)
    )
    assert made.vae.network.dtype == torch.bfloat16 and made.dtype == plain.vae.network.dtype == torch.float32
    assert (made.decode(latents).float() - plain.decode(latents).float()).abs().mean() < 4
    # What fp16 overflows is fp32 unless a person says otherwise.
    half = (torch.device("cpu"), torch.float16)
    kept = NetworkCache(registry, resolve, *half), NetworkCache(registry, resolve, *half, {"vae": torch.float16})
    part = checkpoint.parts["vae"]
    assert [Autoencoder.read(part, reader, 1.0).network.dtype for reader in kept] == [torch.float32, torch.float16]


def test_without_a_tokenizer_it_is_said_where_to_put_it(root, registry, monkeypatch):
    path = write(flow("flux-dev").tensors(), root / "m.safetensors")
    (root.parent / "tokenizers" / "t5" / "tokenizer.json").unlink()
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(root))
    with pytest.raises(ModelProblem) as problem:
        loaded(found(path), registry)
    assert str(root.parent / "tokenizers" / "t5" / "tokenizer.json") in problem.value.remedies[1]


def test_jobs_of_both_kinds_run_to_pictures(root, registry, plugins, ask):
    for kind in ("sd3.5", "flux-schnell"):
        write(flow(kind).tensors(), root / f"{kind}.safetensors")
    with running(root, registry, plugins) as bench:
        requests = [
            ask(checkpoint="flux-schnell", steps=2, cfg_scale=1.0, width=96),
            ask(checkpoint="sd3.5", steps=2, cfg_scale=4.0, sampler_name="Heun"),
            ask(checkpoint="sd3.5", steps=3, cfg_scale=1.0, seed=9),
        ]
        made = bench.make(*requests)
    assert [(p[0].width, p[0].height) for p in made] == [(96, 64), (64, 64), (64, 64)]


@torch.inference_mode()
def test_weights_multiply_the_vectors_of_clip_and_t5(root, registry, model):
    made = loaded(found(write(model.tensors(), root / "weights.safetensors")), registry)

    def encoded(text, mode="Original"):
        return made.encode(text, 1, Purpose(64, 64, reading=Reading(mode)))

    plain, weighted = encoded("a red circle"), encoded("a (red:3) circle", "No norm")
    ratio = weighted.context / plain.context
    rows = (ratio[0].nanmedian(dim=-1).values - 3.0).abs() < 1e-3
    # One token of each text encoder whose states are in the context: SD3's CLIPs are side by side, Flux has T5's alone.
    assert int(rows.sum()) >= 1
    assert torch.equal(weighted.context[:, ~rows], plain.context[:, ~rows])
    assert torch.equal(weighted.pooled, plain.pooled)
    assert torch.equal(encoded("a (red:3) circle", "Ignore").context, plain.context)
    assert torch.equal(encoded("a [(red)] circle").context, plain.context)
    original = encoded("a (red:3) circle").context
    assert not torch.equal(original, plain.context) and not torch.equal(original, weighted.context)
    # It is read as one piece.
    assert torch.equal(encoded("a BREAK red circle").context, encoded("a red circle").context)
