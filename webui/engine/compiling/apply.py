"""Attention applied to a network as ever, and its repeated blocks compiled beside it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol
from weakref import WeakKeyDictionary, ref

from diffusers import UNet2DConditionModel
from torch import Tensor, nn

from webui.engine.attention.apply import Applied, Apply, apply
from webui.engine.attention.backends import Backends
from webui.engine.attention.shortcuts import Shortcuts
from webui.engine.compiling.blocks import are_changed, blocks_of, form_of_call, inside, kind_of_call, unfit
from webui.engine.compiling.compiler import Backend, Call, Compiler, Task
from webui.engine.config import EngineConfig

# Kinds of passes that a network's blocks are compiled for: each is a size and a number of pictures, and takes memory.
_MOST_KINDS = 16

WAITING = "The model's blocks are being compiled for this size; meanwhile they compute as they are."
RUNNING = "From here on the model's compiled blocks compute."
CHANGED = "The model's blocks compute as they are, since an extension changes them."
MANY = f"The model's blocks are compiled for {_MOST_KINDS} sizes already; for this one they compute as they are."


@dataclass
class _Kind:
    """Passes that one compiled code serves."""

    ready: bool = False
    problem: str | None = None
    """Why it never will be; "" where that was said, or there is nothing to say."""

    def end(self, ready: bool, problem: str) -> None:
        """Take what came of compiling; on the compiler's thread."""
        if ready:
            self.ready = True
        else:
            self.problem = problem


@dataclass
class _Network:
    """What is known of one network; kept while it is in memory. All but its kinds' fields is the loop's."""

    kinds: dict[Hashable, _Kind] = field(default_factory=dict)
    compiled: bool = False
    """Whether the pass that is being made runs compiled code."""
    recorded: dict[Hashable, Call] | None = None
    """The calls of the pass that is being made, where it is recorded: one of each form, as its tensors are kept."""
    said: tuple[str, ...] = ()
    """What is to be said of the newest pass."""


class Attention(Protocol):
    """An `Apply` with an end."""

    def __call__(self, name: str, network: nn.Module, shortcuts: Shortcuts) -> Applied:
        """See `Apply`."""
        ...

    def wait(self, seconds: float) -> bool:
        """Wait until nothing is left to be compiled; False when the time is over."""
        ...

    def close(self) -> None:
        """Begin nothing more."""
        ...


class Plain:
    """An `Attention` that compiles nothing."""

    def __init__(self, backends: Backends) -> None:
        self._backends = backends

    def __call__(self, name: str, network: nn.Module, shortcuts: Shortcuts) -> Applied:
        """See `Apply`."""
        return apply(self._backends, name, network, shortcuts)

    def wait(self, seconds: float) -> bool:
        """There is nothing to wait for."""
        return True

    def close(self) -> None:
        """There is nothing to end."""


def attention_of(config: EngineConfig, backends: Backends) -> Attention:
    """How an engine with these options computes attention and the blocks round it."""
    plain = Plain(backends)
    return Compiling(plain) if config.compile_repeated_blocks else plain


