"""Pruning leaves out what no part reads, and nothing else; EMA weights may take the place of the others."""

import pytest
import torch

from tests.engine.shelf import same, tensors_of
from webui.core.errors import InvalidField, ModelProblem
from webui.core.model_work import Prune
from webui.engine.work.files import WorkFiles
from webui.engine.work.prune import prune

UNET = "model.diffusion_model."


def run(shelf, told, source, name="out.safetensors", **request):
    return prune(Prune(**request), WorkFiles(source, shelf.folder / name), told.progress, told.should_stop)


def trained(tensors):
    """The tensors with what a training program leaves beside them."""
    averages = {
        "model_ema." + name.removeprefix("model.").replace(".", ""): tensor + 1
        for name, tensor in tensors.items()
        if name.startswith(UNET)
    }
    return {
        **tensors,
        **averages,
        "model_ema.decay": torch.ones(()),
        "betas": torch.ones(10),
        "loss.logvar": torch.ones(2),
        "optimizer.state": torch.ones(2),
    }


@pytest.mark.parametrize("kind", ["sd1", "sd2", "sdxl"])
def test_what_stays_are_the_parts_tensors_with_their_bytes(shelf, told, made, kind):
    own = made(kind, marks=("v_pred",)) if kind == "sdxl" else made(kind)
    source = shelf.put("big.ckpt", trained(own), torch.float16)
    found = tensors_of(run(shelf, told, source))
    assert same(found, {n: t.half() if t.numel() else t for n, t in own.items()})
    smaller = shelf.find("out.safetensors")
    assert (smaller.family, smaller.problem, smaller.prediction_type) == (kind, None, source.prediction_type)
    assert "tensors were left out" in told.words and shelf.left() == []


def test_averages_take_the_place_of_the_weights(shelf, told, made):
    source = shelf.put("big.safetensors", trained(made()))
    found = tensors_of(run(shelf, told, source, keep_ema=True))
    expected = {name: tensor + 1 if name.startswith(UNET) else tensor for name, tensor in made().items()}
    assert same(found, expected)


def test_the_scales_of_8_bit_weights_stay(shelf, told, made):
    tensors, name = dict(made()), f"{UNET}out.2.weight"
    tensors[name] = tensors[name].to(torch.float8_e4m3fn)
    tensors[f"{UNET}out.2.scale_weight"] = torch.tensor(0.5)
    source = shelf.put("m.safetensors", tensors | {"betas": torch.ones(10)})
    assert same(
        tensors_of(run(shelf, told, source)),
        {n: tensor for n, tensor in tensors_of(source.path).items() if n != "betas"},
    )


@pytest.mark.parametrize("name", ["m.safetensors", "m.ckpt"])
def test_a_file_with_nothing_to_leave_out_is_refused_and_nothing_is_written(shelf, told, made, name):
    source = shelf.put(name, made())
    with pytest.raises(ModelProblem, match=r"There is nothing to prune in m\.") as raised:
        run(shelf, told, source)
    assert raised.value.field == "checkpoint" and raised.value.remedies
    assert shelf.listed() == [name] and shelf.left() == []


def test_what_lies_beside_the_tensors_of_a_torch_file_is_left_out(shelf, told, made):
    path = shelf.folder / "trained.ckpt"
    own = {name: tensor.clone() for name, tensor in made().items()}
    torch.save({"state_dict": own, "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(2**21)}}}]}, path)
    made_path = run(shelf, told, shelf.find(path.name))
    assert same(tensors_of(made_path), made())
    assert made_path.stat().st_size < path.stat().st_size - 2**22 and "what lies beside them" in told.words


def test_what_cannot_be_pruned_is_said(shelf, told, made):
    source = shelf.put("m.safetensors", made())
    with pytest.raises(ModelProblem, match="holds no averaged"):
        run(shelf, told, source, keep_ema=True)
    with pytest.raises(InvalidField, match=r"does not end in"):
        run(shelf, told, source, name="out.gguf")
    gguf = shelf.put("m.gguf", {n: t for n, t in made().items() if t.dim()})
    with pytest.raises(ModelProblem, match=r"m\.gguf is a GGUF file, which holds nothing that could be left out"):
        run(shelf, told, gguf)
    other = shelf.put("lora.safetensors", {"lora_unet_x.lora_down.weight": torch.ones(4, 4)})
    with pytest.raises(ModelProblem, match="It is a LoRA"):
        run(shelf, told, other)
