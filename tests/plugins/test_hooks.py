"""The tables of hook names say exactly what the specifications say."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from webui.plugins import hooks


@pytest.mark.parametrize(
    ("names", "specification"),
    [
        (hooks.COLLECTING, hooks.CollectingHooks),
        (hooks.WORKER, hooks.WorkerHooks),
        (hooks.WEB, hooks.WebHooks),
    ],
)
def test_the_lists_and_the_specifications_agree(names: tuple[str, ...], specification: type[Any]) -> None:
    members = [name for name, _ in inspect.getmembers(specification, inspect.isfunction) if not name.startswith("_")]
    assert sorted(members) == sorted(names)
    assert all(inspect.getdoc(getattr(specification, name)) for name in members)
