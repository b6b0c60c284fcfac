"""Headers of all formats say what torch, safetensors and gguf themselves say, and every damage gets a sentence."""

import json
import math
import pickle
import random
import struct
import time
import zipfile
from collections import OrderedDict

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from webui.core.errors import ModelProblem
from webui.engine.checkpoints.headers import pickle as pickle_header
from webui.engine.checkpoints.headers.read import read_header

WEIGHTS = {
    "a.weight": torch.arange(6, dtype=torch.float32).reshape(2, 3),
    "b": torch.tensor([1.5, -2.0], dtype=torch.float16),
    "c": torch.ones(4, dtype=torch.bfloat16),
    "n": torch.tensor(3, dtype=torch.int64),
}
NUMPY = {"F32": np.float32, "F16": np.float16, "I64": np.int64, "BF16": np.uint16}


def values(path, name):
    """A tensor's elements as the header says where they lie."""
    info = read_header(path).tensors[name]
    dtype = np.dtype(NUMPY[info.dtype])
    count = int(np.prod(info.shape))
    flat = np.fromfile(path, dtype, offset=info.start)
    if info.stride:
        return np.lib.stride_tricks.as_strided(flat, info.shape, [step * dtype.itemsize for step in info.stride])
    return flat[:count].reshape(info.shape)


def write(path, weights=WEIGHTS):
    if path.suffix == ".safetensors":
        save_file(weights, path, {"modelspec.title": "Nice"})
    elif path.suffix == ".gguf":
        writer = gguf.GGUFWriter(path, "nice")
        for name, tensor in weights.items():
            kept = tensor.to(torch.float32) if tensor.dtype == torch.bfloat16 else tensor
            writer.add_tensor(name, np.atleast_1d(kept.numpy()))
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    else:
        torch.save(weights, path)
    return path


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt", ".gguf"])
def test_tensors_are_where_the_header_says(tmp_path, suffix):
    path = write(tmp_path / f"model{suffix}")
    found = read_header(path).tensors
    assert set(found) == set(WEIGHTS)
    assert (found["a.weight"].dtype, found["a.weight"].shape) == ("F32", (2, 3))
    assert values(path, "a.weight").tolist() == [[0, 1, 2], [3, 4, 5]]
    assert values(path, "b").tolist() == [1.5, -2.0]
    assert read_header(path).format == {".safetensors": "safetensors", ".ckpt": "pickle", ".gguf": "gguf"}[suffix]


def test_metadata_is_kept(tmp_path):
    assert read_header(write(tmp_path / "m.safetensors")).metadata == {"modelspec.title": "Nice"}
    assert read_header(write(tmp_path / "m.gguf")).metadata["general.architecture"] == "nice"


def test_views_of_one_storage_and_the_wrapper_of_a_training_program_are_understood(tmp_path):
    whole = torch.arange(12, dtype=torch.float32).reshape(3, 4)
    path = tmp_path / "model.ckpt"
    weights = {"part": whole[1], "turned": whole.t(), "parameter": torch.nn.Parameter(whole[2])}
    torch.save({"epoch": 3, "state_dict": weights, "step": np.float64(0.5)}, path)
    assert set(read_header(path).tensors) == {"part", "turned", "parameter"}
    assert values(path, "part").tolist() == [4, 5, 6, 7]
    assert values(path, "turned").tolist() == whole.t().tolist()
    assert values(path, "parameter").tolist() == [8, 9, 10, 11]


def refused(path, match):
    with pytest.raises(ModelProblem, match=match) as error:
        read_header(path)
    assert path.name in error.value.detail


