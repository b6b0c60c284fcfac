"""A tab of the page, and the address that its script asks."""

from webui.extend import Asked, Route, Tab, hookimpl


@hookimpl
def tabs() -> list[Tab]:
    """Built by build() of ui.py, between the gallery (60) and the queue (70)."""
    return [Tab("Last prompts", "ui:build", "tab_last_prompts", 62)]


@hookimpl
def routes() -> list[Route]:
    """GET /api/v1/x/last-prompts/prompts, for everybody: each is told of what is theirs."""
    return [Route("prompts", "extension:prompts", level="visitor")]


def prompts(asked: Asked) -> dict[str, list[str]]:
    """The asker's last prompts, each once, newest first."""
    texts = [picture.infotext.partition("\nNegative prompt: ")[0] for picture in asked.house.pictures(200)]
    return {"prompts": list(dict.fromkeys(text.rpartition("\nSteps: ")[0] or text for text in texts))[:20]}
