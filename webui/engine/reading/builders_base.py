"""How networks are made from their configurations, without weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

Build = Callable[[Mapping[str, Any], Mapping[str, Any]], nn.Module]
"""What an architecture row's `build` names: (configuration, facts) -> the network."""


def of_diffusers(kind: Any) -> Build:
    """What makes a network of this class of diffusers."""

    def build(config: Mapping[str, Any], facts: Mapping[str, Any]) -> nn.Module:
        network: nn.Module = kind.from_config(dict(config))
        return network

    return build


def of_transformers(kind: Any, config_kind: Any) -> Build:
    """What makes a network of this class of transformers, by its class of configurations."""

    def build(config: Mapping[str, Any], facts: Mapping[str, Any]) -> nn.Module:
        network: nn.Module = kind(config_kind(**config))
        return network

    return build
