"""Names that go lead to what replaces them, and whoever imports one is told."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

import webui.extend
from webui.plugins.deprecated import going


def test_an_old_name_leads_to_the_new_one_and_warns(monkeypatch: pytest.MonkeyPatch) -> None:
    made_up = ModuleType("made_up")
    vars(made_up).update(New=object(), __getattr__=going("made_up", {"Old": ("New", "1.4")}))
    monkeypatch.setitem(sys.modules, "made_up", made_up)
    with pytest.warns(
        FutureWarning, match=r"made_up\.Old is taken out in version 1\.4 of the contract; use New"
    ) as told:
        found: dict[str, object] = {}
        exec("from made_up import Old", found)
    assert found["Old"] is vars(made_up)["New"]
    assert told[0].filename == "<string>", "the line that imports it is named"
    with pytest.raises(AttributeError, match="has no attribute 'Older'"):
        _ = made_up.Older


def test_the_contract_says_so_of_unknown_names() -> None:
    with pytest.raises(AttributeError, match=r"'webui\.extend' has no attribute 'Sampeler'"):
        getattr(webui.extend, "Sampeler")  # noqa: B009
