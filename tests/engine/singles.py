"""Tiny models of every built-in family: their networks, and the files that people have of such models."""

import copy
import json
from dataclasses import dataclass, field

import gguf
import torch
from diffusers import EulerDiscreteScheduler
from safetensors.torch import save_file

from tests.engine import tiny
from webui.engine.checkpoints.tokens import clip_chunker
from webui.engine.layouts import clip, ldm

SUFFIXES = ("safetensors", "ckpt", "gguf")


@dataclass
class Part:
    """A network, and what it is called in the original file: prefix and naming."""

    network: torch.nn.Module
    prefix: str
    layout: object


@dataclass
class Model:
    """The networks of one model by their names in diffusers; `marks` are tensors that say something by being there."""

    kind: str
    parts: dict[str, Part]
    marks: dict[str, torch.Tensor] = field(default_factory=dict)

    def __getitem__(self, name):
        return self.parts[name].network

    def tensors(self, *names, bare=False):
        """All tensors under their names in the original file; bare: without the prefixes, for files of one part."""
        found = {}
        for name in names or self.parts:
            part = self.parts[name]
            found |= tiny.renamed(part.network, part.layout, "" if bare else part.prefix)
        return found | self.marks


def sd(kind, channels=4, seed=0, marks=()):
    """A model of the kinds "sd1", "sd2", "sdxl" and "sdxl-refiner"."""
    unet = Part(tiny.unet(kind, channels, seed), "model.diffusion_model.", ldm.unet)
    parts = {"unet": unet, "vae": Part(tiny.vae(seed=seed), "first_stage_model.", ldm.vae)}
    if kind == "sd1":
        parts["text_encoder"] = Part(tiny.clip(seed=seed), "cond_stage_model.transformer.", clip.transformers)
    elif kind == "sd2":
        parts["text_encoder"] = Part(tiny.clip("clip-h", seed=seed), "cond_stage_model.model.", clip.open_clip)
    else:
        large = Part(tiny.clip("clip-g", True, seed), "conditioner.embedders.0.model.", clip.open_clip)
        if kind == "sdxl":
            parts["text_encoder"] = Part(
                tiny.clip(seed=seed), "conditioner.embedders.0.transformer.", clip.transformers
            )
            large.prefix = "conditioner.embedders.1.model."
        parts["text_encoder_2"] = large
    return Model(kind, parts, {name: torch.zeros(0) for name in marks})


def write(tensors, path, dtype=None, quantised=()):
    """A file of weights in the format that its name's end says; `quantised`: those that a GGUF file has as Q8_0."""
    if dtype:
        tensors = {n: t.to(dtype) if t.is_floating_point() and t.numel() else t for n, t in tensors.items()}
    tensors = {name: tensor.contiguous().clone() for name, tensor in tensors.items()}
    if path.suffix == ".safetensors":
        save_file(tensors, path)
    elif path.suffix == ".gguf":
        writer = gguf.GGUFWriter(path, "diffusion")
        for name, tensor in tensors.items():
            if name in quantised:
                kind = gguf.GGMLQuantizationType.Q8_0
                writer.add_tensor(name, gguf.quants.quantize(tensor.numpy(), kind), raw_dtype=kind)
            elif tensor.numel():
                writer.add_tensor(name, tensor.numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
    else:
        torch.save({"state_dict": tensors}, path)
    return path


def tokenizer(folder, pad="<|endoftext|>"):
    """A folder with CLIP's tokenizer as transformers reads it."""
    folder.mkdir(parents=True, exist_ok=True)
    model = json.loads(clip_chunker().tokenizer.to_str())["model"]
    (folder / "vocab.json").write_text(json.dumps(model["vocab"]), encoding="utf-8")
    pairs = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    (folder / "merges.txt").write_text("\n".join(["#version: 0.2", *pairs]) + "\n", encoding="utf-8")
    config = {"model_max_length": 77, "pad_token": pad}
    (folder / "tokenizer_config.json").write_text(json.dumps(config), encoding="utf-8")
    return folder


_PIPELINES = {
    "sd1": "StableDiffusionPipeline",
    "sd2": "StableDiffusionPipeline",
    "sdxl": "StableDiffusionXLPipeline",
    "sdxl-refiner": "StableDiffusionXLImg2ImgPipeline",
}


def sd_folder(model, path):
    """A diffusers folder of a model of SD1, SD2, SDXL or its refiner, written by the libraries themselves."""
    for name, part in model.parts.items():
        network = part.network
        if model.kind == "sd2" and name == "text_encoder":
            # Diffusers' own folders of SD2 lack OpenCLIP's last layer, which is not read.
            network = copy.deepcopy(network)
            network.encoder.layers = network.encoder.layers[:23]
            network.config.num_hidden_layers = 23
        if name == "vae":
            network.register_to_config(scaling_factor=0.13025 if "xl" in model.kind else 0.18215)
        network.save_pretrained(path / name)
        if name.startswith("text_encoder"):
            pad = "!" if name == "text_encoder_2" or model.kind == "sd2" else "<|endoftext|>"
            tokenizer(path / name.replace("text_encoder", "tokenizer"), pad)
    betas = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear"}
    EulerDiscreteScheduler(**betas).save_pretrained(path / "scheduler")
    index = {"_class_name": _PIPELINES[model.kind]}
    (path / "model_index.json").write_text(json.dumps(index), encoding="utf-8")
    return path
