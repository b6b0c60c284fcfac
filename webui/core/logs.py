"""Logging: one line an entry, on stderr."""

from __future__ import annotations

import logging
import sys

FORMAT = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"

# Libraries that say more than a person wants to read; their warnings still show.
_TALKATIVE = ("httpx", "httpcore", "uvicorn", "asyncio", "PIL", "matplotlib", "multipart", "sse_starlette", "filelock")


class OneLine(logging.Formatter):
    """Keeps an entry on its line: what somebody typed must not look like an entry of its own. Traces stay whole."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        """The line, with line breaks written as \\n."""
        return super().formatMessage(record).replace("\r", "\\r").replace("\n", "\\n")


def start_logging(level: str) -> None:
    """Log to stderr from this level on; what was set up before is replaced."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(OneLine(FORMAT))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    quiet = logging.DEBUG if level == "DEBUG" else logging.WARNING
    for name in _TALKATIVE:
        logging.getLogger(name).setLevel(quiet)
    logging.captureWarnings(True)
