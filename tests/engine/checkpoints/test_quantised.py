"""Weights of few bits are refused by name, and what only looks like them is read.

Sources of the names: bitsandbytes' QuantState.as_dict, ComfyUI's nvfp4 and int8 files, nunchaku's and AWQ's layers.
"""

import pytest
import torch
from safetensors.torch import save_file

from tests.engine import singles
from webui.engine.checkpoints.catalogue import Catalogue

BLOCK = "model.diffusion_model.double_blocks.0.img_attn.qkv."
U8, I8 = torch.uint8, torch.int8
FILES = {
    "nf4 of bitsandbytes": {
        "weight": (8, 1, U8), "weight.absmax": (4, None, torch.float32), "weight.quant_map": (16, None, torch.float32),
        "weight.quant_state.bitsandbytes__nf4": (90, None, U8),
    },
    "fp4 of bitsandbytes": {"weight": (8, 1, U8), "weight.quant_state.bitsandbytes__fp4": (90, None, U8)},
    "int8 of bitsandbytes": {"weight": (8, 8, I8), "SCB": (8, None, torch.float32)},
    "nvfp4": {
        "weight": (8, 4, U8), "weight_scale": (8, 1, torch.float8_e4m3fn), "weight_scale_2": (1, None, torch.float32),
    },
    "int4 or nvfp4 of nunchaku (SVDQuant)": {"qweight": (8, 4, I8), "wscales": (1, 8, torch.bfloat16)},
    "int4 of GPTQ or AWQ": {"qweight": (8, 4, torch.int32), "qzeros": (1, 4, torch.int32)},
    "int8": {"weight": (8, 8, I8), "weight_scale": (8, 1, torch.float32)},
    "mxfp8 or mxfp4": {"weight": (8, 32, torch.float8_e4m3fn), "weight_scale": (8, 1, U8)},
}  # fmt: skip


@pytest.mark.parametrize("kind", FILES)
def test_each_kind_is_named_with_the_way_out(tmp_path, kind):
    shapes = FILES[kind].items()
    tensors = {BLOCK + n: torch.zeros((a,) if b is None else (a, b), dtype=dtype) for n, (a, b, dtype) in shapes}
    save_file({**tensors, "img_in.weight": torch.zeros(4, 4)}, tmp_path / "a.safetensors")
    [found] = Catalogue((tmp_path,)).all()
    assert found.problem == (
        f"It is quantised as {kind}, which cannot be read here. Get it as bf16, fp16, fp8 or GGUF."
    )


def test_fp8_with_scales_and_whole_numbers_are_not_taken_for_them(tmp_path):
    model = singles.sd("sd1")
    tensors = model.tensors()
    name = next(n for n in tensors if n.endswith("attn1.to_q.weight"))
    tensors[name] = tensors[name].to(torch.float8_e4m3fn)
    tensors[name + "_scale"] = torch.tensor(1.0)
    tensors["cond_stage_model.transformer.text_model.embeddings.position_ids"] = torch.arange(77)[None]
    singles.write(tensors, tmp_path / "a.safetensors")
    [found] = Catalogue((tmp_path,)).all()
    assert (found.family, found.problem) == ("sd1", None)


def test_the_part_of_a_folder_is_named(tmp_path):
    folder = singles.sd_folder(singles.sd("sd1"), tmp_path / "m")
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    save_file(
        {"a.weight": torch.zeros(8, 1, dtype=U8), "a.weight.quant_state.bitsandbytes__nf4": torch.zeros(9)}, weights
    )
    [found] = Catalogue((tmp_path,)).all()
    assert "The part unet is quantised as nf4 of bitsandbytes" in found.problem
