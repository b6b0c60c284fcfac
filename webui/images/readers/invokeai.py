"""InvokeAI's pictures, of all its ages: an object of metadata, the older "sd-metadata", and the oldest command line."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from webui.images.picture_file import PictureFile
from webui.images.readers import names
from webui.images.readers.values import json_object, lora_text, request_values, some, stem, whole, with_loras

_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_SIGNS = re.compile(
    r"(?:\((?P<phrase>[^()]+)\)|(?<![\w'’-])(?P<word>\w++(?:['’-]\w++)*+))"
    r"(?P<sign>\++|-+(?=[\s,.)]|$)|(?<=\))\d+(?:\.\d+)?)"
)
_UP, _DOWN = 1.1, 0.9
"""What each + and - behind a word multiplies its weight with (Compel's syntax)."""
_MOST_TEXT = 50_000
_FLAG = re.compile(r"\s-([sSWHCA])\s*(\S+)")
_FLAGS = {"s": "steps", "S": "seed", "W": "width", "H": "height", "C": "cfg_scale", "A": "sampler"}


def read(file: PictureFile) -> dict[str, Any] | None:
    """Values by the names of a request's fields; None where it is another program's picture."""
    said = json_object(file.texts.get("invokeai_metadata"))
    if said is not None:
        return _new(said, file)
    old = json_object(file.texts.get("sd-metadata"))
    image = some(old, "image")
    if isinstance(image, dict):
        return _old(image, some(old, "model_weights"), file)
    line = file.texts.get("Dream")
    return _oldest(line, file) if line else None


def _new(said: Mapping[str, Any], file: PictureFile) -> dict[str, Any]:
    sampler, schedule = _method(some(said, "scheduler"))
    rows = [row for row in some(said, "loras") or () if isinstance(row, dict)]
    loras = [
        lora_text(name, some(row, "weight")) for row in rows if (name := _name(some(row, "model", "lora"))) is not None
    ]
    return request_values(
        prompt=with_loras(_weighted(some(said, "positive_prompt")), loras),
        negative_prompt=_weighted(some(said, "negative_prompt")) or "",
        steps=whole(some(said, "steps")),
        cfg_scale=whole(some(said, "cfg_scale")),
        distilled_cfg_scale=whole(some(said, "guidance")),
        seed=whole(some(said, "seed")),
        sampler_name=sampler,
        scheduler=schedule,
        width=whole(some(said, "width")) or file.width,
        height=whole(some(said, "height")) or file.height,
        clip_skip=_clip_skip(some(said, "clip_skip", "skipped_layers")),
        randn_source={"cpu": "CPU", "cuda": "GPU"}.get(str(some(said, "rand_device"))),
        denoising_strength=some(said, "strength"),
        checkpoint=_name(some(said, "model")),
        vae=_name(some(said, "vae")),
        refiner_checkpoint=_name(some(said, "refiner_model")),
        refiner_switch_at=some(said, "refiner_start"),
    )


def _old(image: Mapping[str, Any], model: Any, file: PictureFile) -> dict[str, Any]:
    texts = some(image, "prompt")
    if isinstance(texts, list):
        texts = ", ".join(str(some(one, "prompt") or "") for one in texts)
    sampler, schedule = _method(some(image, "sampler"))
    return request_values(
        **_both(str(texts or "")),
        steps=whole(some(image, "steps")),
        cfg_scale=whole(some(image, "cfg_scale")),
        seed=whole(some(image, "seed")),
        sampler_name=sampler,
        scheduler=schedule,
        width=whole(some(image, "width")) or file.width,
        height=whole(some(image, "height")) or file.height,
        checkpoint=stem(model) if isinstance(model, str) else None,
    )


def _oldest(line: str, file: PictureFile) -> dict[str, Any]:
    """A command as `"a cat" -s 50 -S 123 -W 512 -H 512 -C 7.5 -A k_lms`."""
    line = line[:20_000].strip()
    first = _FLAG.search(line)
    text = (line[: first.start()] if first else line).strip().strip('"')
    flags = {_FLAGS[flag]: value for flag, value in _FLAG.findall(line)}
    sampler, schedule = _method(flags.pop("sampler", None))
    sizes = {"width": file.width, "height": file.height}
    numbers = sizes | {name: whole(value) for name, value in flags.items()}
    return request_values(**_both(text), sampler_name=sampler, scheduler=schedule, **numbers)


def _both(text: str) -> dict[str, str | None]:
    """Prompt and negative prompt, which these versions have in one text, the latter in brackets."""
    negative = ", ".join(part.strip() for part in _BRACKETS.findall(text))
    return {"prompt": _weighted(_BRACKETS.sub("", text).strip()), "negative_prompt": _weighted(negative) or ""}


def _method(name: Any) -> tuple[Any, Any]:
    """(sampler, schedule); `_k` at the end means Karras, none that the noise levels are the model's own."""
    if not isinstance(name, str):
        return None, None
    bare = name.removeprefix("k_")
    if bare.endswith("_k"):
        return names.sampler(bare.removesuffix("_k")), "Karras"
    return names.sampler(bare), "Normal"


def _name(model: Any) -> str | None:
    name = some(model, "name", "model_name") if isinstance(model, dict) else model
    return stem(name) if isinstance(name, str) else None


def _clip_skip(skipped: Any) -> Any:
    """Theirs counts the layers that are left out, A1111's the one that is taken, from the last."""
    return skipped + 1 if isinstance(skipped, int) and skipped > 0 else None


def _weighted(text: Any) -> Any:
    """Compel's weights in A1111's form: `cat++` is (cat:1.21), `(a hat)1.3` is (a hat:1.3)."""
    if not isinstance(text, str):
        return text

    def written(found: re.Match[str]) -> str:
        sign = found["sign"]
        words = found["phrase"] or found["word"]
        if sign[0] in "+-":
            weight = (_UP if sign[0] == "+" else _DOWN) ** len(sign)
        else:
            weight = float(sign)
        return f"({words}:{round(weight, 3):g})"

    return _SIGNS.sub(written, text[:_MOST_TEXT])
