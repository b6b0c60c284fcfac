"""Networks whose weights wait in RAM, and are on the device only while it computes with them or has room to spare."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only

from webui.engine.device import free_cache
from webui.engine.reading.kept import KeptTensor, size_of

Move = Callable[[Tensor], Tensor]
"""Copies a tensor to the device."""

# What callers call of a network. Autoencoders are never called as a whole.
_CALLED = ("forward", "encode", "decode")
# Blocks smaller than this stay with the rest of their network: moving them would cost more than it saves.
LEAST_BLOCK = 2**24


class _Seat:
    """Some modules' tensors: at home in RAM, where they always stay, and on the device while they are seated."""

    def __init__(self, tensors: Mapping[tuple[str, str], Tensor]) -> None:
        """tensors: by the place of their module in the network and their name there."""
        self.home = dict(tensors)
        self._own = {id(tensor): tensor for tensor in self.home.values()}
        """Each once, where modules share some."""
        self.size_bytes = size_of(self._own.values())
        self.seated = False
        self.stays = False
        """Whether it is seated until it is told to go, whatever else wants the room."""
        self.users = 0
        self.used = 0.0

    def take(self, network: nn.Module, move: Move) -> None:
        """Bring them to the device."""
        # Ordinary tensors, which any thread may use, in any mode.
        with torch.inference_mode(False), torch.no_grad():
            moved = {key: _moved(tensor, move) for key, tensor in self._own.items()}
        _put(network, {place: moved[id(tensor)] for place, tensor in self.home.items()})
        self.seated = True

    def leave(self, network: nn.Module) -> None:
        """Take them off the device; their copies in RAM were never away."""
        _put(network, self.home)
        self.seated = False


