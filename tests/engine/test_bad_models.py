"""Bad model files from end to end: each is a sentence, and afterwards the worker and the catalogue work as before."""

import io
import json
import os
import pickle
import shutil
import struct
import threading
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from tests.engine import singles
from tests.engine.helpers import running
from webui import accept
from webui.core.errors import DarkroomError
from webui.core.events import Failed
from webui.core.fields import ROWS
from webui.core.settings import Settings
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.identify import Kinds
from webui.engine.reading.bytes import FileBytes

VALUES = {"prompt": "a red house", "steps": 2, "width": 64, "height": 64, "seed": 1, "sampler_name": "Euler"}


@pytest.fixture(scope="module")
def model():
    return singles.sd("sd1")


@pytest.fixture(scope="module")
def house(tmp_path_factory, model, registry, plugins):
    """A worker on a folder that has one good checkpoint."""
    folder = tmp_path_factory.mktemp("house") / "Stable-diffusion"
    folder.mkdir()
    singles.write(model.tensors(), folder / "good.safetensors")
    with running(folder, registry, plugins) as bench:
        yield House(folder, bench, registry)


class House:
    """What the web process and the worker do with a job, one after the other."""

    def __init__(self, folder, bench, registry):
        self.folder, self.bench, self.registry = folder, bench, registry
        self.catalogue = Catalogue((folder,), kinds=Kinds.of(registry), look_seconds=0)
        self.jobs = 0

    def accepted(self, name):
        values = VALUES | {"checkpoint": name}
        return accept.resolve(values, self.registry, self.catalogue, Settings(), ROWS)

    def said(self, name):
        """The sentence that a job with this checkpoint ends with, wherever it ends."""
        try:
            request = self.accepted(name)
        except DarkroomError as error:
            return " ".join(error.lines())
        return self.run(request)

    def run(self, request):
        """The same of an accepted request; "" when it makes its picture."""
        self.jobs += 1
        self.bench.engine.submit(f"job {self.jobs}", request)
        end = self.bench.heard.end(f"job {self.jobs}")
        return end.problem.detail if isinstance(end, Failed) else ""

    def works(self):
        """The good checkpoint is listed and makes its picture."""
        (good,) = [c for c in self.catalogue.all() if c.name.startswith("good")]
        return good.problem is None and not self.said(good.title)


class Caller:
    """Pickled, it is a call of os.mkdir."""

    def __init__(self, trace):
        self.trace = trace

    def __reduce__(self):
        return os.mkdir, (self.trace,)


def safetensors(header, data=b""):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def truncated(folder, model):
    whole = singles.write(model.tensors(), folder / "whole.safetensors").read_bytes()
    (folder / "whole.safetensors").unlink()
    (folder / "bad.safetensors").write_bytes(whole[: len(whole) * 2 // 3])


def lying(folder, model):
    header = {"model.diffusion_model.x": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 4_000_000]}}
    (folder / "bad.safetensors").write_bytes(safetensors(header, b"\0" * 16))


def huge_header(folder, model):
    (folder / "bad.safetensors").write_bytes(struct.pack("<Q", 2 * 2**30) + b"{" + b" " * 1000)


def huge_header_that_is_there(folder, model):
    with (folder / "bad.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", 2 * 2**30) + b"{")
        # Without taking any room on the disk.
        file.truncate(2 * 2**30 + 8)


def no_numbers(folder, model):
    tensors = model.tensors() | {"model.diffusion_model.out.2.bias": torch.full((4,), float("nan"))}
    singles.write(tensors, folder / "bad.safetensors")


