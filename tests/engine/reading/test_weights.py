"""Weights of every format are read to the last bit, 8-bit and quantised ones as their makers say."""

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from webui.core.errors import ModelProblem
from webui.engine.reading.weights import open_weights

TYPES = [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.bool]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("suffix", ["safetensors", "ckpt"])
def test_every_type_is_read_as_it_was_written(tmp_path, suffix, dtype):
    tensor = (torch.randn(3, 5) * 4).to(dtype)
    path = tmp_path / f"m.{suffix}"
    save_file({"a": tensor, "odd": torch.ones(1, dtype=torch.bool)}, path) if suffix == "safetensors" else torch.save(
        {"odd": torch.ones(1, dtype=torch.bool), "a": tensor}, path
    )
    with open_weights(path) as weights:
        assert torch.equal(weights.tensor("a"), tensor)


def test_turned_and_shared_tensors_of_a_torch_file(tmp_path):
    whole = torch.randn(4, 6)
    torch.save({"state_dict": {"turned": whole.t(), "rows": whole[1:3], "columns": whole[:, 2]}}, tmp_path / "m.ckpt")
    with open_weights(tmp_path / "m.ckpt") as weights:
        assert torch.equal(weights.tensor("turned"), whole.t())
        assert torch.equal(weights.tensor("rows"), whole[1:3])
        assert torch.equal(weights.tensor("columns"), whole[:, 2])


@pytest.mark.parametrize("scale", ["scale_weight", "weight_scale"])
@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_8_bit_weights_are_multiplied_by_their_scale(tmp_path, dtype, scale):
    tensor = torch.randn(4, 4)
    kept = (tensor / 3).to(dtype)
    save_file({"a.weight": kept, f"a.{scale}": torch.tensor(3.0), "b.weight": kept.clone()}, tmp_path / "m.safetensors")
    with open_weights(tmp_path / "m.safetensors") as weights:
        assert torch.equal(weights.tensor("a.weight", torch.float32), kept.float() * 3)
        assert torch.equal(weights.tensor("b.weight", torch.bfloat16), kept.to(torch.bfloat16))


@pytest.mark.parametrize("kind", ["Q4_0", "Q5_1", "Q8_0", "Q6_K"])
def test_quantised_weights_are_what_gguf_says(tmp_path, kind):
    kind = gguf.GGMLQuantizationType[kind]
    values = np.random.default_rng(3).standard_normal((6, 512)).astype(np.float32)
    try:
        packed = gguf.quants.quantize(values, kind)
    except NotImplementedError:
        rows = (6, 512 // gguf.GGML_QUANT_SIZES[kind][0] * gguf.GGML_QUANT_SIZES[kind][1])
        packed = np.random.default_rng(3).integers(0, 60, rows, dtype=np.uint8)
    writer = gguf.GGUFWriter(tmp_path / "m.gguf", "sd1")
    writer.add_tensor("a", packed, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    with open_weights(tmp_path / "m.gguf") as weights:
        assert np.array_equal(weights.tensor("a").numpy(), gguf.quants.dequantize(packed, kind))


def test_a_missing_tensor_and_a_file_that_shrinks_are_sentences(tmp_path):
    path = tmp_path / "m.safetensors"
    save_file({"a": torch.ones(1000)}, path)
    with open_weights(path) as weights:
        with pytest.raises(ModelProblem, match="the tensor b is missing"):
            weights.tensor("b")
        with path.open("r+b") as file:
            file.truncate(500)
        with pytest.raises(ModelProblem, match="became shorter"):
            weights.tensor("a")