class Seats:
    """The networks of one device that wait in RAM; safe to use from several threads.

    Whoever computes with a network calls it as ever: its `forward`, `encode` and `decode` bring it to the device, and
    what they are given. Beyond the budget, networks that nobody computes with leave, longest unused first, and two
    threads that would need more than it together wait for each other.
    """

    def __init__(self, device: torch.device, budget_bytes: int = 0, move: Move | None = None) -> None:
        """budget_bytes: how much may be on the device at once; a network that is larger has it for itself."""
        self.device = device
        self.budget = budget_bytes
        self._move = move or (lambda tensor: tensor.to(device, non_blocking=True))
        self._seats: WeakKeyDictionary[nn.Module, _Seat] = WeakKeyDictionary()
        self._changed = threading.Condition()

    def seat(self, network: nn.Module, *, by_blocks: bool = False, least_block: int = LEAST_BLOCK) -> None:
        """Take in a network whose weights are in RAM; one that is here already stays as it is.

        by_blocks: only the block that computes is on the device, not even the whole network. least_block: bytes.
        """
        with self._changed:
            if network in self._seats:
                return
        blocks = list(_blocks(network, least_block)) if by_blocks else []
        for block in blocks:
            self._wrap(block, ("forward",), self._block(block, self._at_home(block)))
        seat = self._at_home(network, blocks)
        with self._changed:
            self._seats[network] = seat
        self._watch(network)

    def stay(self, network: nn.Module) -> None:
        """Have a network that waits in RAM be as one that never did, but that its copy there is kept.

        Nobody may compute with it meanwhile. It counts to no budget here then.
        """
        with self._changed:
            seat = self._seats[network]
            if seat.stays:
                return
            if not seat.seated:
                try:
                    seat.take(network, self._move)
                except BaseException:
                    seat.leave(network)
                    raise
            seat.stays = True
            for name in (*_CALLED, "_hf_hook"):
                network.__dict__.pop(name, None)

    def go(self, network: nn.Module) -> None:
        """Have a network that stays wait in RAM again. Its weights must be what they were there.

        Nobody may compute with it meanwhile.
        """
        with self._changed:
            seat = self._seats[network]
            if seat.stays:
                seat.stays = False
                seat.leave(network)
                self._watch(network)

    def forget(self, network: nn.Module) -> None:
        """Have a network that stays do so without a copy in RAM."""
        with self._changed:
            if self._seats[network].stays:
                del self._seats[network]

    @contextmanager
    def use(self, network: nn.Module) -> Iterator[None]:
        """Have the network on the device until the block ends; waits for room."""
        with self._changed:
            seat = self._seats[network]
            self._changed.wait_for(
                lambda: self._in_use(seat) + seat.size_bytes <= self.budget or not self._in_use(seat)
            )
            seat.users += 1
            if not seat.seated:
                self._make_room(self.budget - seat.size_bytes)
                try:
                    seat.take(network, self._move)
                except BaseException:
                    seat.leave(network)
                    seat.users -= 1
                    self._changed.notify_all()
                    raise
        try:
            yield
        finally:
            with self._changed:
                seat.users -= 1
                seat.used = time.monotonic()
                self._changed.notify_all()

    def rest(self, network: nn.Module) -> None:
        """Have a network leave the device once nobody computes with it; one that does not wait in RAM stays as it is.

        What its parameters hold may be exchanged then, by whoever sees to it that nobody computes with it meanwhile.
        """
        with self._changed:
            seat = self._seats.get(network)
            if seat is not None and not seat.stays:
                self._changed.wait_for(lambda: not seat.users)
                if seat.seated:
                    seat.leave(network)

    def leave_idle(self) -> bool:
        """Take all networks off the device that nobody computes with; whether there was one."""
        with self._changed:
            return self._make_room(0)

    def seated_bytes(self) -> int:
        """What is on the device now, and may leave by itself."""
        with self._changed:
            return sum(seat.size_bytes for seat in self._seats.values() if seat.seated and not seat.stays)

    def _in_use(self, but: _Seat) -> int:
        return sum(seat.size_bytes for seat in self._seats.values() if seat.users and seat is not but)

    def _make_room(self, budget: int) -> bool:
        seated = [
            (seat.used, id(seat), network, seat)
            for network, seat in self._seats.items()
            if seat.seated and not seat.stays
        ]
        held, gone = sum(seat.size_bytes for *_, seat in seated), False
        for _, _, network, seat in sorted(seated, key=lambda one: one[:2]):
            if held > budget and not seat.users:
                seat.leave(network)
                held -= seat.size_bytes
                gone = True
        if gone:
            free_cache(self.device)
        return gone

    def _at_home(self, network: nn.Module, but: Sequence[nn.Module] = ()) -> _Seat:
        """A seat of all the network's tensors, but for those of these modules."""
        left_out = {id(module) for block in but for module in block.modules()}
        known: dict[int, Tensor] = {}
        home: dict[tuple[str, str], Tensor] = {}
        for place, module in network.named_modules():
            if id(module) in left_out:
                continue
            held: tuple[dict[str, Any], ...] = (module._parameters, module._buffers)
            for tensors in held:
                for name in [name for name, tensor in tensors.items() if tensor is not None]:
                    # Put in place at once, so that the network is not in memory twice. What is let go of may give its
                    # number to a new tensor, but not to one that this walk has still to come to.
                    number = id(tensors[name])
                    if number not in known:
                        known[number] = self._pinned(tensors[name])
                    tensors[name] = home[place, name] = known[number]
        return _Seat(home)

    def _pinned(self, tensor: Tensor) -> Tensor:
        """The same in RAM, in such as a card reads from at full speed where there is any."""
        if self.device.type != "cuda":
            return tensor
        try:
            return _moved(tensor, _in_pinned_ram)
        except RuntimeError:
            return _moved(tensor, lambda plain: plain.cpu())

    def _watch(self, network: nn.Module) -> None:
        self._wrap(network, _CALLED, lambda: self.use(network))
        # Where pipelines of diffusers look for the device that they are to compute on.
        network.__dict__["_hf_hook"] = SimpleNamespace(execution_device=self.device)

    def _block(self, block: nn.Module, seat: _Seat) -> Callable[[], Any]:
        @contextmanager
        def here() -> Iterator[None]:
            seat.take(block, self._move)
            try:
                yield
            finally:
                seat.leave(block)

        return here

    def _wrap(self, module: nn.Module, names: tuple[str, ...], here: Callable[[], Any]) -> None:
        for name in names:
            plain = getattr(module, name, None)
            if plain is not None:
                module.__dict__[name] = self._called(plain, here)

    def _called(self, plain: Callable[..., Any], here: Callable[[], Any]) -> Callable[..., Any]:
        def called(*arguments: Any, **options: Any) -> Any:
            with here():
                return plain(*self._brought(arguments), **self._brought(options))

        # Pipelines ask for a network's parameters, to see what it takes.
        called.__signature__ = inspect.signature(plain)  # type: ignore[attr-defined]
        return called

    def _brought(self, values: Any) -> Any:
        return tree_map_only(Tensor, lambda tensor: tensor.to(self.device), values)


def _blocks(network: nn.Module, least: int) -> Iterator[nn.Module]:
    """The parts that a network goes through one after the other: the members of its lists of modules.

    Of other parts nothing says that they are called as a whole, and not looked into.
    """
    for child in network.children():
        if isinstance(child, nn.ModuleList | nn.ModuleDict | nn.Sequential):
            yield from (member for member in child.children() if size_of(member.parameters()) >= max(1, least))
        else:
            yield from _blocks(child, least)


def _put(network: nn.Module, tensors: Mapping[tuple[str, str], Tensor]) -> None:
    modules = dict(network.named_modules())
    for (place, name), tensor in tensors.items():
        module = modules[place]
        held: Any = module._parameters if name in module._parameters else module._buffers
        held[name] = tensor


def _in_pinned_ram(tensor: Tensor) -> Tensor:
    return torch.empty_like(tensor, device="cpu", pin_memory=True).copy_(tensor)


def _moved(tensor: Tensor, move: Move) -> Tensor:
    plain = tensor.detach()
    there: Tensor = KeptTensor(move(plain.kept), plain.dtype) if isinstance(plain, KeptTensor) else move(plain)
    return nn.Parameter(there, requires_grad=False) if isinstance(tensor, nn.Parameter) else there
