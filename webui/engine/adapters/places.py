"""Where in a network lies what a file of an adapter calls a module: by all names that such files have for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from weakref import WeakKeyDictionary

from torch import Tensor, nn

from webui.core.registry import Architecture, Table
from webui.engine.layouts.base import Layout, Source, give, same, take

_ARCHITECTURE_OF = {"T5Stack": "t5"}
"""Of networks that are another class than their file's configuration names."""

_DENOISERS = (
    "lora_unet_", "lora_transformer_", "lycoris_", "unet_", "transformer_", "model_diffusion_model_",
    "diffusion_model_", "base_model_model_", "base_model_model_unet_", "base_model_model_transformer_", "",
)  # fmt: skip
_FUSED: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {"to_qkv": ("to_q", "to_k", "to_v"), "to_kv": ("to_k", "to_v")}
)
"""The parts that `reading/fused.py` has joined, in their order."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A parameter of the network, or the rows of it from the first to before the last, and its place in the file's
    tensor."""

    parameter: str
    source: Source
    rows: tuple[int, int] | None = None

    def of(self, tensor: Tensor) -> Tensor:
        """These rows of the parameter; a view."""
        return tensor if self.rows is None else tensor[self.rows[0] : self.rows[1]]


@dataclass(frozen=True, slots=True)
class Place:
    """What a file's tensor of a module is in the network: a parameter, or several."""

    pieces: tuple[Piece, ...]

    def whole(self, parameters: Callable[[str], Tensor]) -> Tensor:
        """The file's tensor out of the network's parameters."""
        if len(self.pieces) == 1 and self.pieces[0].source == Source(self.pieces[0].source.name):
            return self.pieces[0].of(parameters(self.pieces[0].parameter))
        return next(iter(give((one.source, one.of(parameters(one.parameter))) for one in self.pieces).values()))

    def apart(self, tensor: Tensor) -> Iterator[tuple[Piece, Tensor]]:
        """The file's tensor as each parameter has it."""
        return ((one, take(tensor, one.source)) for one in self.pieces)


Places = Mapping[tuple[str, str], Place]
"""By (module, "weight" or "bias"), the module's name with dots as underscores and without what names its network."""


class Atlas:
    """The places of networks, found once each; safe to use from several threads."""

    def __init__(self, architectures: Table[Architecture], resolve: Callable[[str], Any]) -> None:
        self._architectures, self._resolve = architectures, resolve
        self._known: WeakKeyDictionary[nn.Module, Places] = WeakKeyDictionary()

    def places(self, network: nn.Module) -> Places:
        """All places of a network."""
        found = self._known.get(network)
        if found is None:
            found = self._known[network] = MappingProxyType(_places(network, self._layouts(network)))
        return found

    def _layouts(self, network: nn.Module) -> list[Layout]:
        kind = type(network).__name__
        named = _ARCHITECTURE_OF.get(kind)
        rows = [row for row in self._architectures if kind in row.classes or row.name == named]
        return [same, *(self._resolve(layout) for row in rows for layout in row.layouts.values())]


def prefixes(networks: Sequence[nn.Module], network: nn.Module, denoiser: nn.Module) -> tuple[str, ...]:
    """What the names of a network's modules begin with in files, dots as underscores.

    networks: those of the model whose denoiser and text encoders they are, the encoders in their order.
    """
    if network is denoiser:
        return _DENOISERS
    encoders = [one for one in networks if is_text_encoder(one, denoiser)]
    number = next(place for place, one in enumerate(encoders, 1) if one is network)
    names = [f"lora_te{number}_", f"text_encoder_{number}_", f"base_model_model_text_encoder_{number}_"]
    if number == 1:
        names += ["lora_te_", "text_encoder_", "base_model_model_text_encoder_"]
    if type(network).__name__ == "T5Stack":
        # In kohya's naming T5 is the third, whatever the model.
        names.append("lora_te3_")
    elif len(encoders) == 1:
        # SDXL's refiner has the second encoder alone.
        names += ["lora_te2_", "text_encoder_2_"]
    return tuple(names)


def is_text_encoder(network: nn.Module, denoiser: nn.Module) -> bool:
    """Whether this is one, of the networks of a model with this denoiser."""
    return network is not denoiser and not hasattr(network, "decode")


def _places(network: nn.Module, layouts: Sequence[Layout]) -> dict[tuple[str, str], Place]:
    config = _config(network)
    found: dict[tuple[str, str], dict[Piece, None]] = {}
    for layout in layouts:
        own: dict[tuple[str, str], dict[Piece, None]] = {}
        for name, parameter, rows in _parameters(network):
            try:
                source = layout(name, config)
            except (KeyError, IndexError, StopIteration, AssertionError):
                # A naming that has no word for it.
                continue
            for key in _keys(source.name):
                own.setdefault(key, {})[Piece(parameter, source, rows)] = None
        for key, pieces in own.items():
            found.setdefault(key, pieces)
    return {key: Place(tuple(pieces)) for key, pieces in found.items()}


def _keys(name: str) -> Iterator[tuple[str, str]]:
    """By which a parameter of this name is found."""
    module, _, kind = name.rpartition(".")
    yield module.replace(".", "_"), "bias" if kind == "bias" else "weight"


def _parameters(network: nn.Module) -> Iterator[tuple[str, str, tuple[int, int] | None]]:
    """(its name as if nothing was joined, the parameter's name, its rows there) of all parameters."""
    for name, parameter in network.named_parameters():
        module, _, kind = name.rpartition(".")
        parent, _, last = module.rpartition(".")
        if last not in _FUSED:
            yield name, name, None
            continue
        side = parameter.shape[0] // len(_FUSED[last])
        for number, part in enumerate(_FUSED[last]):
            yield f"{parent}.{part}.{kind}", name, (number * side, (number + 1) * side)


def _config(network: nn.Module) -> Mapping[str, Any]:
    config: Any = getattr(network, "config", {})
    return dict(config.to_dict() if hasattr(config, "to_dict") else config)
