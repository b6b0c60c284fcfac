"""Read what a .ckpt or .pt file of torch holds without running anything that is in it. Torch-free.

The file is a zip whose `data.pkl` is a pickle program, and a pickle may name any function to be called. Here a name
stands for nothing but itself: those that describe tensors are understood, any other refuses the file.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from webui.core.errors import ModelProblem
from webui.engine.checkpoints.headers.base import AGAIN, Header, TensorInfo, damaged, unreadable

# The program of a real checkpoint is below 2 MB.
_MAX_PROGRAM = 64_000_000

_STORAGES = {
    "DoubleStorage": "F64", "FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16",
    "LongStorage": "I64", "IntStorage": "I32", "ShortStorage": "I16", "CharStorage": "I8", "ByteStorage": "U8",
    "BoolStorage": "BOOL", "Float8_e4m3fnStorage": "F8_E4M3", "Float8_e5m2Storage": "F8_E5M2",
}  # fmt: skip
_BYTES = {"F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2}

# Where the weights are in what training programs save.
_WRAPPERS = ("state_dict", "model", "params_ema", "params")


# Tuples, since a pickle may give every other object attributes of its own making.
class _Storage(NamedTuple):
    dtype: str
    key: str


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    stride: tuple[int, ...]


class _Ignored:
    """Stands for what describes the training and not the weights; takes everything and does nothing."""

    def __init__(self, *given: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass

    def __setitem__(self, key: Any, value: Any) -> None:
        pass


class Refused(Exception):
    """The pickle names something besides weights."""


class _Reader(pickle.Unpickler):
    """Understands the names below and refuses all others."""

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        known = _KNOWN.get((module, name))
        if known is None and module.split(".")[0] in ("pytorch_lightning", "lightning"):
            # Callbacks of the training program, which old checkpoints carry along.
            return _Ignored
        if known is None:
            raise Refused(f"{module}.{name}")
        return known

    def persistent_load(self, pid: Any) -> _Storage:
        kind, dtype, key, *_ = pid
        if kind != "storage" or not isinstance(dtype, str):
            raise Refused(str(kind))
        return _Storage(dtype, str(key))


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> _Tensor:
    tensor = _Tensor(storage, int(offset), tuple(map(int, shape)), tuple(map(int, stride)))
    if not isinstance(storage, _Storage) or len(tensor.shape) != len(tensor.stride):
        raise ValueError("no tensor")
    return tensor


_KNOWN: Mapping[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): OrderedDict,
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
    ("torch", "Size"): tuple,
    ("numpy.core.multiarray", "scalar"): _Ignored,
    ("numpy._core.multiarray", "scalar"): _Ignored,
    ("numpy", "dtype"): _Ignored,
    ("_codecs", "encode"): lambda text, *_: text,
    ("builtins", "set"): set,
    ("__builtin__", "set"): set,
}


def read(path: Path) -> Header:
    """The tensors of a torch file. Raises ModelProblem: no such file, damaged, or it wants to run something."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = {member.filename: member for member in archive.infolist()}
            name = next((name for name in members if PurePosixPath(name).name == "data.pkl"), None)
            if name is None:
                raise damaged(path, "it is a zip without weights")
            if members[name].file_size > _MAX_PROGRAM:
                raise damaged(path, f"its index claims {members[name].file_size:,} bytes")
            if any(member.compress_type != zipfile.ZIP_STORED for member in members.values()):
                raise damaged(path, "it is compressed, which torch never does")
            content = _run(path, archive.read(name))
        return Header(_places(path, content, PurePosixPath(name).parent, members), format="pickle")
    except OSError as error:
        raise unreadable(path, error) from error
    except (zipfile.BadZipFile, EOFError, RuntimeError, ValueError) as error:  # all that zipfile says of a damaged one
        raise ModelProblem(
            f"{path.name} is no torch file, is cut off, or was saved by torch before 1.6.",
            field="checkpoint",
            remedies=(*AGAIN, "Take the model as safetensors"),
        ) from error


def _run(path: Path, program: bytes) -> Any:
    try:
        return _Reader(io.BytesIO(program)).load()
    except Refused as refused:
        raise ModelProblem(
            f"{path.name} wants to call {str(refused)[:120]} when it is read, which could do anything on this machine.",
            field="checkpoint",
            remedies=("Take the model as safetensors", "Trust no copy of it from elsewhere"),
        ) from refused
    except RecursionError as error:
        raise damaged(path, "its index is nested too deeply") from error
    except Exception as error:  # a damaged pickle program may raise anything
        raise damaged(path, "its index cannot be read") from error


def _places(
    path: Path, content: Any, folder: PurePosixPath, members: Mapping[str, zipfile.ZipInfo]
) -> dict[str, TensorInfo]:
    tensors: dict[str, TensorInfo] = {}
    starts: dict[str, int] = {}
    with path.open("rb") as file:
        for name, found in _weights(content).items():
            storage, offset, shape, stride = found
            member = members.get(str(folder / "data" / storage.key))
            if member is None:
                raise damaged(path, f"the data of '{name[:80]}' is missing")
            width = _BYTES.get(storage.dtype, 1)
            last = offset + sum((side - 1) * step for side, step in zip(shape, stride, strict=True))
            if 0 not in shape and (min((offset, *shape, *stride)) < 0 or (last + 1) * width > member.file_size):
                raise damaged(path, f"the size of '{name[:80]}' does not fit its shape")
            if storage.key not in starts:
                starts[storage.key] = _start(path, file, member)
            place = starts[storage.key] + offset * width
            tensors[name] = TensorInfo(storage.dtype, shape, place, () if _plain(shape, stride) else stride)
    return tensors


def _weights(content: Any) -> dict[str, _Tensor]:
    """The named tensors of what was saved, out of the wrappers that training programs put around them."""
    for _ in range(3):
        if not isinstance(content, dict):
            return {}
        inner = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), dict)), None)
        if inner is None:
            break
        content = inner
    return {str(name): value for name, value in content.items() if isinstance(value, _Tensor)}


def _plain(shape: tuple[int, ...], stride: tuple[int, ...]) -> bool:
    expected = 1
    for side, step in zip(reversed(shape), reversed(stride), strict=True):
        if side != 1 and step != expected:
            return False
        expected *= side
    return True


def _start(path: Path, file: io.BufferedReader, member: zipfile.ZipInfo) -> int:
    """Where a stored member's bytes begin: after its own header, whose length only that header tells."""
    file.seek(member.header_offset)
    head = file.read(30)
    if len(head) < 30 or head[:4] != b"PK\x03\x04":
        raise damaged(path, "an entry of the zip is not where it should be")
    name_length, extra_length = struct.unpack("<HH", head[26:30])
    return int(member.header_offset + 30 + name_length + extra_length)
