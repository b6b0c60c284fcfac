"""Read what a .ckpt or .pt file of torch holds without running anything that is in it. Torch-free.

The file is a zip whose `data.pkl` is a pickle program, and a pickle may name any function to be called. Here a name
stands for nothing but itself: those that describe tensors are understood, any other refuses the file. The program runs
in Python's own machine for them rather than in the faster one in C, which takes whatever memory a program names.
"""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar, NamedTuple

from webui.core.errors import ModelProblem
from webui.engine.checkpoints.headers.base import AGAIN, Header, TensorInfo, damaged, unreadable

# The program of a real checkpoint is below 2 MB, and of some hundred thousand steps; each may make a small object.
_MAX_PROGRAM = 16_000_000
_MAX_STEPS = 1_000_000
_MAX_SIDES = 64

_STORAGES = {
    "DoubleStorage": "F64", "FloatStorage": "F32", "HalfStorage": "F16", "BFloat16Storage": "BF16",
    "LongStorage": "I64", "IntStorage": "I32", "ShortStorage": "I16", "CharStorage": "I8", "ByteStorage": "U8",
    "BoolStorage": "BOOL", "Float8_e4m3fnStorage": "F8_E4M3", "Float8_e5m2Storage": "F8_E5M2",
}  # fmt: skip
# How torch names the types for which it has no kind of storage.
_DTYPES = {"float8_e4m3fn": "F8_E4M3", "float8_e5m2": "F8_E5M2", "uint16": "U16", "uint32": "U32", "uint64": "U64"}
_BYTES = {"U64": 8, "U32": 4, "U16": 2, "F64": 8, "I64": 8, "F32": 4, "I32": 4, "F16": 2, "BF16": 2, "I16": 2}

# Where the weights are in what training programs save.
_WRAPPERS = ("state_dict", "model", "params_ema", "params", "string_to_param")


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

    def __setitem__(self, key: Any, value: Any) -> None:
        pass

    def append(self, value: Any) -> None:
        pass

    def extend(self, values: Any) -> None:
        pass


class _Dict(dict[Any, Any]):
    """Stands for an OrderedDict, which a state dict is; torch gives it attributes, which are ignored."""


class _Parameters(_Dict):
    """Stands for a ParameterDict, as textual inversion saves its vectors; they come among its attributes."""

    def __init__(self, *_: Any) -> None:
        super().__init__()

    def take(self, attributes: Any) -> None:
        """Have the parameters among the attributes as items."""
        given = attributes.get("_parameters") if isinstance(attributes, dict) else None
        if isinstance(given, dict):
            self.update(given)


class Refused(Exception):
    """The pickle names something besides weights."""


class _Program(io.BytesIO):
    """A program that may be read in so many steps; each step of a pickle reads at least once."""

    def __init__(self, program: bytes) -> None:
        super().__init__(program)
        self._left = _MAX_STEPS

    def read(self, size: int | None = -1, /) -> bytes:
        self._left -= 1
        if self._left < 0:
            raise ValueError("too many steps")
        return super().read(size)


class _Reader(pickle._Unpickler):
    """Understands the names below and refuses all others; a key that is no plain value is left out with its value."""

    # What the base class declares without its type.
    stack: list[Any]
    pop_mark: Callable[[], list[Any]]

    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)

    def find_class(self, module: str, name: str) -> Any:
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if module == "torch" and name in _DTYPES:
            return _DTYPES[name]
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
        if not isinstance(key, str | int):
            raise ValueError("no storage")
        return _Storage(dtype, str(key))

    def _build(self) -> None:
        """Attributes for the object below: only some may be given any, and none is taken but a ParameterDict's."""
        attributes = self.stack.pop()
        target = self.stack[-1]
        if not isinstance(target, _Dict | _Ignored):
            raise ValueError("attributes from outside")
        if isinstance(target, _Parameters):
            target.take(attributes)

    def _set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        self._put(self.stack[-1], [key, value])

    def _set_items(self) -> None:
        items = self.pop_mark()
        self._put(self.stack[-1], items)

    def _dict(self) -> None:
        items, made = self.pop_mark(), dict[Any, Any]()
        self._put(made, items)
        self.stack.append(made)

    def _set(self) -> None:
        self.stack.append(_Ignored())

    def _add_items(self) -> None:
        self.pop_mark()

    def _frozen_set(self) -> None:
        self.pop_mark()
        self._set()

    def _refused(self) -> None:
        raise ValueError("no checkpoint has this")

    @staticmethod
    def _put(target: Any, items: list[Any]) -> None:
        if not isinstance(target, dict | _Ignored):
            raise ValueError("items for what takes none")
        for key, value in zip(items[::2], items[1::2], strict=True):
            # To hash a tuple of tuples may take forever.
            if isinstance(key, str | bytes | int | float | None):
                target[key] = value

    dispatch |= {
        pickle.BUILD[0]: _build,
        pickle.SETITEM[0]: _set_item,
        pickle.SETITEMS[0]: _set_items,
        pickle.DICT[0]: _dict,
        pickle.EMPTY_SET[0]: _set,
        pickle.ADDITEMS[0]: _add_items,
        pickle.FROZENSET[0]: _frozen_set,
        # It makes room for as much as it claims.
        pickle.BYTEARRAY8[0]: _refused,
    }


