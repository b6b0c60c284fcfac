"""Which families load, draw and swap from which formats, found by doing it; writes the table of docs/models.md.

`python -m tests.engine.models_table` does so in some minutes; `... models_table sd1 flux-dev` these rows alone.
"""

import gc
import json
import sys
import tempfile
import weakref
from dataclasses import dataclass
from pathlib import Path

import diffusers
import gguf
import numpy as np
import torch

from tests.engine import singles, tiny_flow, tiny_parts, tiny_stock, tiny_z_image
from tests.engine.helpers import Loop
from webui.core.model_folders import inside_models
from webui.core.paths import PROGRAM_DIR
from webui.core.request import GenerationRequest
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.pipelines import Pipelines
from webui.plugins.loader import build_registry, load_plugins
from webui.plugins.resolve import resolve

PAGE = PROGRAM_DIR / "docs" / "models.md"
BEGIN, END = "<!-- table: family x format (written by a test run) -->\n", "<!-- end of table -->"

FORMS = {
    "folder": "folder",
    "safetensors": "`.safetensors`",
    "ckpt": "`.ckpt`",
    "fp16": "fp16",
    "bf16": "bf16",
    "fp8": "fp8 e4m3fn",
    "scaled": "fp8 scaled",
    "gguf": "GGUF",
    "parts": "split parts",
}
"""The columns: a name, and the head of the column."""

