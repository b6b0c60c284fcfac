"""Memory that runs out when a test says so."""

import torch

ERRORS = (
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
    MemoryError(),
    RuntimeError(
        "[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: not enough memory: you tried to allocate 9 bytes"
    ),
)


class Shortage:
    """Told of each attempt (`Ladder.on_try`), it has those of one stage fail, as many times as `left` says."""

    def __init__(self, stage, left=1, error=ERRORS[0]):
        self.stage, self.left, self.error = stage, left, error
        self.tries = []

    def __call__(self, shape):
        if shape.stage != self.stage:
            return
        self.tries.append(shape)
        if self.left:
            self.left -= 1
            raise self.error
