"""Files of adapters for tiny networks, in every naming and of every kind, and what they should add, by hand."""

import torch
from safetensors.torch import save_file


def tensors_of(kind, shape, generator, rank=2):
    """(one module's tensors by the end of their names in kohya's and LyCORIS' files, what they add to a weight).

    The second is written out by the published formula, number by number where torch has a word for it.
    """

    def random(*sides):
        return torch.randn(*sides, generator=generator) * 0.3

    out, ins, kernel = shape[0], shape[1] if len(shape) > 1 else 1, tuple(shape[2:])
    alpha = 1.5
    scale = alpha / rank
    if kind == "LoRA":
        down, up = random(rank, ins, *kernel), random(out, rank, *[1] * len(kernel))
        delta = torch.einsum("or,ri->oi", up.reshape(out, rank), down.reshape(rank, -1)).reshape(shape) * scale
        return {"lora_down.weight": down, "lora_up.weight": up, "alpha": torch.tensor(alpha)}, delta
    if kind == "LoRA without alpha":
        made, delta = tensors_of("LoRA", shape, generator, rank)
        del made["alpha"]
        return made, delta / scale
    if kind == "LoCon with a core":
        down, up, mid = random(rank, ins, 1, 1), random(out, rank, 1, 1), random(rank, rank, *kernel)
        delta = sum(
            up[:, n].reshape(out, 1, 1, 1) * down[m].reshape(1, ins, 1, 1) * mid[n, m].reshape(1, 1, *kernel)
            for n in range(rank) for m in range(rank)
        ) * scale  # fmt: skip
        return {
            "lora_down.weight": down, "lora_up.weight": up, "lora_mid.weight": mid, "alpha": torch.tensor(alpha)
        }, delta  # fmt: skip
    if kind == "LoHa":
        flat = ins * (kernel[0] * kernel[1] if kernel else 1)
        a1, b1, a2, b2 = random(out, rank), random(rank, flat), random(out, rank), random(rank, flat)
        delta = ((a1 @ b1) * (a2 @ b2)).reshape(shape) * scale
        return {
            "hada_w1_a": a1, "hada_w1_b": b1, "hada_w2_a": a2, "hada_w2_b": b2, "alpha": torch.tensor(alpha)
        }, delta  # fmt: skip
    if kind == "LoHa with a core":
        a1, b1, a2, b2 = random(rank, out), random(rank, ins), random(rank, out), random(rank, ins)
        cores = random(rank, rank, *kernel), random(rank, rank, *kernel)
        halves = [
            sum(
                a[i].reshape(out, 1, 1, 1) * b[j].reshape(1, ins, 1, 1) * core[i, j].reshape(1, 1, *kernel)
                for i in range(rank) for j in range(rank)
            )
            for a, b, core in ((a1, b1, cores[0]), (a2, b2, cores[1]))
        ]  # fmt: skip
        return {
            "hada_w1_a": a1, "hada_w1_b": b1, "hada_w2_a": a2, "hada_w2_b": b2, "hada_t1": cores[0],
            "hada_t2": cores[1], "alpha": torch.tensor(alpha),
        }, halves[0] * halves[1] * scale  # fmt: skip
    if kind.startswith("LoKr"):
        return _kronecker(kind, out, ins, kernel, shape, rank, random, alpha)
    if kind == "full":
        delta = random(*shape)
        return {"diff": delta.clone()}, delta
    raise AssertionError(kind)


def _kronecker(kind, out, ins, kernel, shape, rank, random, alpha):
    left = random(4, 2)
    low = random(out // 4, rank), random(rank, ins // 2 * (kernel[0] * kernel[1] if kernel else 1))
    if kind == "LoKr":
        right = random(out // 4, ins // 2, *kernel)
        # Both whole: there is no rank, so alpha means nothing.
        made, scale = {"lokr_w1": left, "lokr_w2": right, "alpha": torch.tensor(alpha)}, 1.0
    elif kind == "LoKr of low rank":
        first, second = random(4, rank), random(rank, 2)
        left, right, scale = first @ second, (low[0] @ low[1]).reshape(out // 4, ins // 2, *kernel), alpha / rank
        made = {
            "lokr_w1_a": first, "lokr_w1_b": second, "lokr_w2_a": low[0], "lokr_w2_b": low[1],
            "alpha": torch.tensor(alpha),
        }  # fmt: skip
    else:
        a, b, core = random(rank, out // 4), random(rank, ins // 2), random(rank, rank, *kernel)
        right, scale = torch.einsum("ijkl,ip,jq->pqkl", core, a, b), alpha / rank
        made = {"lokr_w1": left, "lokr_w2_a": a, "lokr_w2_b": b, "lokr_t2": core, "alpha": torch.tensor(alpha)}
    delta = torch.zeros(shape)
    for row in range(4):
        for column in range(2):
            rows = slice(row * (out // 4), (row + 1) * (out // 4))
            columns = slice(column * (ins // 2), (column + 1) * (ins // 2))
            delta[rows, columns] = left[row, column] * right
    return made, delta * scale


MATRIX_KINDS = ("LoRA", "LoRA without alpha", "LoHa", "LoKr", "LoKr of low rank", "full")
CONVOLUTION_KINDS = (*MATRIX_KINDS, "LoCon with a core", "LoHa with a core", "LoKr with a core")

_PEFT = {"lora_down.weight": "lora_A.weight", "lora_up.weight": "lora_B.weight", "dora_scale": "lora_magnitude_vector"}
_OLD = {"lora_down.weight": "lora.down.weight", "lora_up.weight": "lora.up.weight"}


def as_kohya(prefix):
    """kohya's naming: the whole name with underscores."""
    return lambda module, part: f"{prefix}_{module.replace('.', '_')}.{part}"


def as_peft(prefix):
    """diffusers' newer naming."""
    return lambda module, part: f"{prefix}.{module}.{_PEFT.get(part, part)}"


def as_old_diffusers(prefix):
    """diffusers' older naming."""
    return lambda module, part: f"{prefix}.{module}.{_OLD.get(part, part)}"


def write(path, tensors, metadata=None):
    """A safetensors file of these."""
    save_file({name: tensor.contiguous().clone() for name, tensor in tensors.items()}, path, metadata)
    return path


def lora(modules, naming, kind="LoRA", seed=0, rank=2):
    """(a file's tensors, what they add to each weight) for modules: {name in the file: shape of its weight}."""
    generator = torch.Generator().manual_seed(seed)
    tensors, deltas = {}, {}
    for name, shape in modules.items():
        made, deltas[name] = tensors_of(kind, tuple(shape), generator, rank)
        tensors |= {naming(name, part): tensor for part, tensor in made.items()}
    return tensors, deltas
