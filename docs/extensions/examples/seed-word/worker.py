"""Puts the word into the prompt, for each picture by its own seed."""

from collections.abc import Mapping
from typing import Any

from webui.extend import hookimpl


@hookimpl
def transform_prompt(
    prompt: str, negative_prompt: str, seed: int, options: Mapping[str, Any]
) -> tuple[str, str] | None:
    """Both prompts as they are to be used, or None. The same seed must give the same word: a job may run again."""
    words = [word.strip() for word in options["words"].split(",") if word.strip()]
    if not words:
        return None
    return prompt.replace("WORD", words[seed % len(words)]), negative_prompt
