"""What the readers of other programs' pictures share: their JSON, and values as a request has them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_MOST = 8_000_000
"""Characters of a JSON text that are read; a graph of hundreds of nodes has some hundred thousand."""

_NO_NEGATIVE = ("negative_prompt", "")
_LORA = re.compile(r"<lora:([^:>]+)")


def json_object(text: str | None) -> dict[str, Any] | None:
    """The JSON object in a text; None where there is none."""
    if not text or len(text) > _MOST or not text.lstrip().startswith("{"):
        return None
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return data if isinstance(data, dict) else None


def some(data: Any, *names: str) -> Any:
    """The first of these that an object has; None where it has none, or is no object."""
    if not isinstance(data, Mapping):
        return None
    return next((data[name] for name in names if data.get(name) is not None), None)


def whole(value: Any) -> Any:
    """A number that a program writes as text or as 20.0; anything else as it is."""
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError:
            return value
    return int(value) if isinstance(value, float) and value.is_integer() else value


def request_values(**values: Any) -> dict[str, Any]:
    """A request's values, without those of which nothing is said; an empty negative prompt says that there is none.

    The words of a prompt that was drawn already are not drawn again: other programs give braces another meaning.
    """
    empty = ("", None)
    said = {name: value for name, value in values.items() if value not in empty or (name, value) == _NO_NEGATIVE}
    texts = [text for name in ("prompt", "negative_prompt") if isinstance(text := said.get(name), str)]
    if any("{" in text or "__" in text for text in texts):
        said["dynamic_prompts"] = False
    return said


def lora_text(name: str, weight: Any, text_weight: Any = None) -> str:
    """A LoRA as a prompt names it, "" where no prompt can. name: of its file, with or without folder and ending."""
    bare = stem(name)
    if not bare or set("<>:\n") & set(bare):
        return ""
    second = f":{text_weight:g}" if isinstance(text_weight, int | float) and text_weight != weight else ""
    first = f":{weight:g}" if isinstance(weight, int | float) else ":1"
    # In a prompt the text encoders' weight comes first.
    return f"<lora:{bare}{second or first}{first if second else ''}>"


def stem(name: str) -> str:
    """A file's name without its folder and ending."""
    bare = name.replace("\\", "/").rpartition("/")[2]
    for ending in (".safetensors", ".ckpt", ".pt", ".gguf", ".sft", ".bin"):
        if bare.lower().endswith(ending):
            return bare[: -len(ending)]
    return bare


def _named(prompt: str) -> set[str]:
    return set(_LORA.findall(prompt))


def with_loras(prompt: Any, loras: list[str]) -> Any:
    """A prompt with these LoRAs at its end, but for those that it names."""
    if not isinstance(prompt, str):
        return prompt
    fresh = [lora for lora in dict.fromkeys(loras) if lora and lora.split(":", 2)[1] not in _named(prompt)]
    return " ".join([prompt, *fresh]).strip()
