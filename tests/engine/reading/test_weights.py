"""Weights of every format are read to the last bit, 8-bit and quantised ones as their makers say."""

from concurrent.futures import ThreadPoolExecutor

import gguf
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.engine.singles import write
from webui.core.errors import ModelProblem
from webui.engine.reading import bytes as bytes_module
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


@pytest.mark.parametrize("suffix", ["safetensors", "ckpt", "gguf"])
@pytest.mark.parametrize("wanted", [torch.float32, torch.bfloat16])
def test_layout_and_type_are_those_that_are_asked_for_and_the_numbers_the_same(tmp_path, monkeypatch, suffix, wanted):
    # Rows of 72 bytes: several reads for each tensor, the last of them shorter.
    monkeypatch.setattr(bytes_module, "_BUFFER_BYTES", 200)
    tensors = {"a": torch.randn(7, 4, 3, 3).half(), "flat": torch.randn(501).half(), "rows": torch.randn(3, 64).half()}
    path = write(tensors, tmp_path / f"m.{suffix}")
    with open_weights(path) as weights:
        for name, tensor in tensors.items():
            for last in (False, True):
                read = weights.tensor(name, wanted, channels_last=last)
                assert read.dtype == wanted and torch.equal(read, tensor.to(wanted))
                memory = torch.channels_last if last and tensor.dim() == 4 else torch.contiguous_format
                assert read.is_contiguous(memory_format=memory)


def test_several_threads_read_one_file(tmp_path, monkeypatch):
    monkeypatch.setattr(bytes_module, "_BUFFER_BYTES", 1000)
    tensors = {str(number): torch.full((50, 40), float(number)) for number in range(200)}
    path = write(tensors, tmp_path / "m.safetensors")
    with open_weights(path) as weights, ThreadPoolExecutor(8) as pool:
        for name, read in zip(tensors, pool.map(weights.tensor, tensors), strict=True):
            assert torch.equal(read, tensors[name])


def test_no_tensor_and_a_number_alone_can_be_read(tmp_path):
    path = write({"nothing": torch.zeros(0), "number": torch.tensor(2.5)}, tmp_path / "m.safetensors")
    with open_weights(path) as weights:
        assert weights.tensor("nothing").shape == (0,) and weights.tensor("number", torch.float16).item() == 2.5
