"""Comments in a prompt, from `#` to the line's end."""

from __future__ import annotations

_MARK = "#"


def without_comments(text: str) -> str:
    """The text without its comments; a line that begins with one goes altogether. Nothing escapes the mark."""
    if _MARK not in text:
        return text
    return "\n".join(line.partition(_MARK)[0] for line in text.split("\n") if not line.startswith(_MARK))
