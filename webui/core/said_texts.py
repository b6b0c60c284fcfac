"""The texts that one picture of a request was made of, as its infotext says them."""

from __future__ import annotations

from typing import Any

from webui.core.infotext import NEGATIVE_TEMPLATE, TEMPLATE
from webui.core.request import GenerationRequest

Pair = tuple[str, str]
"""A prompt and a negative prompt."""


def with_texts(
    request: GenerationRequest, texts: Pair, hires_texts: Pair | None = None
) -> tuple[GenerationRequest, dict[str, Any]]:
    """What `infotext.write` takes for a picture of these texts: the request with them as its prompts, and the keys that
    keep the prompts as they were written, with their styles, where the texts are others.

    hires_texts: the second pass's, where that has some of its own.
    """
    pairs = zip((TEMPLATE, NEGATIVE_TEMPLATE), texts, request.templates, strict=True)
    kept = {key: template for key, text, template in pairs if text != template}
    hires = request.hires
    told = list(texts)
    if hires is not None and hires_texts is not None:
        hires = hires.told(*hires_texts)
        told += [hires.hr_prompt, hires.hr_negative_prompt]
    # A `#` that was drawn is a word, also for who reads the text back.
    comments = request.enable_prompt_comments and (request.has_comments or not any("#" in text for text in told))
    changes: dict[str, Any] = {"drawn": None, "hires_drawn": None, "hires": hires, "enable_prompt_comments": comments}
    return request.but(prompt=texts[0], negative_prompt=texts[1], **changes), kept


def with_texts_of(request: GenerationRequest, index: int) -> tuple[GenerationRequest, dict[str, Any]]:
    """The same of picture `index` (from 0), where nobody wrote other texts for it than were drawn."""
    return with_texts(request, request.texts_of(index), request.with_hires_texts.texts_of(index))
