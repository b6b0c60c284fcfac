"""The bytes of an open file as tensors; several threads may read at once, each with a place and a buffer of its own."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import torch
from torch import Tensor

from webui.core.errors import ModelProblem
from webui.engine.checkpoints.headers.base import unreadable

# So much is read at a time and turned into what is wanted. Memory that is used again needs not be given out by the
# system page by page, which takes longer than reading does.
_BUFFER_BYTES = 2 * 2**20


class _Hand:
    """What one thread at a time reads with."""

    def __init__(self, file: io.RawIOBase) -> None:
        self.file = file
        self.buffer = torch.empty(0, dtype=torch.uint8)


class FileBytes:
    """An open file. It is read and never mapped: one that is overwritten meanwhile gives an error or wrong numbers,
    where a mapped one would kill the process."""

    def __init__(self, path: Path, file: io.RawIOBase) -> None:
        """file: open, and closed by who opened it. Those that further threads need are opened here until `close`."""
        self.path = path
        self._idle = [_Hand(file)]
        self._opened = ExitStack()

    def close(self) -> None:
        """Close the files that were opened here."""
        self._opened.close()

    def read(self, start: int, length: int) -> Tensor:
        """(length,) bytes from there on. Raises ModelProblem."""
        data = torch.empty(length, dtype=torch.uint8)
        with self._hand() as hand:
            self._read_into(hand.file, data, start)
        return data

    def fill(self, tensor: Tensor, start: int, dtype: torch.dtype) -> None:
        """Fill a tensor of any type and memory layout with the numbers of type `dtype` that lie there, row after row.

        At least one row, of its first axis, is read at a time. Raises ModelProblem.
        """
        if not tensor.numel():
            return
        tensor = tensor if tensor.dim() else tensor.view(1)
        row_bytes = tensor[0].numel() * dtype.itemsize
        with self._hand() as hand:
            if len(hand.buffer) < row_bytes:
                hand.buffer = torch.empty(max(_BUFFER_BYTES, row_bytes), dtype=torch.uint8)
            for rows in tensor.split(len(hand.buffer) // row_bytes):
                data = hand.buffer[: len(rows) * row_bytes]
                self._read_into(hand.file, data, start)
                rows.copy_(data.view(dtype).view(rows.shape))
                start += len(data)

    @contextmanager
    def _hand(self) -> Iterator[_Hand]:
        try:
            hand = self._idle.pop()
        except IndexError:
            hand = self._open()
        try:
            yield hand
        finally:
            self._idle.append(hand)

    def _open(self) -> _Hand:
        try:
            return _Hand(self._opened.enter_context(self.path.open("rb", buffering=0)))
        except OSError as error:
            raise unreadable(self.path, error) from error

    def _read_into(self, file: io.RawIOBase, data: Tensor, start: int) -> None:
        room = data.numpy().data
        try:
            file.seek(start)
            # The system gives at most 2 GB at a time.
            while room and (got := file.readinto(room)):
                room = room[got:]
        except OSError as error:
            raise unreadable(self.path, error) from error
        if room:
            raise ModelProblem(
                f"{self.path.name} became shorter while it was read.", field="checkpoint", remedies=("Try again",)
            )