def bomb(folder, model):
    with zipfile.ZipFile(folder / "bad.ckpt", "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("m/data.pkl", pickle.dumps({}))
        file.writestr("m/data/0", b"\0" * 30_000_000)


def calling(folder, model):
    with zipfile.ZipFile(folder / "bad.ckpt", "w") as file:
        file.writestr("m/data.pkl", pickle.dumps({"state_dict": Caller(str(folder / "trace"))}, 2))


def wrong_family(folder, model):
    singles.write(model.tensors(), folder / "bad.safetensors")
    (folder / "bad.darkroom.json").write_text('{"family": "sdxl"}')


def lacking(folder, model):
    singles.write(model.tensors("unet", "vae"), folder / "bad.safetensors")


def lora(folder, model):
    name = "lora_unet_down_blocks_0_attentions_0_proj_in"
    tensors = {f"{name}.lora_down.weight": torch.zeros(4, 32), f"{name}.lora_up.weight": torch.zeros(32, 4)}
    save_file(tensors | {f"{name}.alpha": torch.tensor(4.0)}, folder / "bad.safetensors")


def empty(folder, model):
    (folder / "bad.safetensors").touch()


def a_page(folder, model):
    (folder / "bad.safetensors").write_text("<!DOCTYPE html><html><body>Please log in</body></html>")


def pointer(folder, model):
    (folder / "bad.safetensors").write_text("version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n")


BAD = {
    truncated: "cut off",
    lying: "bad",
    huge_header: "bad",
    huge_header_that_is_there: "header",
    no_numbers: "no numbers",
    bomb: "compressed",
    calling: "mkdir",
    wrong_family: "Stable Diffusion XL",
    lacking: "text encoder",
    lora: "LoRA",
    empty: "empty",
    a_page: "web page",
    pointer: "Git LFS",
}


@pytest.mark.parametrize("make", BAD, ids=lambda make: make.__name__)
def test_a_bad_file_is_a_sentence_and_everything_goes_on(house, model, make):
    before = set(house.folder.iterdir())
    try:
        make(house.folder, model)
        said = house.said("bad")
        assert BAD[make] in said, said
        assert str(house.folder) not in said
        assert not (house.folder / "trace").exists(), "nothing of a file is ever called"
        assert house.works()
    finally:
        for path in set(house.folder.iterdir()) - before:
            path.unlink()


def test_what_computes_in_32_bits_already_is_told_which_file_to_replace(house, model):
    try:
        no_numbers(house.folder, model)
        house.bench.engine.submit("broken", house.accepted("bad"))
        end = house.bench.heard.end("broken")
        assert isinstance(end, Failed) and "no numbers" in end.problem.detail
        first, *others = end.problem.remedies
        assert first.startswith("Replace bad.") and first.endswith(", which may be damaged")
        assert others and not any("--no-half" in way for way in others)
    finally:
        for path in house.folder.glob("bad*"):
            path.unlink()


def test_a_link_that_leads_nowhere_is_not_listed_and_one_out_of_the_folder_is_followed(house, tmp_path, model):
    outside = singles.write(model.tensors(), tmp_path / "elsewhere.safetensors")
    links = [house.folder / "nowhere.safetensors", house.folder / "round", house.folder / "away.safetensors"]
    try:
        links[0].symlink_to(tmp_path / "missing")
        links[1].symlink_to(house.folder, target_is_directory=True)
        links[2].symlink_to(outside)
        assert [c.name for c in house.catalogue.all()] == ["away.safetensors", "good.safetensors"]
        assert not house.said("away") and house.works()
    finally:
        for link in links:
            link.unlink()


@pytest.mark.parametrize(
    "name", ['it\'s "quoted"', "漢字 モデル é", "🙂, (1) [x]", "a" * 238, "-rf", "%s {x} <b>"], ids=repr
)
def test_a_name_may_be_anything_that_a_file_may_be_called(house, model, name):
    path = house.folder / f"{name}.safetensors"
    try:
        shutil.copy(house.folder / "good.safetensors", path)
        (found,) = [c for c in house.catalogue.all() if c.path == path]
        request = house.accepted(found.title)
        assert request.checkpoint == found.title and not house.run(request)
    finally:
        path.unlink()


def test_a_file_that_is_replaced_before_its_job_begins_is_told(house):
    path = singles.write(singles.sd("sd1", seed=8).tensors(), house.folder / "moving.safetensors")
    try:
        request = house.accepted("moving")
        singles.write(singles.sd("sd1", seed=9).tensors(), path)
        assert "moving" in house.run(request) and house.works()
    finally:
        path.unlink()


@pytest.mark.parametrize("by", ["shorter", "other"])
def test_a_file_that_is_replaced_while_it_loads_ends_its_own_job_at_most(house, model, monkeypatch, by):
    path = singles.write(model.tensors(), house.folder / "moving.safetensors")
    whole, read, once = path.read_bytes(), FileBytes.fill, threading.Lock()

    def late(self, tensor, start, dtype):
        if self.path == path and once.acquire(blocking=False):
            path.write_bytes(whole[: len(whole) // 3] if by == "shorter" else whole[::-1])
        read(self, tensor, start, dtype)

    try:
        request = house.accepted("moving")
        monkeypatch.setattr(FileBytes, "fill", late)
        said = house.run(request)
        monkeypatch.undo()
        assert once.locked()
        assert said or by == "other"
        assert str(house.folder) not in said and house.works()
    finally:
        path.unlink()


def test_the_program_of_a_file_that_is_no_zip_is_not_run_either(house, model):
    trace = house.folder / "trace"
    data = io.BytesIO()
    pickle.dump(Caller(str(trace)), data)
    path = house.folder / "bad.ckpt"
    try:
        path.write_bytes(data.getvalue())
        assert "bad" in house.said("bad") and not trace.exists() and house.works()
    finally:
        path.unlink()