class Compiling:
    """An `Attention` that does what another one does, and compiles.

    The first pass of a kind runs as it is; what its blocks were given is recorded, a thread compiles with it, and a
    later pass begins with compiled blocks. Nothing waits for that, and nothing is compiled in the loop: there torch
    only runs what it finds. Attention of UNets stays outside of what is compiled: it is one kernel, and backends, the
    kept keys of a text and shortcuts go on as they are.
    """

    def __init__(self, apply: Apply, backend: Backend = "inductor") -> None:
        self._apply = apply
        self._compiler = Compiler(backend)
        self._known: WeakKeyDictionary[nn.Module, _Network] = WeakKeyDictionary()

    def __call__(self, name: str, network: nn.Module, shortcuts: Shortcuts) -> Applied:
        """See `Apply`."""
        known, blocks = self._known.get(network), blocks_of(network)
        if known is None:
            known = self._known[network] = _Network()
            if isinstance(network, UNet2DConditionModel):
                _put_outside(network, self._compiler)
        applied = self._apply(name, network, shortcuts)
        reason = unfit(network, blocks)
        if reason:
            return Applied(applied.undo, _Notes(applied.notes, lambda: (reason,)))
        for number, block in enumerate(blocks):
            block.__dict__["forward"] = self._forward_of(block, number, known)
        network.__dict__["forward"] = self._watched(network, inside(blocks), known)

        def undo() -> None:
            for module in (network, *blocks):
                del module.__dict__["forward"]
            applied.undo()

        return Applied(undo, _Notes(applied.notes, lambda: known.said))

    def wait(self, seconds: float) -> bool:
        """See `Attention`."""
        return self._compiler.wait(seconds)

    def close(self) -> None:
        """See `Attention`."""
        self._compiler.close()

    def _watched(self, network: nn.Module, parts: Sequence[nn.Module], known: _Network) -> Callable[..., Any]:
        forward = network.forward

        def watched(*args: Any, **kwargs: Any) -> Any:
            # Extensions may change a model for a pass.
            if are_changed(parts):
                known.said = (CHANGED,)
                return forward(*args, **kwargs)
            with self._passing(network, known, kind_of_call(args, kwargs)):
                return forward(*args, **kwargs)

        return watched

    def _forward_of(self, block: Any, number: int, known: _Network) -> Callable[..., Any]:
        forward = block.forward

        def one(*args: Any, **kwargs: Any) -> Any:
            if known.compiled:
                return self._compiler.run(block, args, kwargs)
            if known.recorded is not None:
                known.recorded.setdefault(form_of_call(block, args, kwargs), Call(number, args, kwargs))
            return forward(*args, **kwargs)

        return one

    @contextmanager
    def _passing(self, network: nn.Module, known: _Network, key: Hashable) -> Iterator[None]:
        """One pass of a network: what it is made by is decided here, for all its blocks."""
        kind = known.kinds.get(key)
        known.compiled = kind is not None and kind.ready and self._compiler.enter()
        known.recorded = {} if kind is None and self._begins(known) else None
        known.said = self._sentences(known, kind)
        try:
            yield
            calls = list((known.recorded or {}).values())
        finally:
            # A pass that failed, as memory ran short, is none to compile by.
            known.recorded = None
            if known.compiled:
                known.compiled = False
                self._compiler.leave()
        if calls:
            known.kinds[key] = begun = _Kind()
            self._compiler.compile(Task(ref(network), blocks_of, calls, begun.end))

    def _begins(self, known: _Network) -> bool:
        return len(known.kinds) < _MOST_KINDS and not self._compiler.failed

    def _sentences(self, known: _Network, kind: _Kind | None) -> tuple[str, ...]:
        if known.compiled:
            return (RUNNING,)
        if kind is None:
            return (WAITING,) if known.recorded is not None else () if self._compiler.failed else (MANY,)
        if kind.problem is None:
            return () if kind.ready else (WAITING,)
        problem, kind.problem = kind.problem, ""
        return (problem,) if problem else ()


class _Outside:
    """A processor of attention that no compiler looks into."""

    def __init__(self, own: Callable[..., Tensor], compiler: Compiler) -> None:
        self._stack, self._compiler = [own], compiler

    @property
    def processor(self) -> Callable[..., Tensor]:
        """What computes now."""
        return self._stack[-1]

    def take(self, processor: Callable[..., Tensor]) -> None:
        """Have another compute; itself has the one before compute again."""
        if processor is not self:
            self._stack.append(processor)
        elif len(self._stack) > 1:
            self._stack.pop()

    def __call__(
        self,
        attn: nn.Module,
        hidden_states: Tensor,
        encoder_hidden_states: Tensor | None = None,
        attention_mask: Tensor | None = None,
        temb: Tensor | None = None,
    ) -> Tensor:
        """See `unet.Processor`."""
        # What computes changes from job to job, so compiled code must not see it.
        return self._compiler.outside(self, attn, hidden_states, encoder_hidden_states, attention_mask, temb)


def _put_outside(network: UNet2DConditionModel, compiler: Compiler) -> None:
    """Put a UNet's processors outside of what is compiled, and those that it is given from now on.

    What stands in the network stays the same objects: another thread may be looking at them to compile.
    """
    outsides = {place: _Outside(own, compiler) for place, own in network.attn_processors.items()}
    # A copy, since diffusers empties the dict it is given.
    network.set_attn_processor(dict(outsides))

    def set_attn_processor(processor: Any) -> None:
        for place, outside in outsides.items():
            outside.take(processor[place] if isinstance(processor, dict) else processor)

    network.__dict__["set_attn_processor"] = set_attn_processor


class _Notes(Collection[str]):
    """Sentences that come with time, from two sides."""

    def __init__(self, own: Collection[str], more: Callable[[], tuple[str, ...]]) -> None:
        self._own, self._more = own, more

    def __iter__(self) -> Iterator[str]:
        yield from self._own
        yield from self._more()

    def __len__(self) -> int:
        return len(list(iter(self)))

    def __contains__(self, text: object) -> bool:
        return text in list(iter(self))
