"""The captioners on this machine: folders in transformers' form, known by their configuration. Torch-free."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from webui.core.errors import ModelProblem, UnknownName
from webui.engine.checkpoints.headers.read import read_header
from webui.engine.checkpoints.json_files import read_json

FOLDERS: Final = ("BLIP", "captioners")
"""Inside models/: A1111's folder, and one for those of other kinds. A captioner is a folder in them."""

KINDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "BlipForConditionalGeneration": "BLIP",
        "Blip2ForConditionalGeneration": "BLIP-2",
        "GitForCausalLM": "GIT",
        "VisionEncoderDecoderModel": "encoder and decoder",
    }
)
"""transformers' classes that describe a picture without being asked anything, and what people call them."""

GET: Final = (
    "Make a folder in models/BLIP and put a captioner in transformers' form into it, as "
    "Salesforce/blip-image-captioning-large of huggingface.co (1.9 GB): config.json, model.safetensors, "
    "preprocessor_config.json, tokenizer.json, tokenizer_config.json"
)
"""The way out where there is none."""

_WHOLE, _SPLIT = "model.safetensors", "model.safetensors.index.json"
_PICKLES = ("pytorch_model.bin", "pytorch_model.bin.index.json")
_TOKENIZERS = ("tokenizer.json", "vocab.txt", "vocab.json")
_PROCESSORS = ("preprocessor_config.json", "processor_config.json")
# A1111's own BLIP file.
_LOOSE = (".pth", ".pt")


class CaptionerProblem(ModelProblem):
    """A captioner is missing, damaged or of a kind that is not used."""

    type = "captioner"
    title = "The picture cannot be described"


@dataclass(frozen=True, slots=True)
class Captioner:
    """A folder with a captioner. name: the folder's. kind: a value of KINDS, "" where it is none of them.

    parameters: how many numbers its weights are. problem: a sentence, where it cannot be used.
    """

    name: str
    path: Path
    kind: str = ""
    architecture: str = ""
    parameters: int = 0
    problem: str | None = None


def find_captioners(models: Path) -> list[Captioner]:
    """All captioners below a folder `models`, by name; those that cannot be used carry the reason."""
    found: dict[str, Captioner] = {}
    for folder in _folders(models):
        found.setdefault(folder.name, _look(folder))
    return list(found.values())


def choose(models: Path, name: str = "") -> Captioner:
    """The captioner of this name, without one the first that works. Raises CaptionerProblem, UnknownName."""
    found = find_captioners(models)
    if name:
        named = next((one for one in found if one.name.casefold() == name.casefold()), None)
        if named is None:
            raise UnknownName("captioner", name, [one.name for one in found], field="captioner")
        if named.problem:
            raise CaptionerProblem(named.problem, field="captioner", remedies=("Choose another one", "Get it again"))
        return named
    usable = next((one for one in found if one.problem is None), None)
    if usable is None:
        raise CaptionerProblem(_why_none(models, found), remedies=(GET,))
    return usable


def _why_none(models: Path, found: list[Captioner]) -> str:
    if found:
        return f"There is no captioner that can be used: {found[0].problem}"
    loose = next((path.name for path in _children(models / FOLDERS[0]) if path.suffix in _LOOSE), "")
    if loose:
        return (
            f"There is no captioner that can be used: {loose} is a pickle file, which could run code and is not read."
        )
    return "There is no captioner here, the model that puts a picture into words."


def _folders(models: Path) -> Iterator[Path]:
    for name in FOLDERS:
        for folder in _children(models / name):
            if (folder / "config.json").is_file():
                yield folder


def _children(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    except OSError:
        return []


def _look(folder: Path) -> Captioner:
    try:
        return _read(folder)
    except ModelProblem as error:
        return Captioner(folder.name, folder, problem=f"{folder.name}: {error.detail}")
    except OSError as error:
        return Captioner(folder.name, folder, problem=f"{folder.name} cannot be read: {error.strerror}.")


def _read(folder: Path) -> Captioner:
    config = read_json(folder / "config.json")
    architecture = _architecture(config)
    if "quantization_config" in config:
        raise CaptionerProblem("its weights are quantised; get those that are not.")
    for names, what in ((_TOKENIZERS, "tokenizer"), (_PROCESSORS, "image processor")):
        if not any((folder / name).is_file() for name in names):
            raise CaptionerProblem(f"its {what} is missing: {' or '.join(names)}.")
    parameters = 0
    for file in _weights(folder):
        parameters += sum(math.prod(info.shape) for info in read_header(file).tensors.values())
    return Captioner(folder.name, folder, KINDS[architecture], architecture, parameters)


def _architecture(config: Mapping[str, Any]) -> str:
    listed = config.get("architectures")
    names = [name for name in listed if isinstance(name, str)] if isinstance(listed, list) else []
    known = next((name for name in names if name in KINDS), None)
    if known is None:
        told = f"it is a {names[0][:60]}" if names else "its config.json names no architecture"
        raise CaptionerProblem(f"{told}; captioners are {', '.join(KINDS)}.")
    return known


def _weights(folder: Path) -> list[Path]:
    whole, split = folder / _WHOLE, folder / _SPLIT
    if whole.is_file():
        return [whole]
    if split.is_file():
        table = read_json(split).get("weight_map")
        names = sorted({str(name) for name in table.values()}) if isinstance(table, dict) else []
        files = [folder / name for name in names]
        # The table names files beside itself, and none elsewhere.
        missing = next((file for file in files if file.parent != folder or not file.is_file()), None)
        if files and missing is None:
            return files
        raise CaptionerProblem(f"{missing.name[:80] if missing else 'its table of weights'} is missing.")
    if any((folder / name).is_file() for name in _PICKLES):
        raise CaptionerProblem(
            f"its weights are a pickle file, which could run code and is not read; get its {_WHOLE}."
        )
    raise CaptionerProblem(f"its {_WHOLE} is missing.")
