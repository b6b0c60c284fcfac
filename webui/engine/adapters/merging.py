"""Adapters merged into a network's weights, and the weights put back as they were, to the last bit."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary, ref

import torch
from torch import Tensor, nn

from webui.core.errors import ModelProblem
from webui.engine.adapters.fitting import AdapterSet, Share, Shares
from webui.engine.adapters.kinds import Kind, factors, merged_delta
from webui.engine.adapters.places import Piece, Place
from webui.engine.device import memory
from webui.engine.layouts.base import Source
from webui.engine.reading.kept import FP8, KeptTensor

# Of the device's free memory, what copies of originals may take beside the merged weights; more of them waits in RAM.
_SHARE = 0.5

_LOCK = "adapter_lock"


@dataclass(frozen=True, slots=True)
class _Addend:
    """What one module of one adapter adds to one parameter, or to some rows of it."""

    share: Share
    module: str
    place: Place
    piece: Piece
    kind: str

    @property
    def key(self) -> Hashable:
        return self.share.key, self.module, self.kind

    @property
    def is_whole(self) -> bool:
        """Whether the file's tensor is the parameter as it is."""
        return self.piece == Piece(self.piece.parameter, Source(self.piece.source.name))

    @property
    def kind_row(self) -> Kind:
        """By which formula it is computed."""
        return self.share.adapter.modules[self.module].kind

    def tensors(self, device: torch.device) -> dict[str, Tensor]:
        """Those of the formula, on this device."""
        return {part: tensor.to(device) for part, tensor in self.share.adapter.modules[self.module].tensors.items()}


