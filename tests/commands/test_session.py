"""Which house a command finds, and what it says of flags that count for the other only."""

from __future__ import annotations

import pytest

from webui.commands import session
from webui.commands.common import parse_flags
from webui.commands.remote import RemoteSession
from webui.instance import Instance

SERVER = Instance("http://127.0.0.1:1/", "token", 1)


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        ([], False),
        (["--data-dir", "/nowhere", "--loglevel", "ERROR"], False),
        (["--xformers"], True),
        (["--no-half"], True),
        (["--medvram"], True),
        (["--sub-quad-q-chunk-size", "64"], True),
    ],
)
def test_flags_of_a_start_are_said_to_change_nothing_where_a_server_runs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], flags: list[str], said: bool
) -> None:
    found: list[Instance] = []
    monkeypatch.setattr(session, "running", lambda paths: SERVER)
    monkeypatch.setattr(RemoteSession, "open", found.append)
    session.open_session(parse_flags(flags))
    assert found == [SERVER]
    assert ("change nothing here" in capsys.readouterr().err) is said
