"""A script: one request becomes four, and their pictures become one."""

from collections.abc import Generator, Mapping
from typing import Any

from PIL import Image

from webui.extend import GenerationRequest, Result, Script, hookimpl


@hookimpl
def scripts() -> list[Script]:
    """The generator four() below, in the page's list of scripts."""
    return [Script("four-seeds", "Four seeds", "extension:four")]


def four(
    request: GenerationRequest, options: Mapping[str, Any]
) -> Generator[list[GenerationRequest], list[Result], list[Image.Image]]:
    """Ask for the request with four seeds; what is returned is saved as the script's own picture."""
    results = yield [request.but(seed=request.seed + number, n_iter=1, batch_size=1) for number in range(4)]
    sheet = Image.new("RGB", (2 * request.width, 2 * request.height), "white")
    for number, result in enumerate(results):
        for picture in result.pictures:
            sheet.paste(picture.image(), (number % 2 * request.width, number // 2 * request.height))
    return [sheet]
