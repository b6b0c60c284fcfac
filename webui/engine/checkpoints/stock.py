"""Say which pipeline class of diffusers a folder names, and whether that can make pictures of it here. Torch-free."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from webui.core.errors import ModelProblem
from webui.engine.checkpoints.architectures.base import Form
from webui.engine.checkpoints.headers.read import read_header
from webui.engine.checkpoints.json_files import read_json
from webui.engine.checkpoints.parts import Part, weight_files
from webui.engine.checkpoints.quantised import refuse_quantised
from webui.plugins.builtin.stock import StockClass, stock_classes, title_of

INDEX, MODULAR_INDEX = "model_index.json", "modular_model_index.json"
"""The files by which a folder says of which pipeline class it is."""

# Tensors that only the published files of these models have, which no family here reads from one file.
_SIGNS = {
    "single_stream_modulation.lin.weight": "Flux.2",
    "distilled_guidance_layer.in_proj.weight": "Chroma",
    "transformer_blocks.0.img_mod.1.weight": "Qwen-Image",
    "txt_in.text_norm.weight": "Qwen-Image 2.1",
    "txtfusion.projector.weight": "Krea 2",
    "double_layers.0.attn.w1q.weight": "AuraFlow",
    "attention_y_norm.weight": "Sana",
    "y_embedder.y_embedding": "PixArt",
    "double_stream_blocks.0.block.adaLN_modulation.1.bias": "HiDream",
    "mlp_t5.0.weight": "HunyuanDiT",
    "clip_txt_mapper.weight": "Stable Cascade",
    "cap_embedder.0.weight": "Lumina 2",
    "head.modulation": "Wan",
}
_PREFIXES = ("", "model.diffusion_model.", "model.", "net.", "transformer.")

_DENOISERS = ("unet", "transformer")
"""The folders of the denoisers of all models that families read."""

_PROBLEMS = {
    "control": "It needs a control picture beside the prompt, which cannot be given yet.",
    "picture": "It changes pictures that it is given and makes none from a prompt alone.",
    "prior": "It is the second half of a model. Save the combined pipeline, with its prior, into one folder.",
    "video": "It makes videos and no pictures.",
    "audio": "It makes sound and no pictures.",
    "package": "It needs the package sentencepiece, which does not come with this program.",
}


@dataclass(frozen=True, slots=True)
class Stock:
    """What a folder's index says. `runs` is the name of the class that makes its pictures, "" when none does.

    parts: its networks by their folders' names. problem: a sentence when it cannot be used as it is. adapted: whether
    nothing speaks against reading it part by part, where a family can: the class is one of theirs, or unknown.
    """

    runs: str = ""
    parts: Mapping[str, Part] = field(default_factory=dict)
    problem: str | None = None
    adapted: bool = False


def has_index(folder: Path) -> bool:
    """Whether the folder is a whole model in diffusers' form."""
    return (folder / INDEX).is_file() or (folder / MODULAR_INDEX).is_file()


def class_of(folder: Path) -> str:
    """The pipeline class that a folder names, "" when it names none. Raises ModelProblem."""
    index = next((name for name in (INDEX, MODULAR_INDEX) if (folder / name).is_file()), None)
    name = read_json(folder / index).get("_class_name", "") if index else ""
    return name[:60] if isinstance(name, str) else ""


def stock_of(folder: Path) -> Stock:
    """The pipeline that would run this folder. Raises ModelProblem when a part of it is damaged."""
    name = class_of(folder)
    if not name:
        return Stock(problem="It needs program code of its own, which is not run.", adapted=True)
    row = _row(folder, name)
    if row is None:
        return Stock(problem=f"It is a model of the kind {title_of(name)}, which cannot be read yet.", adapted=True)
    if row.problem:
        return Stock(problem=f"It is a model of the kind {title_of(name)}. {_PROBLEMS[row.problem]}")
    try:
        parts = dict(_parts(folder, row))
        if row.adapted:
            _check_denoiser(folder)
        return Stock(row.runs, parts, adapted=row.adapted)
    except ModelProblem as error:
        return Stock(row.runs, problem=error.detail, adapted=row.adapted)


def _row(folder: Path, name: str) -> StockClass | None:
    """The row of a class; a modular index may name other blocks than the class's own, and those count."""
    row = stock_classes().get(name)
    if row is None or not row.modular:
        return row
    blocks = read_json(folder / MODULAR_INDEX).get("_blocks_class_name")
    return next((other for other in stock_classes().values() if other.blocks and other.blocks == blocks), row)


def _parts(folder: Path, row: StockClass) -> Iterator[tuple[str, Part]]:
    index = read_json(folder / (MODULAR_INDEX if row.modular else INDEX))
    for name, value in index.items():
        if row.modular and name not in row.parts:
            continue
        where = _folder_of(name, value)
        if where is None:
            continue
        inside = folder / where
        if Path(where).name != where or not inside.is_dir():
            raise ModelProblem(_missing(name, where, value), field="checkpoint")
        if (inside / "config.json").is_file():
            yield name, _network(inside)


def _check_denoiser(folder: Path) -> None:
    """Raises ModelProblem where no network is there that makes pictures, as an index that names no parts allows."""
    if not any((folder / name / "config.json").is_file() for name in _DENOISERS):
        raise ModelProblem(
            "It has no denoiser: a folder unet or transformer with a config.json and weights.", field="checkpoint"
        )


def _folder_of(name: str, value: Any) -> str | None:
    """The folder of a part that an index has, None for what is no part or is left out."""
    if name.startswith("_") or not isinstance(value, list) or len(value) not in (2, 3) or value[1] is None:
        return None
    source = value[2] if len(value) == 3 else {}
    if not isinstance(source, dict):
        raise ModelProblem(f"The index does not say where the part {name} lies.", field="checkpoint")
    if len(value) == 3 and not _repository(source):
        return None
    return str(source.get("subfolder") or name)


def _repository(source: Mapping[str, Any]) -> str:
    return str(source.get("pretrained_model_name_or_path") or source.get("repo") or "")


def _missing(name: str, where: str, value: list[Any]) -> str:
    lies = f" Put the folder {where} of {_repository(value[2])[:100]} into it." if len(value) == 3 else ""
    return f"The part {name} is missing.{lies}"


def _network(folder: Path) -> Part:
    files = weight_files(folder)
    tensors = {name: info for file in files for name, info in read_header(file).tensors.items()}
    refuse_quantised(tensors, f"The part {folder.name}")
    size = sum(info.size_bytes for info in tensors.values())
    return Part("stock", "stock", files, Form("diffusers"), size_bytes=size)


def model_in(file: Path) -> str:
    """The model that a single file of weights is of, "" when that is not known. Raises ModelProblem."""
    tensors = read_header(file).tensors
    signs = ((sign, title) for sign, title in _SIGNS.items() if any(p + sign in tensors for p in _PREFIXES))
    return next((title for _, title in signs), "")
