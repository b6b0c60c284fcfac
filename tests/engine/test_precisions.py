"""Weights are kept in the precision that a request asks for: less memory, and the picture of such a file."""

import copy
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from tests.engine import singles, tiny, tiny_flow, tiny_parts, tiny_z_image
from tests.engine.helpers import pixels, running
from tests.engine.tiny_stock import Watch
from webui.core.model_work import Convert
from webui.core.precisions import FIELD_OF
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.reading import cache
from webui.engine.reading.cache import NetworkCache, PlacedReader
from webui.engine.reading.kept import FP8, KeptTensor, keep, size_of, to_type, type_of
from webui.engine.reading.networks import read_network
from webui.engine.residents import size_of_all
from webui.engine.work.convert import convert
from webui.engine.work.files import WorkFiles
from webui.plugins.resolve import resolve

TYPES = [torch.float16, torch.bfloat16, FP8]
BITS = {"fp32": 32, "fp16": 16, "bf16": 16, "fp8": 8}


def all_parts(precision):
    return dict.fromkeys(FIELD_OF.values(), precision)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One model as files: full and other (other weights) of fp32, half of fp16, brain of bf16, eight of fp8."""
    place = tmp_path_factory.mktemp("precisions")
    model = singles.sd("sd1")
    singles.write(model.tensors(), place / "full.safetensors")
    singles.write(singles.sd("sd1", seed=4).tensors(), place / "other.safetensors")
    singles.write(model.tensors(), place / "half.safetensors", torch.float16)
    singles.write(model.tensors(), place / "brain.safetensors", torch.bfloat16)
    roles = dict.fromkeys(FIELD_OF, "fp8")
    half = Catalogue((place,)).get("half")
    convert(Convert(precision=roles), WorkFiles(half, place / "eight.safetensors"), lambda *_: None, lambda: False)
    return place


@pytest.fixture
def counted(monkeypatch):
    """The roles of the parts that are read, in order."""
    read = []

    def watched(part, *arguments):
        read.append(part.role)
        return read_network(part, *arguments)

    monkeypatch.setattr(cache, "read_network", watched)
    return read


@contextmanager
def bench(folder, registry, plugins):
    with running(folder, registry, plugins) as made:
        yield lambda request: pixels(made.make(request)[0][0]), made.engine._pipelines


@pytest.mark.parametrize(
    ("kept", "asked", "file"), [("full", "fp16", "half"), ("full", "bf16", "brain"), ("half", "fp8", "eight")]
)
def test_the_picture_is_that_of_a_file_in_this_precision(folder, registry, plugins, ask, kept, asked, file):
    with bench(folder, registry, plugins) as (make, _):
        asking = make(ask(checkpoint=kept, **all_parts(asked)))
        assert (asking == make(ask(checkpoint=file))).all()
        assert (asking != make(ask(checkpoint=kept))).any()
        assert (asking == make(ask(checkpoint=file, **all_parts(asked)))).all(), "a file of no more gains nothing"


def test_it_saves_the_memory(folder, registry, plugins, ask):
    with bench(folder, registry, plugins) as (make, pipelines):
        sizes = {}
        for precision in BITS:
            make(ask(checkpoint="full", **all_parts(precision)))
            (newest,) = [r for r in pipelines._resident.values() if r.model not in [m for m, _ in sizes.values()]]
            sizes[precision] = newest.model, size_of_all([newest])
        bits = {precision: size / sizes["fp32"][1] * 32 for precision, (_, size) in sizes.items()}
        assert bits == pytest.approx(BITS, rel=0.06), "norms and biases are not of 8 bits"


def test_another_precision_of_one_part_reads_that_part_alone(folder, registry, plugins, ask, counted):
    with bench(folder, registry, plugins) as (make, _):
        first = make(ask(checkpoint="full"))
        assert sorted(counted) == ["denoiser", "text_encoder", "vae"]
        for role, name in FIELD_OF.items():
            counted.clear()
            asking = ask(checkpoint="full", **{name: "fp8"})
            assert (make(asking) != first).any() and counted == [role]
            assert (make(asking) == make(asking)).all() and counted == [role]
        counted.clear()
        assert (make(ask(checkpoint="full")) == first).all()
        assert (make(ask(checkpoint="full", **all_parts("fp32"))) == first).all() and not counted


def test_a_refiners_parts_are_kept_the_same(folder, registry, plugins, ask, counted):
    refined = {"refiner_checkpoint": "other", "refiner_switch_at": 0.5, "abilities": "cfg,refiner,precision"}
    with bench(folder, registry, plugins) as (make, pipelines):
        make(ask(checkpoint="full", **refined, denoiser_precision="fp8"))
        kept = [resident.model.denoiser for resident in pipelines._resident.values()]
        assert len(kept) == 2 and all(isinstance(unet.conv_in.weight, KeptTensor) for unet in kept)
        assert sorted(counted) == ["denoiser", "denoiser", "text_encoder", "text_encoder", "vae", "vae"]


def test_what_is_loaded_ahead_is_kept_as_the_settings_say(folder, registry, plugins, ask, counted):
    warm = {"warm_checkpoint": "full", "warm_precisions": dict.fromkeys(FIELD_OF, "Automatic") | {"denoiser": "fp8"}}
    with running(folder, registry, plugins, **warm) as made:
        made.engine._intake._loader.submit(lambda: None).result()
        assert len(counted) == 3
        made.make(ask(checkpoint="full", denoiser_precision="fp8"))
        assert len(counted) == 3


def test_what_goes_for_another_precision_leaves_what_is_shared(folder, registry, ask, counted):
    reader = NetworkCache(registry, resolve, torch.device("cpu"), torch.float32)
    parts = Catalogue((folder,)).get("full").parts
    wide = reader.network(parts["unet"])
    asked = replace(parts["unet"], kept_as="fp16")
    assert reader.held([parts["unet"]]) == [wide] and reader.held([asked]) == []
    narrow = reader.network(asked)
    assert reader.held([asked]) == [narrow] and reader.held([parts["unet"]]) == [wide]
    assert narrow.dtype == torch.float32 and narrow.conv_in.weight.kept.dtype == torch.float16


@pytest.mark.parametrize(
    ("asked", "role", "family", "where", "expected"),
    [
        ("", "denoiser", None, "cpu", ("float32", "float32")),
        ("bf16", "denoiser", None, "cpu", ("bfloat16", "float32")),
        ("fp8", "vae", torch.bfloat16, "cpu", ("float8_e4m3fn", "bfloat16")),
        ("fp16", "denoiser", None, "meta", ("float16", "float16")),
        ("fp32", "denoiser", None, "meta", ("float32", "float32")),
        ("fp16", "text_encoder", torch.bfloat16, "meta", ("float16", "float32")),
        ("bf16", "text_encoder", torch.bfloat16, "meta", ("bfloat16", "bfloat16")),
        ("fp16", "vae", torch.float32, "meta", ("float16", "float32")),
        ("fp16", "text_encoder", torch.bfloat16, "stock", ("float16", "bfloat16")),
        ("fp32", "denoiser", torch.bfloat16, "stock", ("bfloat16", "bfloat16")),
    ],
)
def test_a_device_computes_in_what_is_kept_unless_the_family_needs_more(
    folder, registry, asked, role, family, where, expected
):
    device, usual = ("cpu", torch.float32) if where == "cpu" else ("meta", torch.bfloat16)
    part = next(part for part in Catalogue((folder,)).get("full").parts.values() if part.role == role)
    reader = NetworkCache(registry, resolve, torch.device(device), usual)
    types = reader._types(replace(part, kept_as=asked), family, where == "stock")
    assert tuple(str(kind).removeprefix("torch.") for kind in types) == expected


@pytest.mark.parametrize("kind", tiny_parts.KINDS)
def test_stock_pipelines_of_parts_draw_as_from_files_in_this_precision(kind, registry, ask, tmp_path):
    for name in ("Stable-diffusion", "VAE", "text_encoder"):
        (tmp_path / name).mkdir()
    tiny_parts.write_tokenizers(tmp_path)
    pipeline = tiny_parts.KINDS[kind]()
    text, vae = tiny_parts.NAMES[kind]
    tensors = {
        f"Stable-diffusion/{kind}": tiny_parts.denoiser_tensors(kind, pipeline),
        f"VAE/{vae}": tiny_parts.vae_tensors(kind, pipeline),
        f"text_encoder/{text}": tiny_parts.text_tensors(kind, pipeline),
    }
    request = ask(sampler_name="Automatic", steps=2, cfg_scale=3.0, negative_prompt="star", prompt="a red house")
    drawn = {}
    for file, asked in ((torch.float32, ""), (torch.float32, "fp16"), (torch.float16, ""), (torch.float16, "fp8")):
        for name, held in tensors.items():
            singles.write(held, tmp_path / f"{name}.safetensors", file)
        checkpoint = Catalogue(tiny_parts.folders_of(tmp_path)).get(kind)
        kept = {name: replace(part, kept_as=asked) for name, part in checkpoint.parts.items()}
        reader = PlacedReader(NetworkCache(registry, resolve, torch.device("cpu"), torch.float32), True)
        load = resolve(registry.families.get(checkpoint.family).function)
        watch = Watch()
        (image,) = load(replace(checkpoint, parts=kept), reader).draw(request, [7], watch)
        drawn[file, asked] = np.asarray(image).astype(int), watch.latents[-1]
    (picture, latents), (expected, half) = drawn[torch.float32, "fp16"], drawn[torch.float16, ""]
    assert (picture == expected).all() and torch.equal(latents, half)
    assert not torch.equal(drawn[torch.float16, "fp8"][1], half) and not torch.equal(drawn[torch.float32, ""][1], half)


NETWORKS = {
    "unet": (tiny.unet, lambda n: n(torch.ones(1, 4, 8, 8), torch.tensor([5.0]), torch.ones(1, 7, 64)).sample),
    "vae": (tiny.vae, lambda n: n.decode(n.encode(torch.ones(1, 3, 64, 64)).latent_dist.mode()).sample),
    "clip": (tiny.clip, lambda n: n(torch.tensor([[1, 2, 3]])).last_hidden_state),
    "clip-g": (lambda: tiny.clip("clip-g", True), lambda n: n(torch.tensor([[1, 2, 3]])).text_embeds),
    "t5": (lambda: tiny_flow.t5_encoder().encoder, lambda n: n(torch.tensor([[1, 2, 3]])).last_hidden_state),
    "qwen3": (tiny_z_image.language_model, lambda n: n(input_ids=torch.tensor([[1, 2, 3]])).last_hidden_state),
}


@pytest.mark.parametrize("name", NETWORKS)
@pytest.mark.parametrize("kept", TYPES, ids=str)
@torch.inference_mode()
def test_every_kind_of_network_computes_as_one_of_rounded_weights(name, kept):
    make, ask_of = NETWORKS[name]
    network = make()
    rounded, low = copy.deepcopy(network), copy.deepcopy(network)
    small = {n: to_type(t, type_of(t, kept, torch.float32)) for n, t in network.state_dict().items()}
    rounded.load_state_dict({n: small[n].to(t.dtype) for n, t in network.state_dict().items()}, assign=True)
    low.load_state_dict(small, assign=True)
    keep(low, small, torch.float32)
    assert torch.equal(ask_of(low), ask_of(rounded)) and low.dtype == torch.float32
    assert not torch.equal(ask_of(low), ask_of(network))
    assert size_of(low.parameters()) < size_of(network.parameters()) * (0.52 if kept != FP8 else 0.3)


def test_a_kept_tensor_is_widened_for_its_user_alone_and_a_table_only_where_it_is_read():
    table = nn.Embedding(50, 4)
    table.weight.data = table.weight.data.to(FP8)
    keep(table, ["weight"], torch.float32)
    before = table.weight.kept
    assert table.weight.dtype == torch.float32 and table.weight.shape == (50, 4) and table.weight.numel() == 200
    assert isinstance(table.weight, nn.Parameter) and not table.weight.requires_grad
    rows = table(torch.tensor([[3, 7]]))
    assert rows.dtype == torch.float32 and torch.equal(rows[0, 0], before[3].float())
    assert table.weight.kept is before and before.dtype == FP8
    assert torch.equal(table.weight + 0, before.float()) and not isinstance(table.weight + 0, KeptTensor)
