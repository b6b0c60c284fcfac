"""Files with embeddings in every form that programs write, made by hand."""

import base64
import json
import zlib

import numpy as np
import torch
from PIL import Image, PngImagePlugin
from safetensors.torch import save_file


def vectors(count, width, seed=0):
    """Random vectors (count, width)."""
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def a1111(own, name="inside"):
    """What A1111 saves into a .pt file."""
    return {
        "string_to_token": {"*": 265}, "string_to_param": {"*": own}, "name": name, "step": 500,
        "sd_checkpoint": None, "sd_checkpoint_name": None,
    }  # fmt: skip


def as_json(content):
    """A1111's JSON of a file's content."""

    def plain(value):
        if isinstance(value, torch.Tensor):
            return {"TORCHTENSOR": value.tolist()}
        return {key: plain(one) for key, one in value.items()} if isinstance(value, dict) else value

    return json.dumps(plain(content)).encode()


def with_text(path, content, size=(40, 40)):
    """A PNG with an embedding in its text."""
    texts = PngImagePlugin.PngInfo()
    texts.add_text("sd-ti-embedding", base64.b64encode(as_json(content)).decode())
    Image.new("RGB", size, (200, 30, 30)).save(path, pnginfo=texts)
    return path


def covers(count):
    """The generator's numbers, one by one."""
    found, state = [], 0
    for _ in range(count):
        state = (1664525 * state + 1013904223) % 2**32
        found.append(state % 255)
    return np.array(found, np.uint8)


def in_pixels(path, content, height=64, lossless=True):
    """A picture with an embedding in the lowest bits beside it: halves of bytes, row by row, of three colours each."""
    data = np.frombuffer(zlib.compress(as_json(content)), np.uint8)
    row = 3 * height
    halves = []
    for half in (data & 15, data >> 4):
        block = np.resize(half, -(-len(half) // row) * row).reshape(height, -1, 3)
        block = block ^ (covers(block.size).reshape(block.shape) & 15)
        # The upper bits show a pattern, which means nothing.
        halves.append(block | 0x50)
    black, inner = np.zeros((height, 1, 3), np.uint8), np.full((height, 50, 3), 0x77, np.uint8)
    whole = np.concatenate([halves[0], black, inner, black, halves[1]], axis=1)
    options = {"lossless": True} if path.suffix == ".webp" else {}
    Image.fromarray(whole).save(path, **options)
    return path


def write_all(folder, width):
    """A file of each form for encoders of this width; {name of the word: its vectors}."""
    found = {}

    def own(name, count=2):
        found[name] = vectors(count, width, len(found))
        return found[name]

    torch.save(a1111(own("plain")), folder / "plain.pt")
    old = torch.nn.ParameterDict({"*": torch.nn.Parameter(own("parameters"))})
    content = {"string_to_token": {"*": torch.tensor(265)}, "string_to_param": old}
    torch.save(content, folder / "parameters.pt")
    torch.save({"<cat>": own("concept", 1)[0]}, folder / "concept.bin")
    torch.save({"<dog>": own("concept-2", 3)}, folder / "concept-2.pt")
    save_file({"emb_params": own("kohya", 4)}, folder / "kohya.safetensors")
    save_file({"<bird>": own("bird", 1)[0].clone()}, folder / "bird.safetensors")
    half = own("half").bfloat16()
    save_file({"emb_params": half}, folder / "half.safetensors")
    found["half"] = half.float()
    turned = vectors(width, 3, 77).T
    torch.save({"<turned>": turned}, folder / "turned.bin")
    found["turned"] = turned.contiguous()
    with_text(folder / "card.png", a1111(own("on a card"), "on a card"))
    in_pixels(folder / "hidden.png", a1111(own("hidden")) | {"name": None})
    in_pixels(folder / "webp.webp", a1111(own("in webp", 5), "in webp"))
    return found
