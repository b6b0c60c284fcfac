"""Graphs as ComfyUI writes them beside a picture, made by hand from its nodes' names and inputs."""

import json

LOADER = {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd15\\dreamy_8.safetensors"}}


def text(words, clip=("4", 1), **more):
    return {"class_type": "CLIPTextEncode", "inputs": {"text": words, "clip": list(clip), **more}}


def sampler(**inputs):
    plain = {"seed": 42, "steps": 25, "cfg": 6.5, "sampler_name": "dpmpp_2m", "scheduler": "karras", "denoise": 1.0,
             "model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}  # fmt: skip
    return {"class_type": "KSampler", "inputs": plain | inputs}


def latent(width=512, height=768):
    return {"class_type": "EmptyLatentImage", "inputs": {"width": width, "height": height, "batch_size": 1}}


def graph(**changes):
    """The graph that ComfyUI opens with; None takes a node out."""
    nodes = {
        "3": sampler(), "4": LOADER, "5": latent(), "6": text("a red house"), "7": text("blurry"),
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["3", 0], "vae": ["4", 2]}},
        "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI", "images": ["8", 0]}},
    }  # fmt: skip
    nodes |= {key.removeprefix("n"): node for key, node in changes.items()}
    return json.dumps({key: node for key, node in nodes.items() if node is not None})


def flux():
    """Flux as its own example has it: noise, guider, sampler and noise levels are nodes of their own."""
    return json.dumps({
        "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "an owl", "clip": ["11", 0]}},
        "8": {"class_type": "VAEDecode", "inputs": {"samples": ["13", 0], "vae": ["10", 0]}},
        "9": {"class_type": "SaveImage", "inputs": {"images": ["8", 0]}},
        "10": {"class_type": "VAELoader", "inputs": {"vae_name": "ae.safetensors"}},
        "11": {"class_type": "DualCLIPLoader",
               "inputs": {"clip_name1": "t5xxl_fp16.safetensors", "clip_name2": "clip_l.safetensors", "type": "flux"}},
        "12": {"class_type": "UNETLoader", "inputs": {"unet_name": "flux1-dev.safetensors", "weight_dtype": "default"}},
        "13": {"class_type": "SamplerCustomAdvanced", "inputs": {"noise": ["25", 0], "guider": ["22", 0],
               "sampler": ["16", 0], "sigmas": ["17", 0], "latent_image": ["27", 0]}},
        "16": {"class_type": "KSamplerSelect", "inputs": {"sampler_name": "euler"}},
        "17": {"class_type": "BasicScheduler",
               "inputs": {"scheduler": "simple", "steps": 20, "denoise": 1.0, "model": ["30", 0]}},
        "22": {"class_type": "BasicGuider", "inputs": {"model": ["30", 0], "conditioning": ["26", 0]}},
        "25": {"class_type": "RandomNoise", "inputs": {"noise_seed": 219670278747233}},
        "26": {"class_type": "FluxGuidance", "inputs": {"guidance": 3.5, "conditioning": ["6", 0]}},
        "27": {"class_type": "EmptySD3LatentImage", "inputs": {"width": 1024, "height": 1024, "batch_size": 1}},
        "30": {"class_type": "ModelSamplingFlux", "inputs": {"max_shift": 1.15, "model": ["12", 0]}},
    })  # fmt: skip


def drawn():
    """The page's own form of the plain graph: values by their places, links by numbers."""
    nodes = [
        {"id": 3, "type": "KSampler", "inputs": [{"name": "model", "link": 1}, {"name": "positive", "link": 4},
         {"name": "negative", "link": 6}, {"name": "latent_image", "link": 2}],
         "widgets_values": [7, "fixed", 12, 5, "euler_ancestral", "normal", 1]},
        {"id": 4, "type": "CheckpointLoaderSimple", "widgets_values": ["plain.ckpt"]},
        {"id": 5, "type": "EmptyLatentImage", "widgets_values": [640, 384, 1]},
        {"id": 6, "type": "CLIPTextEncode", "inputs": [{"name": "clip", "link": 3}], "widgets_values": ["a fox"]},
        {"id": 7, "type": "CLIPTextEncode", "inputs": [{"name": "clip", "link": 5}], "widgets_values": ["a dog"]},
        {"id": 8, "type": "VAEDecode", "inputs": [{"name": "samples", "link": 7}, {"name": "vae", "link": 8}]},
        {"id": 9, "type": "SaveImage", "inputs": [{"name": "images", "link": 9}], "widgets_values": ["ComfyUI"]},
    ]  # fmt: skip
    links = [[1, 4, 0, 3, 0, "MODEL"], [2, 5, 0, 3, 3, "LATENT"], [3, 4, 1, 6, 0, "CLIP"],
             [4, 6, 0, 3, 1, "CONDITIONING"], [5, 4, 1, 7, 0, "CLIP"], [6, 7, 0, 3, 2, "CONDITIONING"],
             [7, 3, 0, 8, 0, "LATENT"], [8, 4, 2, 8, 1, "VAE"], [9, 8, 0, 9, 0, "IMAGE"]]  # fmt: skip
    return json.dumps({"nodes": nodes, "links": links, "version": 0.4})
