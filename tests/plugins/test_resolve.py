"""References are resolved or refused with a sentence."""

from __future__ import annotations

import pytest

from webui.core.errors import DarkroomError, nearest
from webui.plugins.resolve import resolve


def test_a_reference_gives_the_thing_itself() -> None:
    assert resolve("webui.core.errors:nearest") is nearest


@pytest.mark.parametrize("reference", ["", "os", "os:", ":path", "os:path.join", "os path:x", "os..path:x", "../os:x"])
def test_what_is_no_reference_is_refused(reference: str) -> None:
    with pytest.raises(DarkroomError, match="module:function"):
        resolve(reference)


def test_a_missing_module_or_name_is_named() -> None:
    with pytest.raises(DarkroomError, match=r"there is no module 'webui.nowhere'"):
        resolve("webui.nowhere:x")
    with pytest.raises(DarkroomError, match=r"has no 'nearst'. Did you mean 'nearest'"):
        resolve("webui.core.errors:nearst")