def _tensor(storage: Any, offset: Any, shape: Any, stride: Any, *_: Any) -> _Tensor:
    tensor = _Tensor(storage, int(offset), _sides(shape), _sides(stride))
    if not isinstance(storage, _Storage) or len(tensor.shape) != len(tensor.stride):
        raise ValueError("no tensor")
    return tensor


def _typed_tensor(
    storage: Any, offset: Any, shape: Any, stride: Any, _gradient: Any, _hooks: Any, dtype: Any, *_: Any
) -> _Tensor:
    """A tensor of a storage that is only bytes."""
    if not isinstance(storage, _Storage) or dtype not in _DTYPES.values():
        raise ValueError("no tensor")
    return _tensor(_Storage(dtype, storage.key), offset, shape, stride)


def _sides(given: Any) -> tuple[int, ...]:
    if not isinstance(given, tuple | list) or len(given) > _MAX_SIDES:
        raise ValueError("no shape")
    return tuple(int(side) for side in given)


def _ordered(*given: Any) -> _Dict:
    """An OrderedDict as torch pickles it: made empty, filled afterwards; early versions gave pairs."""
    made = _Dict()
    for pairs in given:
        for key, value in pairs:
            _Reader._put(made, [key, value])
    return made


_KNOWN: Mapping[tuple[str, str], Any] = {
    ("collections", "OrderedDict"): _ordered,
    ("torch._utils", "_rebuild_tensor_v3"): _typed_tensor,
    ("torch.storage", "UntypedStorage"): "U8",
    ("torch._utils", "_rebuild_tensor_v2"): _tensor,
    ("torch._utils", "_rebuild_parameter"): lambda data, *_: data,
    ("torch.nn.modules.container", "ParameterDict"): _Parameters,
    ("torch", "Size"): _sides,
    ("numpy.core.multiarray", "scalar"): _Ignored,
    ("numpy._core.multiarray", "scalar"): _Ignored,
    ("numpy", "dtype"): _Ignored,
    ("_codecs", "encode"): lambda text, *_: text,
    ("builtins", "set"): _Ignored,
    ("__builtin__", "set"): _Ignored,
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
    except (zipfile.BadZipFile, EOFError, RuntimeError, ValueError, OverflowError) as error:
        # All that zipfile says of a damaged one.
        raise ModelProblem(
            f"{path.name} is no torch file, is cut off, or was saved by torch before 1.6.",
            field="checkpoint",
            remedies=(*AGAIN, "Take the model as safetensors"),
        ) from error


def _run(path: Path, program: bytes) -> Any:
    try:
        return _Reader(_Program(program)).load()
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
        for name, found in _weights(path, content).items():
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


def _weights(path: Path, content: Any) -> dict[str, _Tensor]:
    """The named tensors of what was saved, out of the wrappers that training programs put around them."""
    for _ in range(3):
        if not isinstance(content, dict):
            return {}
        inner = next((content[key] for key in _WRAPPERS if isinstance(content.get(key), dict)), None)
        if inner is None:
            break
        content = inner
    found = {name: value for name, value in content.items() if isinstance(value, _Tensor)}
    for name in found:
        if not isinstance(name, str) or not _is_text(name):
            raise damaged(path, "the name of a tensor in it is no text")
    return found


def _is_text(name: str) -> bool:
    """Whether it is: halves of letters (surrogates) have no place in a file."""
    try:
        name.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


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