class Evil:
    """A pickle of this calls a function when it is read."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (self.path, "w"))


def test_a_pickle_that_calls_something_is_refused_by_name_and_nothing_is_called(tmp_path):
    trace = tmp_path / "trace"
    torch.save({"state_dict": WEIGHTS, "evil": Evil(str(trace))}, tmp_path / "model.ckpt")
    refused(tmp_path / "model.ckpt", r"wants to call (io|_io)\.open")
    assert not trace.exists()


def archive(path, program, data=b"", compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("m/data.pkl", program)
        file.writestr("m/data/0", data)
    return path


def test_a_zip_bomb_is_not_unpacked(tmp_path):
    path = archive(tmp_path / "bomb.ckpt", b"", b"\0" * 50_000_000, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 100_000
    refused(path, "compressed")


def test_every_cut_and_every_wrong_byte_of_an_index_is_a_sentence(tmp_path):
    path = write(tmp_path / "whole.ckpt")
    with zipfile.ZipFile(path) as file:
        program = file.read("whole/data.pkl")
    for place in range(0, len(program), 3):
        for broken in (program[:place], program[:place] + b"\xff" + program[place + 1 :]):
            try:
                read_header(archive(tmp_path / "broken.ckpt", broken, b"\0" * 64))
            except ModelProblem as problem:
                assert "broken.ckpt" in problem.detail


@pytest.mark.parametrize("suffix", [".safetensors", ".ckpt", ".gguf"])
def test_bytes_changed_anywhere_end_in_a_header_or_a_sentence(tmp_path, suffix):
    path = write(tmp_path / f"model{suffix}")
    data, chance = path.read_bytes(), random.Random(1)
    for _ in range(300):
        broken = bytearray(data)
        for _ in range(chance.choice([1, 2, 8])):
            broken[chance.randrange(len(broken))] = chance.randrange(256)
        path.write_bytes(broken)
        try:
            read_header(path)
        except ModelProblem as problem:
            assert path.name in problem.detail


STORAGE = b"(X\x07\0\0\0storagectorch\nFloatStorage\nX\1\0\0\x000X\3\0\0\0cpuK\6tQ"


@pytest.mark.parametrize(
    "value",
    [
        b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE + b"K\0(K\2K\3t(K\1ttR",  # two sides, one stride
        b"ctorch._utils\n_rebuild_tensor_v2\n(NK\0(K\2t(K\1ttR",  # no storage
        STORAGE + b"}X\5\0\0\0dtypeK\1sb",  # attributes set from outside
    ],
)
def test_tensors_that_no_torch_would_write_are_damage(tmp_path, value):
    refused(
        archive(tmp_path / "odd.ckpt", b"\x80\2}X\1\0\0\0a" + value + b"s.", b"\0" * 64), "its index cannot be read"
    )


def test_no_program_takes_forever_or_all_memory_or_changes_anything_here(tmp_path):
    nested = b"(K\1K\1t" + b"2\x86" * 200
    programs = {
        "a key that takes forever to hash": b"\x80\4}" + nested + b"K\1s.",
        "a set of such": b"\x80\4\x8f(" + nested + b"\x90.",
        "an ordered dict of such": b"\x80\4ccollections\nOrderedDict\n(](" + nested + b"K\1t\x86atR.",
        "a place in its memory that is far away": b"\x80\4Nr\xff\xff\xff\x7f.",
        "bytes that it does not hold": b"\x80\5\x96" + b"\xff\xff\xff\xff\x0f\0\0\0" + b".",
        "many small things": b"\x80\4(" + b"]" * 5_000_000 + b"l.",
        "a shape of many sides": b"\x80\4ctorch\nSize\n(X\xff\xff\0\0" + b"1" * 65535 + b"tR.",
        "another start for a function": b"\x80\2ctorch._utils\n_rebuild_tensor_v2\nN}X\x0c\0\0\0__defaults__N)s\x86b.",
    }
    before = pickle_header._tensor.__defaults__
    for what, program in programs.items():
        start = time.monotonic()
        try:
            assert read_header(archive(tmp_path / "bad.ckpt", program)).tensors == {}, what
        except ModelProblem as problem:
            assert "bad.ckpt is damaged" in problem.detail, what
        assert time.monotonic() - start < 20, what
    assert pickle_header._tensor.__defaults__ == before


@pytest.mark.parametrize("key", [1, "\ud800"])
def test_names_that_are_no_text_are_damage(tmp_path, key):
    torch.save({key: torch.ones(2)}, tmp_path / "m.ckpt")
    refused(tmp_path / "m.ckpt", "is no text")


def test_what_training_programs_keep_beside_the_weights_is_passed_over(tmp_path):
    beside = {(1, 2): "x", "seen": {3, 4}, "groups": [{"lr": 0.1, "params": [0, 1]}], "state": {0: {"step": 1}}}
    torch.save({"state_dict": OrderedDict(WEIGHTS), "optimizer_states": [beside], (0,): 1}, tmp_path / "m.ckpt")
    assert set(read_header(tmp_path / "m.ckpt").tensors) == set(WEIGHTS)


def test_types_for_which_torch_has_no_kind_of_storage_are_read(tmp_path):
    torch.save({"a": torch.tensor([[1.0, 0.5], [2.0, 4.0]]).to(torch.float8_e4m3fn)}, tmp_path / "m.ckpt")
    info = read_header(tmp_path / "m.ckpt").tensors["a"]
    raw = np.fromfile(tmp_path / "m.ckpt", np.uint8, 4, offset=info.start)
    assert (info.dtype, info.shape) == ("F8_E4M3", (2, 2))
    assert torch.from_numpy(raw).view(torch.float8_e4m3fn).float().tolist() == [1.0, 0.5, 2.0, 4.0]


def test_a_tuple_that_only_looks_like_a_tensor_is_none(tmp_path):
    program = b"\x80\2}X\1\0\0\0a(" + STORAGE + b"K\0K\5Nts."
    assert read_header(archive(tmp_path / "odd.ckpt", program, b"\0" * 64)).tensors == {}


def test_torch_files_that_are_cut_off_old_or_of_something_else(tmp_path):
    path = write(tmp_path / "model.ckpt")
    data = path.read_bytes()
    path.write_bytes(data[: len(data) // 2])
    refused(path, "cut off")
    (tmp_path / "old.pt").write_bytes(pickle.dumps({"a": 1}))
    refused(tmp_path / "old.pt", "before 1.6")
    torch.save([1, 2], tmp_path / "list.ckpt")
    assert read_header(tmp_path / "list.ckpt").tensors == {}


def test_a_tensor_larger_than_its_data_is_refused(tmp_path):
    tensor = torch.arange(4, dtype=torch.float32)
    torch.save({"a": tensor}, tmp_path / "m.ckpt")
    with zipfile.ZipFile(tmp_path / "m.ckpt") as file:
        program = file.read("m/data.pkl")
    refused(archive(tmp_path / "lie.ckpt", program, b"\0" * 15), "does not fit")


@pytest.mark.parametrize(
    ("header", "match"),
    [
        ({"a": {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 8]}}, "does not fit its shape"),
        ({"a": {"dtype": "F32", "shape": [-2, -1], "data_offsets": [0, 8]}}, "does not fit its shape"),
        ({"a": {"dtype": "F32", "shape": [4], "data_offsets": [0, 16]}}, "cut off"),
        ({"a": {"dtype": "F32"}}, "damaged"),
        ({"a": None}, "damaged"),
        ({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, math.inf]}}, "damaged"),
        ([], "damaged"),
    ],
)
def test_safetensors_headers_that_lie(tmp_path, header, match):
    text = json.dumps(header).encode()
    (tmp_path / "m.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + b"\0" * 8)
    refused(tmp_path / "m.safetensors", match)


def test_a_safetensors_header_of_two_gigabytes_is_not_read(tmp_path):
    path = tmp_path / "m.safetensors"
    with path.open("wb") as file:
        file.write(struct.pack("<Q", 2 * 2**30))
        file.truncate(3 * 2**30)
    refused(path, "claims 2,147,483,648 bytes")


def test_gguf_files_that_are_cut_off_or_something_else(tmp_path):
    path = write(tmp_path / "m.gguf", {"a": torch.ones(4000)})
    data = path.read_bytes()
    for length in (2, 30, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        refused(path, "cut off|damaged")
    path.write_bytes(b"something else entirely, and long enough to be read")
    refused(path, "no GGUF")


def test_other_files_are_named_as_what_they_are_not(tmp_path):
    (tmp_path / "notes.txt").write_text("hello")
    refused(tmp_path / "notes.txt", "no file of weights")
