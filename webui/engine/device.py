"""Which device computes, in which precision, and how much memory it has."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from typing import Any

import psutil
import torch

from webui.core.errors import OutOfMemory, WorkerProblem
from webui.engine import allocator
from webui.engine.config import Precision

DTYPES: dict[str, torch.dtype] = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
STORAGE: dict[str, torch.dtype] = {**DTYPES, "fp8": torch.float8_e4m3fn}
"""What weights may be kept in; nothing computes in 8 bits."""


def choose_device(name: str) -> torch.device:
    """The device of this name; "auto" takes CUDA (ROCm too), then Apple's MPS, then the CPU. Raises WorkerProblem."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda:0")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise WorkerProblem(
            f"There is no device of the name '{name}'.", remedies=("Use cpu, cuda:0 or mps",)
        ) from error
    if device.type == "cuda" and not (torch.cuda.is_available() and (device.index or 0) < torch.cuda.device_count()):
        raise WorkerProblem(f"The device '{name}' is not there, or this torch has no CUDA.", remedies=("Use cpu",))
    return device


def choose_dtype(precision: Precision, device: torch.device) -> torch.dtype:
    """The dtype that the networks compute in."""
    if precision != "auto":
        return DTYPES[precision]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.get_device_capability(device) >= (8, 0) else torch.float16
    # Without bf16 units a CPU is about 40 times slower in bf16 than in fp32.
    return torch.float32 if device.type == "cpu" else torch.float16


def precisions_of(chosen: Mapping[str, Precision]) -> dict[str, torch.dtype]:
    """The dtypes of those roles ("vae") that have one of their own."""
    return {role: DTYPES[precision] for role, precision in chosen.items() if precision != "auto"}


def set_threads(wanted: int, sharers: int) -> None:
    """Have computations on the CPU take `wanted` threads; 0: torch's own number, divided among `sharers` processes."""
    if wanted or sharers > 1:
        torch.set_num_threads(wanted or max(1, torch.get_num_threads() // sharers))


def describe_device(device: torch.device) -> str:
    """The device in words."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    if device.type == "mps":
        return "Apple GPU"
    threads = torch.get_num_threads()
    return f"CPU ({threads} {'thread' if threads == 1 else 'threads'}, {platform.machine()})"


def memory(device: torch.device) -> tuple[int, int]:
    """(free, total) bytes of the device's memory."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return free + unused, total
    machine = psutil.virtual_memory()
    return machine.available, machine.total


def left_by_others(device: torch.device) -> int:
    """Bytes of the device's memory that other programs do not hold: what is free, and what this process has taken."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device)
    return psutil.virtual_memory().available + process_bytes()


def process_bytes() -> int:
    """RAM that this process keeps."""
    return psutil.Process().memory_info().rss


def state(device: torch.device) -> dict[str, Any]:
    """The device in words, its `device_type` ("cuda"), and `free_bytes` and `total_bytes` of its memory."""
    free, total = memory(device)
    named = {"device": describe_device(device), "device_type": device.type}
    return {**named, "free_bytes": free, "total_bytes": total}


def is_out_of_memory(error: BaseException) -> bool:
    """Whether this error means that memory ran out, on whichever device."""
    if isinstance(error, torch.OutOfMemoryError | MemoryError | OutOfMemory):
        return True
    return isinstance(error, RuntimeError) and any(
        sign in str(error) for sign in ("not enough memory", "out of memory", "can't allocate memory")
    )


def is_fatal(error: BaseException) -> bool:
    """Whether the device itself is broken, so that nothing in this process will work any more."""
    return isinstance(error, torch.AcceleratorError) and not isinstance(error, torch.OutOfMemoryError)


def ran_short(error: BaseException) -> bool:
    """Whether memory ran out on a device that works, so that something thriftier may be tried."""
    return is_out_of_memory(error) and not is_fatal(error)


def free_cache(device: torch.device) -> None:
    """Give cached memory back, after something large was dropped or an allocation failed."""
    if device.type == "cuda":
        torch.cuda.empty_cache()
        # RAM that a card reads from at full speed, which torch keeps for later too; it asks for a card that is in use.
        if torch.cuda.is_initialized():
            torch.accelerator.empty_host_cache()
    elif device.type == "mps":
        torch.mps.empty_cache()
    else:
        allocator.give_back()


def column(values: Sequence[float], device: torch.device) -> torch.Tensor:
    """Host floats as a float32 tensor (n,) on the device, without waiting for the device."""
    if device.type == "cuda":
        return torch.tensor(values, dtype=torch.float32, pin_memory=True).to(device, non_blocking=True)
    return torch.tensor(values, dtype=torch.float32, device=device)