CHECKS = ("load", "picture", "swap")
PRECISIONS = {"fp16": "fp16", "bf16": "bf16", "fp8": "fp8 e4m3fn"}
_HALVES = {"fp16": torch.float16, "bf16": torch.bfloat16}
_FP8 = torch.float8_e4m3fn
_DENOISERS = ("unet", "transformer")
# Names by which programs and people tell the parts' files of these families apart.
_VAES = {"sd3": "sd3_vae", "sd3.5": "sd35_vae", "flux-dev": "ae", "flux-schnell": "ae", "z-image": "ae"}
_ENCODERS = {"z-image": "qwen_3_4b"}
REQUEST = GenerationRequest(
    prompt="a red house", negative_prompt="star", sampler_name="Euler", scheduler="Automatic", steps=3, width=64,
    height=64, cfg_scale=3.0, seed=7, checkpoint="m",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """A kind of model. family: its row in the registry; loop: whether it runs in the loop."""

    title: str
    family: str
    loop: bool = True


ROWS = {
    "sd1": Row("Stable Diffusion 1", "sd1"),
    "sd2": Row("Stable Diffusion 2", "sd2"),
    "sdxl": Row("Stable Diffusion XL", "sdxl"),
    "sdxl-refiner": Row("Stable Diffusion XL refiner", "sdxl-refiner"),
    "sd3": Row("Stable Diffusion 3", "sd3"),
    "sd3.5": Row("Stable Diffusion 3.5", "sd3"),
    "flux-dev": Row("Flux.1 dev", "flux"),
    "flux-schnell": Row("Flux.1 schnell", "flux"),
    "z-image": Row("Z-Image", "z-image"),
    "pixart": Row("PixArt-alpha", "stock", loop=False),
    "auraflow": Row("AuraFlow", "stock", loop=False),
    "lumina2": Row("Lumina 2", "lumina2", loop=False),
    "chroma": Row("Chroma", "chroma", loop=False),
    "sana": Row("Sana", "stock", loop=False),
    "flux2": Row("Flux.2 dev", "flux2", loop=False),
    "flux2-klein": Row("Flux.2 klein", "flux2-klein", loop=False),
    "qwen-image": Row("Qwen-Image", "qwen-image", loop=False),
    "qwen_image_modular": Row("Qwen-Image, modular", "stock", loop=False),
    "flux2_klein_modular": Row("Flux.2 klein, modular", "stock", loop=False),
    "kandinsky22": Row("Kandinsky 2.2", "stock", loop=False),
    "latent_consistency": Row("Latent consistency models", "stock", loop=False),
}


def model_of(kind, seed=0):
    """A tiny model of a kind that runs in the loop, as `singles.Model`."""
    if kind == "z-image":
        return tiny_z_image.z_image_model(seed)
    return tiny_flow.flow(kind, seed) if kind in tiny_flow.KINDS else singles.sd(kind, seed=seed)


class Place:
    """A folder of models with one model in one form, and a manager of models on the CPU."""

    def __init__(self, root, registry):
        self.root, self.registry = root, registry
        for name in ("Stable-diffusion", "unet", "VAE", "text_encoder"):
            (root / name).mkdir(parents=True, exist_ok=True)
        tiny_flow.write_tokenizer(root / "tokenizers" / "t5")
        tiny_z_image.write_tokenizer(root / "tokenizers" / "qwen3")

    def path(self, name):
        """Where a checkpoint goes."""
        return self.root / "Stable-diffusion" / name

    def find(self, name):
        """The checkpoint of this name, whole."""
        found = Catalogue(inside_models(self.root), look_seconds=0).get(name)
        assert not found.missing
        return found

    def manager(self, budget=2**40):
        """Models in memory, up to so many bytes of idle ones."""
        return Pipelines(self.registry, resolve, torch.device("cpu"), torch.float32, budget)


def write_form(place, kind, model, form):
    """Write the model as "m" in this form, and as "plain" in another one that means the same numbers."""
    tensors = meant = model.tensors()
    if form == "folder":
        write_folder(kind, model, place.path("m"))
    elif form == "parts":
        write_parts(place, kind, model)
    else:
        prefix = next(part.prefix for name, part in model.parts.items() if name in _DENOISERS)
        meant = write_as(form, tensors, prefix, place)
    if form in ("safetensors", "ckpt", "parts"):
        write_folder(kind, model, place.path("plain"))
    else:
        singles.write(meant, place.path("plain.safetensors"))
    if kind == "sd2":
        # What it predicts is said in folders, and found out of files by asking the model.
        for name in ("m.darkroom.json", "plain.darkroom.json"):
            place.path(name).write_text(json.dumps({"prediction_type": "epsilon"}), encoding="utf-8")


def write_beside(place, kind, pipeline, form):
    """The same of a model whose files of parts run through the stock pipeline: the denoiser's file is of this form."""
    tiny_parts.write_tokenizers(place.root)
    if form == "safetensors":
        singles.write(tiny_parts.whole_tensors(kind, pipeline), place.path("m.safetensors"))
        pipeline.save_pretrained(str(place.path("plain")))
        return
    text, vae = tiny_parts.NAMES[kind]
    singles.write(tiny_parts.text_tensors(kind, pipeline), place.root / "text_encoder" / f"{text}.safetensors")
    singles.write(tiny_parts.vae_tensors(kind, pipeline), place.root / "VAE" / f"{vae}.safetensors")
    meant = write_as(form, tiny_parts.denoiser_tensors(kind, pipeline), "", place)
    if form == "parts":
        pipeline.save_pretrained(str(place.path("plain")))
    else:
        singles.write(meant, place.path("plain.safetensors"))


def write_as(form, tensors, prefix, place):
    """Write a file "m" of these tensors, prefix: of the denoiser's; the numbers that it means."""
    if form == "gguf":
        matrices = {name: t for name, t in tensors.items() if name.endswith("weight") and t.dim() == 2}
        names = {name for name, tensor in matrices.items() if not tensor.shape[1] % 32}
        singles.write(tensors, place.path("m.gguf"), quantised=names)
        return {name: _q8(t) if name in names else t for name, t in tensors.items()}
    kept, meant = rounded(tensors, prefix, form)
    singles.write(kept, place.path("m.ckpt" if form == "ckpt" else "m.safetensors"))
    return meant


def write_folder(kind, model, path):
    """A diffusers folder, written by the libraries themselves."""
    if kind == "z-image":
        return tiny_z_image.folder(model, path)
    return tiny_flow.folder(model, path) if kind in tiny_flow.KINDS else singles.sd_folder(model, path)


def write_parts(place, kind, model):
    """Files of the parts as users of ComfyUI and Forge keep them, without the prefixes that a whole file has."""
    for name in model.parts:
        tensors = model.tensors(name, bare=True)
        if name in _DENOISERS:
            singles.write(tensors, place.root / "unet" / "m.safetensors")
        elif name == "vae":
            singles.write(tensors, place.root / "VAE" / f"{_VAES.get(kind, 'vae')}.safetensors")
        else:
            file = _ENCODERS.get(kind, name)
            singles.write(tensors, place.root / "text_encoder" / f"{file}.safetensors")


def rounded(tensors, prefix, form):
    """(the tensors as this form keeps them, the numbers that they mean)."""
    if form in _HALVES:
        kept = {name: t.to(_HALVES[form]) for name, t in tensors.items()}
        return kept, {name: t.float() for name, t in kept.items()}
    if form == "fp8":
        # As people have them: matrices and convolutions in 8 bits, the rest in 16.
        kept = {name: t.to(_FP8 if t.dim() in (2, 4) else torch.float16) for name, t in tensors.items()}
        return kept, {name: t.float() for name, t in kept.items()}
    if form != "scaled":
        return tensors, tensors
    kept, meant = dict(tensors), dict(tensors)
    for name, tensor in tensors.items():
        if name.startswith(prefix) and name.endswith(".weight") and tensor.dim() == 2:
            scale = tensor.abs().max() / 448
            kept[name] = (tensor / scale).to(_FP8)
            kept[f"{name.removesuffix('weight')}scale_weight"] = scale
            meant[name] = kept[name].float() * scale
    return kept, meant


def _q8(tensor):
    kind = gguf.GGMLQuantizationType.Q8_0
    return torch.from_numpy(gguf.quants.dequantize(gguf.quants.quantize(tensor.numpy(), kind), kind))


def picture(model, registry):
    """What a model makes of the request, as integers (height, width, 3)."""
    if hasattr(model, "draw"):
        request = REQUEST.but(sampler_name="Automatic", distilled_cfg_scale=3.0)
        [image] = model.draw(request, [request.seed], tiny_stock.Watch())
        made = np.asarray(image.convert("RGB")).astype(int)
    else:
        loop = Loop(model, registry)
        loop.add("a", REQUEST)
        made = loop.run()["a"][0]
    assert made.std() > 1
    return made


class Cell:
    """One kind of model in one form: its three checks, each of which raises when it does not hold."""

    def __init__(self, kind, form, root, registry):
        self.row, self.form = ROWS[kind], form
        self.place = Place(root, registry)
        self.kind, self.registry = kind, registry
        self.family = self.row.family
        if self.row.loop:
            write_form(self.place, kind, model_of(kind), form)
        elif form == "folder":
            self.family = "stock"
            self.pipeline = (tiny_stock.KINDS | tiny_parts.KINDS)[kind]()
            self.pipeline.save_pretrained(str(self.place.path("m")))
        elif self.row.family != "stock" and (form != "safetensors" or kind in tiny_parts.WHOLE):
            write_beside(self.place, kind, tiny_parts.KINDS[kind](), form)
        else:
            raise AssertionError(f"{self.row.title} has no such files")
        singles.write(singles.sd("sd1", seed=9).tensors(), self.place.path("other.safetensors"))

    def load(self):
        """It is known for what it is, and its networks have the numbers that the file means."""
        found = self.place.find("m")
        assert found.family == self.family
        if self.form in PRECISIONS:
            denoiser = next(part for name, part in found.parts.items() if name in _DENOISERS)
            assert denoiser.precision == PRECISIONS[self.form]
        with self.place.manager().lend(found) as model:
            for mine, wanted in zip(_sorted(model.networks), _sorted(self._wanted()), strict=True):
                if type(mine) is not type(wanted) and not isinstance(mine, diffusers.ModelMixin):
                    # A language model without what a text needs not; that it is the same the picture shows.
                    continue
                theirs = wanted.state_dict()
                assert mine.state_dict().keys() == theirs.keys()
                assert all(torch.equal(tensor, theirs[name]) for name, tensor in mine.state_dict().items())

    def _wanted(self):
        if self.family != "stock":
            with self.place.manager().lend(self.place.find("plain")) as plain:
                return plain.networks
        return [part for part in self.pipeline.components.values() if isinstance(part, torch.nn.Module)]

    def picture(self):
        """The picture is to the byte that of the same numbers in another form, or of the library's own pipeline."""
        with self.place.manager().lend(self.place.find("m")) as model:
            mine = picture(model, self.registry)
        if self.family != "stock":
            with self.place.manager().lend(self.place.find("plain")) as model:
                wanted = picture(model, self.registry)
        else:
            [image] = tiny_stock.own_pictures(self.place.path("m"), self.kind, (REQUEST.seed,))
            wanted = np.asarray(image.convert("RGB"))
        assert np.array_equal(mine, wanted)

    def swap(self):
        """To another model and back: the same bytes, nothing read twice where there is room, else nothing left over."""
        mine, other = self.place.find("m"), self.place.find("other")
        roomy = self.place.manager()
        before = self._drawn(roomy, mine)
        self._drawn(roomy, other)
        known = dict(roomy._resident)
        assert np.array_equal(self._drawn(roomy, mine), before) and dict(roomy._resident) == known and len(known) == 2
        tight = self.place.manager(budget=1)
        with tight.lend(mine) as model:
            gone = [weakref.ref(network) for network in model.networks]
        del model
        self._drawn(tight, other)
        gc.collect()
        assert not any(network() for network in gone)
        assert np.array_equal(self._drawn(tight, mine), before)

    def _drawn(self, manager, checkpoint):
        with manager.lend(checkpoint) as model:
            return picture(model, self.registry)


def _sorted(networks):
    """Text encoders in their order, then the rest by the names of their classes."""
    return sorted(networks, key=lambda network: (isinstance(network, diffusers.ModelMixin), type(network).__name__))


def outcome(kind, form, root, registry):
    """{check: None, or why it does not hold}."""
    try:
        cell = Cell(kind, form, root, registry)
    except Exception as error:  # noqa: BLE001 whatever goes wrong is what the table is about
        return dict.fromkeys(CHECKS, error)
    said = {}
    for check in CHECKS:
        try:
            getattr(cell, check)()
            said[check] = None
        except Exception as error:  # noqa: BLE001 as above
            said[check] = error
    return said


def shown(said):
    """A cell of the page: what holds, in words."""
    held = [check for check in CHECKS if said[check] is None]
    return "yes" if len(held) == len(CHECKS) else ", ".join(held) or "–"


def in_page():
    """{kind: its row} of the page's table: a cell for each form, and how it runs."""
    lines = PAGE.read_text("utf-8").split(BEGIN)[1].split(END)[0].strip().splitlines()
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    titles = {row.title: kind for kind, row in ROWS.items()}
    return {titles[title]: cells for title, *cells in rows if title in titles}


def write_page(rows):
    """Put these rows into the page's table."""
    head = ["family", *FORMS.values(), "loop, stock or not"]
    lines = [head, ["---"] * len(head), *([ROWS[kind].title, *rows[kind]] for kind in ROWS if kind in rows)]
    table = "".join(f"| {' | '.join(line)} |\n" for line in lines)
    before, rest = PAGE.read_text("utf-8").split(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}{table}{END}{rest.split(END)[1]}", encoding="utf-8")


def made(kind, registry):
    """A row of the table, as it comes out now; why a check does not hold is told."""
    row, cells = ROWS[kind], []
    for form in FORMS:
        with tempfile.TemporaryDirectory() as name:
            said = outcome(kind, form, Path(name), registry)
        cells.append(shown(said))
        for check, error in said.items():
            if error is not None and (row.family != "stock" or form == "folder"):
                sys.stderr.write(f"{kind}, {form}, {check}: {type(error).__name__}: {error}\n")
    runs = any(cell != "–" for cell in cells)
    return [*cells, ("loop" if row.loop else "stock") if runs else "not"]


def main(kinds):
    """Run every cell of these rows, and write them into the page."""
    registry = build_registry(load_plugins((), "worker"))
    torch.set_num_threads(1)
    for kind in kinds:
        row = made(kind, registry)
        sys.stderr.write(f"{kind}: {' | '.join(row)}\n")
        write_page(in_page() | {kind: row})


if __name__ == "__main__":
    main(sys.argv[1:] or ROWS)
