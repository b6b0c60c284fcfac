"""The server's keys: kept over a restart, private, and replaced when they are damaged."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from webui.core.errors import StorageProblem
from webui.web import keys as module
from webui.web.keys import Keys, same


def test_signatures_hold_over_a_restart_and_for_one_purpose(tmp_path: Path) -> None:
    signature = Keys(tmp_path / "k.json").sign("visitor", "abc")
    again = Keys(tmp_path / "k.json")
    assert again.signed("visitor", "abc", signature)
    assert not again.signed("session", "abc", signature)
    assert not again.signed("visitor", "abd", signature)
    assert not Keys(tmp_path / "other.json").signed("visitor", "abc", signature)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no modes")
def test_the_file_is_this_users_only(tmp_path: Path) -> None:
    keys = Keys(tmp_path / "k.json")
    keys.enter(keys.new_entrance())
    assert (tmp_path / "k.json").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("damage", ["", "{", "[]", '{"secret": "00", "owners": {}}', '{"secret": 1, "owners": 2}'])
def test_a_damaged_file_makes_everybody_sign_in_again(tmp_path: Path, damage: str) -> None:
    keys = Keys(tmp_path / "k.json")
    held = keys.enter(keys.new_entrance())
    assert held and Keys(tmp_path / "k.json").is_owner(held)
    (tmp_path / "k.json").write_text(damage)
    fresh = Keys(tmp_path / "k.json")
    assert not fresh.is_owner(held)
    assert len(json.loads((tmp_path / "k.json").read_text())["secret"]) == 64


def test_entrances_and_owners_grow_old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    keys = Keys(tmp_path / "k.json")
    fresh, waiting = keys.new_entrance(), keys.new_entrance()
    held = keys.enter(fresh)
    assert held and keys.is_owner(held)
    now = module.time.time()
    monkeypatch.setattr(module.time, "time", lambda: now + module.OWNER_SECONDS + 1)
    assert keys.enter(waiting) is None
    assert not keys.is_owner(held)


def test_nothing_is_an_owners_cookie(tmp_path: Path) -> None:
    assert not Keys(tmp_path / "k.json").is_owner("")


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageProblem, match="cannot be written"):
        Keys(tmp_path / "file" / "k.json")


def test_same() -> None:
    assert same("é", "é") and not same("a", "b") and not same("a", "")
