"""A script that makes a request once with each of many samplers, and one picture of all of them."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from typing import Any

from PIL import Image

from webui.extend import Field, GenerationRequest, InvalidField, Result, Script, hookimpl

from .sheet import draw_sheet

_USUAL = "Euler, Euler a, Heun, DPM2, DPM++ 2M, DPM++ SDE, DPM++ 2M SDE, DPM++ 3M SDE, LMS, DDIM, UniPC, LCM"


@hookimpl
def fields() -> list[Field]:
    """They count where the script is started."""
    return [
        Field("samplers", "text", "Samplers", "Names with commas between them, in the order of the sheet.", _USUAL),
        Field("columns", "int", "Columns", "Pictures side by side.", 4, minimum=1, maximum=20, step=1),
        Field("side", "int", "Side", "Longest side of a picture there, in pixels.", 256, minimum=64, maximum=1024,
              step=8),
    ]  # fmt: skip


@hookimpl
def scripts() -> list[Script]:
    """The generator sheet() below."""
    return [Script("sampler-sheet", "Sampler sheet", "extension:sheet", level="visitor")]


def sheet(
    request: GenerationRequest, options: Mapping[str, Any]
) -> Generator[list[GenerationRequest], list[Result], list[Image.Image]]:
    """Ask for the first picture of the request with each sampler; the sheet of them. One that fails says why there."""
    names = [name.strip() for name in options["samplers"].split(",") if name.strip()]
    if not names:
        raise InvalidField("No sampler is named: write some names into Samplers, with commas between them.")
    results = yield [request.but(sampler_name=name, n_iter=1, batch_size=1) for name in names]
    cells = [
        (name, result.pictures[0].image() if result.pictures else None, result.problem)
        for name, result in zip(names, results, strict=True)
    ]
    return [draw_sheet(cells, options["columns"], options["side"])]