class Merged:
    """One network, and what is merged into it at the moment. Whoever computes with the network holds `lock_of` it, or
    is the only one.

    Parameters stay the same objects and, but for those in fp8, in the same place; the originals are copied: on the
    device while it has room, else into RAM.
    """

    def __init__(self, network: nn.Module, rest: Callable[[nn.Module], object]) -> None:
        """rest: has the network be where its weights are at home."""
        # Not kept alive: a network goes with the last model that uses it.
        self._ref = ref(network)
        self._rest = rest
        self._originals: dict[str, Tensor] = {}
        self._now: dict[str, tuple[Hashable, ...]] = {}
        self.key: Hashable = ()
        """Of the set that is merged."""

    @property
    def _network(self) -> nn.Module:
        network = self._ref()
        assert network is not None
        return network

    def switch(self, wanted: Shares | None) -> bool:
        """Have exactly this set merged, None for nothing; whether anything changed. What both have in common stays.

        Raises ModelProblem for an adapter whose tensors contradict each other, and what torch raises where memory runs
        out. Nothing is merged then, or the key is that of no set, and the next call puts the weights back.
        """
        key = wanted.key if wanted else ()
        if key == self.key:
            return False
        self._rest(self._network)
        # No set's own until all is done: what fails halfway, even in being put back, passes for none.
        self.key = object()
        # Ordinary tensors, which any thread may use, in any mode.
        with torch.inference_mode(False), torch.no_grad():
            try:
                self._merge(_addends(wanted) if wanted else {})
            except BaseException:
                self._restore(list(self._originals))
                self.key = ()
                raise
        self.key = key
        return True

    def _merge(self, addends: Mapping[str, list[_Addend]]) -> None:
        self._restore([name for name in self._originals if name not in addends])
        changed = {n: many for n, many in addends.items() if self._now.get(n) != tuple(one.key for one in many)}
        keeper = self._keeper(changed)
        uses = Counter(one.key for many in changed.values() for one in many)
        made: dict[Hashable, dict[Piece, Tensor]] = {}
        for name, many in changed.items():
            parameter = self._network.get_parameter(name)
            held = _held(parameter)
            in_place = held.dtype != FP8
            if name not in self._originals:
                # What is computed in stays in its place in memory: a step from pages that are new can take longer.
                self._originals[name] = keeper(held) if in_place else held
            original = self._originals[name].to(held.device)
            self._now.pop(name, None)
            total = _at_once(original, many, held)
            if total is held:
                self._now[name] = tuple(one.key for one in many)
                continue
            for one in many if total is None else ():
                if one.key not in made:
                    made[one.key] = self._deltas(one)
                total = _added(original.float() if total is None else total, made[one.key][one.piece], one)
                uses[one.key] -= 1
                if not uses[one.key]:
                    del made[one.key]
            assert total is not None
            if in_place:
                _write(held, total)
            else:
                _hold(parameter, _like(total, original, parameter.dtype))
            self._now[name] = tuple(one.key for one in many)

    def _deltas(self, one: _Addend) -> dict[Piece, Tensor]:
        """What one module of an adapter adds to each parameter that it is for, at a multiplier of 1."""
        place, device = one.place, _held(self._network.get_parameter(one.piece.parameter)).device
        tensors, kind = one.tensors(device), one.kind_row
        if one.kind == "bias":
            return dict(place.apart(tensors[kind.bias].float().flatten()))
        # Of several parameters some originals may wait in RAM, by an earlier set, and others not.
        whole = place.whole(lambda name: self._original(name).to(device))
        try:
            delta = merged_delta(kind, tensors, whole, one.share.ranks)
        except (RuntimeError, ValueError, KeyError) as error:
            if isinstance(error, torch.OutOfMemoryError):
                raise
            raise ModelProblem(
                f"The LoRA {one.share.adapter.name} is damaged: its tensors for {one.module} do not fit each other.",
                field="prompt",
                remedies=("Take it out of the prompt", "Copy or download the file again"),
            ) from error
        assert delta is not None
        return dict(place.apart(delta))

    def _original(self, name: str) -> Tensor:
        kept = self._originals.get(name)
        return _held(self._network.get_parameter(name)) if kept is None else kept

    def _keeper(self, changed: Mapping[str, object]) -> Callable[[Tensor], Tensor]:
        """What keeps a copy of an original: beside it where its device has room for both."""
        fresh = [_held(self._network.get_parameter(name)) for name in changed if name not in self._originals]
        needed = sum(tensor.numel() * tensor.element_size() for tensor in fresh)
        device = fresh[0].device if fresh else torch.device("cpu")
        if device.type == "cpu" or needed <= _SHARE * memory(device)[0]:
            return torch.clone
        return lambda tensor: tensor.to("cpu")

    def _restore(self, names: list[str]) -> None:
        for name in names:
            parameter, original = self._network.get_parameter(name), self._originals[name]
            held = _held(parameter)
            if held.dtype == original.dtype:
                # Takes no memory on a device that may have run out of it.
                _write(held, original)
            else:
                _hold(parameter, original.to(held.device))
            del self._originals[name]
            self._now.pop(name, None)


class Merging:
    """All networks of one engine into which adapters are merged."""

    def __init__(self, rest: Callable[[nn.Module], object] = lambda network: None) -> None:
        """rest: see `Merged`."""
        self._rest = rest
        self._known: WeakKeyDictionary[nn.Module, Merged] = WeakKeyDictionary()
        self._lock = threading.Lock()
        self.switches = 0
        """How often a network's set was exchanged for another."""

    def hold(self, network: nn.Module, shares: Shares | None) -> float:
        """Have this set merged until another call says otherwise; the seconds that it took, 0.0 where it was."""
        if shares is None and self.key_of(network) == ():
            return 0.0
        started = time.perf_counter()
        if not self._of(network).switch(shares):
            return 0.0
        self.switches += 1
        return time.perf_counter() - started

    def key_of(self, network: nn.Module) -> Hashable:
        """Of the set that is merged into it at the moment; () for none."""
        known = self._known.get(network)
        return known.key if known else ()

    @contextmanager
    def texts(self, networks: Sequence[nn.Module], adapters: AdapterSet) -> Iterator[Callable[[], None]]:
        """A scope in which texts are encoded under a set: what it is given merges the set, at its first call.

        From there to the end of the block nobody else computes with these text encoders. networks: all of the model,
        of which those that could not be put back before are put back now.
        """
        wanted = {id(shares.network): shares for shares in adapters.texts}
        with ExitStack() as stack:
            done: list[bool] = []

            def apply() -> None:
                for network in networks if not done else ():
                    shares = wanted.get(id(network))
                    if shares is None and self.key_of(network) == ():
                        continue
                    stack.enter_context(lock_of(network))
                    stack.callback(self.hold, network, None)
                    self.hold(network, shares)
                done.append(True)

            yield apply

    def _of(self, network: nn.Module) -> Merged:
        with self._lock:
            known = self._known.get(network)
            if known is None:
                known = self._known[network] = Merged(network, self._rest)
            return known


