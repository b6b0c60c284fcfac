"""A picture in words: as transformers' own classes say, stopped, without room, by a captioner that is broken."""

from __future__ import annotations

import socket
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from transformers import BlipForConditionalGeneration, BlipProcessor

from tests.engine.captions.tiny_blip import write_blip
from webui.core.caption_request import Caption
from webui.core.errors import OutOfMemory
from webui.engine.captions import describe
from webui.engine.captions.captioners import CaptionerProblem, choose
from webui.engine.captions.files import CaptionFiles
from webui.engine.work.base import Stopped


@pytest.fixture
def files(tmp_path: Path) -> CaptionFiles:
    write_blip(tmp_path / "models" / "BLIP" / "tiny")
    picture = tmp_path / "picture.png"
    Image.linear_gradient("L").convert("RGB").resize((48, 40)).save(picture)
    return CaptionFiles(choose(tmp_path / "models"), picture)


def described(files: CaptionFiles, stop_at: float = 2.0) -> tuple[str, list[tuple[float, str]]]:
    told: list[tuple[float, str]] = []
    made = describe.caption(
        Caption(), files, lambda *step: told.append(step), lambda: bool(told) and told[-1][0] >= stop_at
    )
    assert made.name == files.captioner.name
    return made.text, told


def spoil(files: CaptionFiles, change: Any) -> None:
    path = files.captioner.path / "model.safetensors"
    tensors = load_file(path)
    change(tensors)
    save_file(tensors, path, {"format": "pt"})


def test_a_caption_is_what_transformers_own_classes_say(files: CaptionFiles) -> None:
    folder = files.captioner.path
    processor = BlipProcessor.from_pretrained(folder)
    with Image.open(files.picture) as image:
        pixels = processor(images=image, return_tensors="pt")
    torch.manual_seed(5)
    tokens = BlipForConditionalGeneration.from_pretrained(folder).generate(
        **pixels, max_new_tokens=describe.MOST_TOKENS, do_sample=False
    )
    wanted = processor.decode(tokens[0], skip_special_tokens=True)
    text, told = described(files)
    assert text == wanted != ""
    shares = [share for share, _ in told]
    assert shares == sorted(shares) and 0.5 < shares[-1] <= 1
    assert {words for _, words in told} == {"Reading the captioner", "Looking at the picture"}


def test_nothing_is_fetched(files: CaptionFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert described(files)[0]


def test_it_stops_between_two_words(files: CaptionFiles) -> None:
    with pytest.raises(Stopped, match="looking at the picture"):
        described(files, stop_at=0.5)


def test_without_room_nothing_is_read(files: CaptionFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(describe.psutil, "virtual_memory", lambda: SimpleNamespace(available=2**20))
    with pytest.raises(OutOfMemory, match=r"tiny needs 0\.3 GiB of memory, and 0\.0 GiB are free") as told:
        described(files)
    assert "Use a smaller captioner" in told.value.remedies


def test_memory_that_runs_out_is_told(files: CaptionFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_out(*_: object, **__: object) -> None:
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")

    monkeypatch.setattr(BlipForConditionalGeneration, "generate", run_out)
    with pytest.raises(OutOfMemory, match="not enough memory for tiny"):
        described(files)


def test_weights_that_are_missing_are_not_drawn_at_random(files: CaptionFiles) -> None:
    spoil(files, lambda tensors: tensors.pop("vision_model.post_layernorm.weight"))
    with pytest.raises(CaptionerProblem, match=r"tiny lacks weights, as vision_model\.post_layernorm\.weight"):
        described(files)


def test_numbers_that_are_none_are_no_words(files: CaptionFiles) -> None:
    spoil(files, lambda tensors: tensors["vision_model.post_layernorm.weight"].fill_(float("nan")))
    with pytest.raises(CaptionerProblem, match=r"no number \(NaN\)"):
        described(files)


def test_a_captioner_of_other_sizes_than_it_says_is_told_without_its_place(files: CaptionFiles) -> None:
    def shorten(tensors: dict[str, torch.Tensor]) -> None:
        tensors["vision_model.post_layernorm.weight"] = torch.ones(7)

    spoil(files, shorten)
    with pytest.raises(CaptionerProblem, match="tiny cannot be used: ") as told:
        described(files)
    assert str(files.captioner.path) not in told.value.detail


def test_code_in_the_folder_is_not_run(files: CaptionFiles, tmp_path: Path) -> None:
    folder, trace = files.captioner.path, tmp_path / "ran"
    (folder / "own.py").write_text(f"open({str(trace)!r}, 'w')\nclass Own: ...\n", "utf-8")
    for name, key in (("config.json", "AutoConfig"), ("preprocessor_config.json", "AutoImageProcessor")):
        path = folder / name
        text = path.read_text("utf-8").rstrip()
        path.write_text(f'{text[:-1].rstrip()}, "auto_map": {{"{key}": "own.Own"}}}}', "utf-8")
    assert described(files)[0]
    assert not trace.exists()
