"""The background's thread that compiles blocks, and what the loop runs of its work."""

from __future__ import annotations

import logging
import queue
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol
from weakref import ref

import torch
from torch import Tensor, nn

from webui.core.errors import first_line
from webui.engine.device import is_out_of_memory

log = logging.getLogger(__name__)

Backend = str | Callable[..., Any]
"""What torch.compile calls so: the name of one of its backends, or a function of its kind."""

# Forms of one block's code that torch may keep: widths of its layers times kinds of passes.
_MOST_FORMS = 128

_AS_THEY_ARE = "The model's blocks compute as they are"


class Outside(Protocol):
    """Something with a processor of attention, as diffusers has them."""

    @property
    def processor(self) -> Callable[..., Tensor]:
        """What computes now."""
        ...


@dataclass(frozen=True, slots=True)
class Call:
    """What a block was given in a recorded pass. number: its place in `blocks_of`."""

    number: int
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Task:
    """A recorded pass to be compiled by."""

    network: ref[nn.Module]
    blocks: Callable[[nn.Module], Sequence[nn.Module]]
    calls: Sequence[Call]
    done: Callable[[bool, str], None]
    """Called on the background's thread: whether it is compiled, and if not a sentence that says why, if any."""


class Compiler:
    """One thread; its methods are for the loop's.

    Compiled code runs in passes between `enter` and `leave`, and never while something is compiled: torch's compiler
    keeps flags and tables for the whole process.
    """

    def __init__(self, backend: Backend) -> None:
        self.failed = False
        """Whether compiling is of no use here, so that nothing more should be begun."""
        self.outside: Callable[..., Tensor] = self._attend
        """(what holds a processor, layer, tokens, ...) -> what that answers; never part of what is compiled."""
        self._backend = backend
        self._tasks: queue.SimpleQueue[Task | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._open = 0
        self._changed = threading.Condition()
        self._pass = threading.Lock()
        self._wanted = False
        self._compiled: dict[type, Callable[..., Any]] = {}
        self._runs: dict[type, Callable[..., Any]] = {}

    def compile(self, task: Task) -> None:
        """Have a pass compiled by and by."""
        with self._changed:
            self._open += 1
        self._tasks.put(task)
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name="engine-compile", daemon=True)
            self._thread.start()

    def enter(self) -> bool:
        """Begin a pass of compiled code; False when that must not be now."""
        return not self._wanted and self._pass.acquire(blocking=False)

    def leave(self) -> None:
        """End it."""
        self._pass.release()

    def run(self, block: nn.Module, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
        """A block's answer by what is compiled; by the block's own code where, after all, nothing fits."""
        return self._runs[type(block)](block, *args, **kwargs)

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is left to be compiled; False when the time is over."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._open, seconds)

    def close(self) -> None:
        """Begin nothing more. What is being compiled is left to itself, as that may take minutes."""
        self.failed = True
        self._tasks.put(None)

    # On the thread

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            try:
                task.done(*self._try(task))
            finally:
                with self._changed:
                    self._open -= 1
                    self._changed.notify_all()
            del task

    def _try(self, task: Task) -> tuple[bool, str]:
        if self.failed:
            return False, ""
        try:
            self._wanted = True
            with self._pass:
                self._compile(task)
            return True, ""
        # Whatever a compiler raises, pictures are made without it.
        except Exception as error:
            log.warning("The blocks of a model were not compiled.", exc_info=error)
            if is_out_of_memory(error):
                return False, f"{_AS_THEY_ARE} for this size: there was not enough memory to compile them."
            self.failed = True
            return False, why_not(error)
        finally:
            self._wanted = False

    @torch.inference_mode()
    def _compile(self, task: Task) -> None:
        # Importing it takes seconds, which only those pay that compile, and not in the loop.
        from torch import _dynamo

        if self.outside == self._attend:
            self.outside = _dynamo.disable(self._attend)
        for call in task.calls:
            network = task.network()
            if network is None or self.failed:
                return
            block = task.blocks(network)[call.number]
            kind = type(block)
            if kind not in self._compiled:
                # As its stubs lack the limit.
                compile_: Any = torch.compile
                self._compiled[kind] = compile_(kind.forward, backend=self._backend, recompile_limit=_MOST_FORMS)
                self._runs[kind] = _dynamo.run(kind.forward)
            self._compiled[kind](block, *call.args, **call.kwargs)
            del block, network

    def _attend(self, outside: Outside, layer: nn.Module, tokens: Tensor, *args: Any) -> Tensor:
        if threading.current_thread() is self._thread:
            # Only its shape matters here, and processors are the loop's alone.
            return torch.zeros_like(tokens)
        return outside.processor(layer, tokens, *args)


def why_not(error: BaseException) -> str:
    """A sentence about what a compiler raised, with the way out."""
    chain: list[BaseException] = []
    found: BaseException | None = error
    while found is not None and found not in chain:
        chain.append(found)
        found = getattr(found, "inner_exception", None) or found.__cause__ or found.__context__
    names = {type(one).__name__ for one in chain}
    off = "switch 'Compile repeated blocks' off in the settings"
    if "InvalidCxxCompiler" in names:
        return (
            f"{_AS_THEY_ARE}: torch found no C++ compiler to compile them with. Install one (g++ or clang), or {off}."
        )
    if "TritonMissing" in names:
        return f"{_AS_THEY_ARE}: torch found no Triton to compile them with. Install the package triton, or {off}."
    last = chain[-1]
    return f"{_AS_THEY_ARE}: compiling them failed ({type(last).__name__}: {first_line(last)}); you may {off}."
