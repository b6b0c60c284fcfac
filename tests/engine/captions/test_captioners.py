"""Captioners in their folders: found by their configuration, refused in sentences that say what to get."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.engine.captions.tiny_blip import write_blip
from webui.core.errors import UnknownName
from webui.engine.captions.captioners import GET, CaptionerProblem, choose, find_captioners


@pytest.fixture
def models(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def blip(models: Path) -> Path:
    return write_blip(models / "BLIP" / "tiny")


def test_captioners_are_found_by_their_configuration(models: Path, blip: Path) -> None:
    write_blip(models / "captioners" / "other")
    (models / "BLIP" / "no captioner").mkdir()
    found = find_captioners(models)
    assert [(one.name, one.kind, one.problem) for one in found] == [("tiny", "BLIP", None), ("other", "BLIP", None)]
    assert found[0].parameters > 10_000
    assert choose(models).name == "tiny" and choose(models, "OTHER").name == "other"
    with pytest.raises(UnknownName, match="Did you mean 'tiny'"):
        choose(models, "tinny")


def test_without_one_it_is_said_what_to_get_and_where_to(models: Path) -> None:
    with pytest.raises(CaptionerProblem, match="There is no captioner here") as told:
        choose(models)
    assert told.value.remedies == (GET,) and "models/BLIP" in GET and "model.safetensors" in GET


def test_a1111_s_own_file_is_named_and_not_read(models: Path) -> None:
    (models / "BLIP").mkdir(parents=True)
    (models / "BLIP" / "model_base_caption_capfilt_large.pth").write_bytes(b"")
    with pytest.raises(CaptionerProblem, match=r"capfilt_large\.pth is a pickle file.*not read") as told:
        choose(models)
    assert told.value.remedies == (GET,)


def configured(**values: object) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        path = folder / "config.json"
        path.write_text(json.dumps({**json.loads(path.read_text("utf-8")), **values}), "utf-8")

    return change


def pickled(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")


def cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-1000])


def elsewhere(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder.parent / "outside.safetensors")
    table = {"weight_map": {"weight": "../outside.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(table), "utf-8")


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "of another kind": (configured(architectures=["LlavaForConditionalGeneration"]), "it is a LlavaForConditional"),
    "of no kind": (configured(architectures=None), "names no architecture"),
    "quantised": (configured(quantization_config={}), "quantised"),
    "no JSON": (lambda folder: (folder / "config.json").write_text("{", "utf-8"), "is no JSON"),
    "pickled": (pickled, "pickle file, which could run code"),
    "without weights": (lambda folder: (folder / "model.safetensors").unlink(), "model.safetensors is missing"),
    "cut short": (cut, "cut short|cut off|incomplete|ends"),
    "weights elsewhere": (elsewhere, "outside.safetensors is missing"),
    "without words": (
        lambda folder: [
            (folder / name).unlink() for name in ("tokenizer.json", "vocab.txt") if (folder / name).exists()
        ],
        "tokenizer is missing",
    ),
    "without a processor": (
        lambda folder: (folder / "preprocessor_config.json").unlink(),
        "image processor is missing",
    ),
}


@pytest.mark.parametrize("way", BROKEN)
def test_a_broken_captioner_is_listed_with_a_sentence_and_another_is_taken(models: Path, blip: Path, way: str) -> None:
    spoil, said = BROKEN[way]
    spoil(blip)
    (found,) = find_captioners(models)
    with pytest.raises(CaptionerProblem, match=said) as told:
        choose(models)
    assert found.problem and found.problem in told.value.detail and str(models) not in told.value.detail
    with pytest.raises(CaptionerProblem, match=said):
        choose(models, "tiny")
    write_blip(models / "captioners" / "whole")
    assert choose(models).name == "whole"
