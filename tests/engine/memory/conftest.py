"""Other programs of this machine, which come and go, are kept out of what these tests remember."""

import pytest

from webui.engine import remembering


class Others:
    """What other programs leave of a device that has so many bytes."""

    total = 8000

    def __init__(self):
        self.left = 2000


@pytest.fixture(autouse=True)
def others(monkeypatch):
    """They leave 2000 of 8000 bytes until a test says otherwise."""
    made = Others()
    monkeypatch.setattr(remembering, "left_by_others", lambda device: made.left)
    monkeypatch.setattr(remembering, "memory", lambda device: (made.left, made.total))
    return made