def lock_of(network: nn.Module) -> AbstractContextManager[Any]:
    """What whoever computes with a text encoder holds, while others may merge adapters into it."""
    lock: AbstractContextManager[Any] = network.__dict__.setdefault(_LOCK, threading.RLock())
    return lock


def _addends(wanted: Shares) -> dict[str, list[_Addend]]:
    """By the parameter's name, in the order of its set."""
    found: dict[str, list[_Addend]] = {}
    for share in wanted.shares:
        for name, _, place, kind in share.modules:
            for piece in place.pieces:
                found.setdefault(piece.parameter, []).append(_Addend(share, name, place, piece, kind))
    return found


def _at_once(original: Tensor, many: Sequence[_Addend], into: Tensor) -> Tensor | None:
    """The sum, in float32, of a weight and of adapters that are all products of two matrices; None where they are not.

    They are one product of the matrices side by side, so that the weight is gone through once, however many there are.
    into: where the sum is to be; it is the answer where the sum was written there at once.
    """
    if original.dim() < 2 or any(one.kind != "weight" or not one.is_whole for one in many):
        return None
    found = [factors(one.kind_row, one.tensors(original.device), one.share.ranks) for one in many]
    pairs = [pair for pair in found if pair is not None]
    matrix = original.float().flatten(1)
    fitting = [up.shape[1] == down.shape[0] and (len(up), down.shape[1]) == matrix.shape for up, down in pairs]
    if len(pairs) < len(many) or not all(fitting):
        return None
    ups = [up * one.share.multiplier for (up, _), one in zip(pairs, many, strict=True)]
    up, down = torch.cat(ups, 1), torch.cat([down for _, down in pairs])
    if into.dtype == torch.float32 and into.is_contiguous():
        _write_sum(into, matrix, up, down)
        return into
    return torch.addmm(matrix, up, down).view(original.shape)


def _added(total: Tensor, delta: Tensor, one: _Addend) -> Tensor:
    if one.piece.rows is None:
        return torch.add(total, delta.view(total.shape), alpha=one.share.multiplier)
    total = total.clone()
    rows = one.piece.of(total)
    rows.add_(delta.view(rows.shape), alpha=one.share.multiplier)
    return total


def _like(total: Tensor, original: Tensor, dtype: torch.dtype) -> Tensor:
    """The numbers in this type, laid out in memory as the original."""
    if total.dtype == dtype and total.stride() == original.stride() and total is not original:
        return total
    return torch.empty_like(original, dtype=dtype).copy_(total)


def _held(parameter: Tensor) -> Tensor:
    """What a parameter has in memory."""
    return parameter.kept if isinstance(parameter, KeptTensor) else parameter.data


def _write(held: Tensor, values: Tensor) -> None:
    """Have these values where others are. Those that were loaded in inference mode can be changed in it only."""
    with torch.inference_mode():
        held.copy_(values)


def _write_sum(held: Tensor, matrix: Tensor, up: Tensor, down: Tensor) -> None:
    """The same of matrix + up @ down, which takes no memory besides."""
    with torch.inference_mode():
        torch.addmm(matrix, up, down, out=held.view(matrix.shape))


def _hold(parameter: Tensor, tensor: Tensor) -> None:
    if isinstance(parameter, KeptTensor):
        parameter.kept = tensor
    else:
        parameter.data = tensor
