"""Read what a GGUF file holds, through the `gguf` package of its makers. Torch-free."""

from __future__ import annotations

from pathlib import Path

from gguf import GGUFReader, GGUFValueType

from webui.engine.checkpoints.headers.base import Header, TensorInfo, cut_off, damaged, unreadable

_NAMES = {"F32": "F32", "F16": "F16", "BF16": "BF16", "F64": "F64", "I8": "I8", "I16": "I16", "I32": "I32"}


def read(path: Path) -> Header:
    """The tensors of a GGUF file, shapes in torch's order. Raises ModelProblem: no such file, damaged, cut off."""
    try:
        size = path.stat().st_size
        reader = GGUFReader(path)
        metadata = {
            name: str(field.contents())
            for name, field in reader.fields.items()
            if field.types and field.types[0] is GGUFValueType.STRING
        }
    except OSError as error:
        raise unreadable(path, error) from error
    except Exception as error:  # what a damaged file makes of the reader cannot be foreseen
        raise damaged(path, "it is no GGUF file, is of a newer version, or is cut off") from error
    tensors = {}
    for tensor in reader.tensors:
        if tensor.data_offset + tensor.n_bytes > size:
            raise cut_off(path, f"'{tensor.name[:80]}' should end at byte {tensor.data_offset + tensor.n_bytes:,}")
        kind = tensor.tensor_type.name
        shape = tuple(int(side) for side in reversed(tensor.shape.tolist()))
        tensors[str(tensor.name)] = TensorInfo(_NAMES.get(kind, kind), shape, int(tensor.data_offset))
    return Header(tensors, metadata, format="gguf")
