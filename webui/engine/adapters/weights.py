"""An adapter's tensors in RAM: read once from its file, checked, and kept within a budget of bytes."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from webui.core.errors import ModelProblem
from webui.engine.adapters.facts import facts_of_header, header_hash
from webui.engine.adapters.kinds import Kind, kind_of, lacking_parts
from webui.engine.adapters.spelling import ALPHA, DOWN, spelled
from webui.engine.checkpoints.headers.base import AGAIN
from webui.engine.checkpoints.headers.read import read_header
from webui.engine.reading.weights import open_weights

BUDGET_BYTES = 2**30
"""What adapters may keep in RAM that no job uses at the moment."""

# Where diffusers and PEFT write alpha, which their tensors do not hold.
_METADATA = "lora_adapter_metadata"


class BrokenWeights(ModelProblem):
    """A file whose numbers cannot be used, as long as it is what it is."""


@dataclass(frozen=True, slots=True)
class Module:
    """What an adapter has for one module of a network: tensors by the part of the kind's formula that each is."""

    kind: Kind
    tensors: Mapping[str, Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class AdapterWeights:
    """An adapter in RAM. key: what tells it from others, as the hash of its tensors. modules: by name, dots as
    underscores, as the file spells it."""

    name: str
    key: str
    modules: Mapping[str, Module]
    size_bytes: int


class AdapterStore:
    """Adapters by key; safe to use from several threads. Those that a job uses stay, whatever the budget."""

    def __init__(self, budget_bytes: int = BUDGET_BYTES) -> None:
        self._budget = budget_bytes
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, AdapterWeights] = OrderedDict()
        self.loads = 0
        """How often a file was read."""

    def get(self, path: Path, digest: str, name: str) -> AdapterWeights:
        """The adapter with this hash of its tensors; read from its file where it is not in RAM. Raises ModelProblem.

        Its key tells it from others of the same tensors whose headers say other names or alphas.
        """
        key = f"{digest} {header_hash(path)}"
        with self._lock:
            known = self._kept.get(key)
            if known is None:
                known = self._kept[key] = read_adapter(path, key, name)
                self.loads += 1
            self._kept.move_to_end(key)
            while len(self._kept) > 1 and sum(one.size_bytes for one in self._kept.values()) > self._budget:
                self._kept.popitem(last=False)
            return known


def read_adapter(path: Path, key: str, name: str) -> AdapterWeights:
    """Read a file. Raises ModelProblem: damaged, no adapter, of a rare kind, incomplete, or with NaN or infinity."""
    header = read_header(path)
    facts_of_header(path, header)
    found: dict[str, dict[str, Tensor]] = {}
    # Ordinary tensors, which any thread may use, in any mode.
    with torch.inference_mode(False), open_weights(path) as weights:
        for full in header.tensors:
            place = spelled(full)
            if place is not None:
                found.setdefault(place.module, {})[place.part] = _finite(weights.tensor(full), path, full)
    said = _alphas(header.metadata)
    modules: dict[str, Module] = {}
    for module, tensors in found.items():
        kind = kind_of(tensors)
        if kind is None:
            # An alpha or a magnitude for nothing.
            continue
        lacking = lacking_parts(kind, tensors)
        if lacking:
            raise BrokenWeights(
                f"{path.name} is not complete: {module} lacks {', '.join(lacking)}.", field="prompt", remedies=AGAIN
            )
        modules[module] = Module(kind, _with_alpha(tensors, module, said))
    size = sum(t.numel() * t.element_size() for one in modules.values() for t in one.tensors.values())
    return AdapterWeights(name, key, modules, size)


def _finite(tensor: Tensor, path: Path, name: str) -> Tensor:
    if tensor.is_floating_point() and not torch.isfinite(tensor).all():
        raise BrokenWeights(
            f"{path.name} is damaged: {name[:80]} holds values that are no numbers (NaN or infinity).",
            field="prompt",
            remedies=AGAIN,
        )
    return tensor


def _alphas(metadata: Mapping[str, str]) -> Mapping[str, tuple[float, bool]]:
    """(alpha, whether it is divided by the rank's root) by a component's name, as diffusers writes it; else {}.

    The second is rsLoRA's (arXiv 2312.03732). Patterns of single modules count before the component's own.
    """
    try:
        data = json.loads(metadata.get(_METADATA, "{}"))
        found: dict[str, tuple[float, bool]] = {}
        for key, value in data.items():
            component, _, field = key.rpartition(".")
            by_root = bool(data.get(f"{component}.use_rslora"))
            if field == "lora_alpha":
                found[component.replace(".", "_")] = float(value), by_root
            elif field == "alpha_pattern" and isinstance(value, dict):
                for module, alpha in value.items():
                    found[f"{component}_{module}".replace(".", "_")] = float(alpha), by_root
    except (ValueError, TypeError, AttributeError):
        return {}
    return found


def _with_alpha(
    tensors: dict[str, Tensor], module: str, said: Mapping[str, tuple[float, bool]]
) -> Mapping[str, Tensor]:
    """The tensors, with the alpha that the file's metadata says of the module where they hold none."""
    if ALPHA in tensors or DOWN not in tensors or not said:
        return tensors
    fitting = [name for name in said if module == name or module.startswith(f"{name}_")]
    if not fitting:
        return tensors
    alpha, by_root = said[max(fitting, key=len)]
    rank = tensors[DOWN].shape[0]
    return {**tensors, ALPHA: torch.tensor(alpha * rank**0.5 if by_root else alpha)}
