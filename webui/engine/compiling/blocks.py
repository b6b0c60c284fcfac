"""Which blocks of a network are compiled, and what speaks against it.

Which, diffusers says: `_repeated_blocks`, that its own `compile_repeated_blocks` compiles.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from torch import Tensor, nn
from torch.utils._pytree import tree_flatten

from webui.engine.reading.kept import KeptTensor


def blocks_of(network: nn.Module) -> list[nn.Module]:
    """In the order of the network's modules; none of one that diffusers knows nothing of."""
    names = getattr(network, "_repeated_blocks", None) or ()
    return [module for module in network.modules() if type(module).__name__ in names]


def unfit(network: nn.Module, blocks: Sequence[nn.Module]) -> str:
    """Why these blocks of a network are not compiled, as a sentence; "" where nothing speaks against it.

    To be asked before anything is put in place of their `forward`, but after attention was chosen.
    """
    start = "The model's blocks are not compiled: "
    if not blocks:
        return f"{start}nothing says which of them repeat in a network of this kind."
    if any(isinstance(weight, KeptTensor) for weight in network.parameters()):
        return f"{start}their weights are kept in fewer bits than they compute in."
    if "_hf_hook" in network.__dict__ or any("forward" in block.__dict__ for block in blocks):
        return f"{start}the model waits in RAM, and comes to the device to compute."
    if "forward" in network.__dict__:
        return f"{start}with transformers that goes with torch's own attention (sdpa) alone."
    return ""


def inside(blocks: Sequence[nn.Module]) -> list[nn.Module]:
    """All modules that blocks consist of, but for themselves."""
    return [module for block in blocks for module in block.modules() if module is not block]


def are_changed(modules: Sequence[nn.Module]) -> bool:
    """Whether somebody has put something in the way of modules, which compiled code would pass by."""
    return any(m._forward_hooks or m._forward_pre_hooks or "forward" in m.__dict__ for m in modules)


def kind_of_call(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable:
    """What calls have in common that the same compiled code serves: shapes and types, but no numbers."""
    leaves, form = tree_flatten((args, kwargs))
    return str(form), tuple(_kind(leaf) for leaf in leaves)


def form_of_call(block: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Hashable:
    """What calls of different blocks have in common that the same compiled code serves: kind, and widths of layers.

    Of two that differ in something else one computes by its own code (see `Compiler.run`).
    """
    widths = tuple((name, tuple(weight.shape), weight.dtype) for name, weight in block.named_parameters())
    return type(block), widths, kind_of_call(args, kwargs)


def _kind(leaf: Any) -> Hashable:
    if isinstance(leaf, Tensor):
        return tuple(leaf.shape), leaf.stride(), leaf.dtype, leaf.device
    return leaf if leaf is None or isinstance(leaf, bool | str) else type(leaf).__name__
