"""extensions add, update, enable, disable, remove, restore, search: nothing is done before it is said."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from tests.commands.test_extensions import extension as put
from tests.extension_life.conftest import extension
from tests.web.helpers import Site
from webui.cli import main
from webui.commands.extensions_author import renew_for
from webui.commands.remote import RemoteSession
from webui.core.errors import DarkroomError
from webui.extension_life.life import Life
from webui.extension_life.task import Task
from webui.instance import running
from webui.jobs.executors.fake import FakeExecutor
from webui.web.identity import Sharing


def run(home: Path, *arguments: str) -> int:
    return main(["extensions", *arguments, "--data-dir", str(home)])


def names(home: Path) -> list[str]:
    folder = home / "extensions"
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith(".")) if folder.is_dir() else []


def test_nothing_is_installed_before_somebody_agrees(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = extension(tmp_path / "source", permissions=["network"], description="Swirls")
    manifest = source / "extension.toml"
    manifest.write_text(manifest.read_text().replace("Swirls", r"Swirls\u001b[31m\nred"))
    assert run(home, "add", str(source)) == 2
    said = capsys.readouterr().err
    assert "network (asks servers on the network)" in said and "sha256" in said and "Nobody is here to agree" in said
    assert "\x1b" not in said
    assert names(home) == []
    assert run(home, "add", str(source), "--yes") == 0
    assert "mine 1 is installed. It counts from the next start on." in capsys.readouterr().out
    assert names(home) == ["mine"]
    assert not [path for path in (home / "extensions").iterdir() if path.name.startswith(".fetched")]


def test_update_switch_remove_and_back(home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = extension(tmp_path / "source")
    run(home, "add", str(source), "--yes")
    extension(source, version="2", author="B")
    assert run(home, "update") == 0
    assert "mine: update to 2" in capsys.readouterr().out
    assert run(home, "update", "mine", "--yes") == 0
    assert "From version 1 to 2." in capsys.readouterr().err
    assert run(home, "disable", "mine") == 0
    assert json.loads((home / "data" / "settings.json").read_text())["disabled_extensions"] == ["mine"]
    assert run(home, "list", "--json") == 0
    row = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (row["enabled"], row["source"], len(row["sha256"])) == (False, str(source), 64)
    assert run(home, "enable", "mine") == 0
    assert run(home, "remove", "mine") == 0
    assert names(home) == []
    assert run(home, "restore", "mine") == 0
    assert names(home) == ["mine"]


def test_what_is_wrong_is_said_with_its_exit_code(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(home, "mine", "")
    assert run(home, "remove", "min") == 2
    assert "Did you mean 'mine'" in capsys.readouterr().err
    assert run(home, "add", "git://example.org/x") == 2
    assert run(home, "update", "mine") == 2
    assert "by hand" in capsys.readouterr().err
    assert run(home, "ad") == 2


def test_search_without_and_with_a_list(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(home, "search", "grid") == 1
    assert "extension_indexes" in capsys.readouterr().out
    index = tmp_path / "index.json"
    index.write_text(json.dumps({"extensions": [{"name": "grid", "source": "pypi:grid", "version": "3"}]}))
    monkeypatch.setenv("DARKROOM_EXTENSION_INDEXES", str(index))
    assert run(home, "search", "grid") == 0
    assert "grid  3  pypi:grid" in capsys.readouterr().out


def test_safe_mode_loads_none_and_the_commands_work_all_the_same(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    put(home, "torn", "raise ValueError('no')\n")
    assert run(home, "--safe-mode") == 0
    assert "There are no extensions" in capsys.readouterr().out
    assert run(home, "disable", "torn", "--safe-mode") == 0
    assert run(home) == 0


def test_the_list_says_what_lacks_packages(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    extension(home / "extensions" / "mine", dependencies=["dk-nothing>=2", "numpy"])
    assert run(home) == 0
    assert "loaded, but lacks dk-nothing>=2: launch.py extensions packages" in capsys.readouterr().out


@pytest.fixture
def installed(home: Path) -> None:
    """What the server finds at its start."""
    put(home, "mine", 'from webui.extend import Schedule, hookimpl\n@hookimpl\ndef schedules():\n'
        '    return [Schedule("Mine", "worker:mine")]\n')  # fmt: skip
    put(home, "tab", 'from webui.extend import Tab, hookimpl\n@hookimpl\ndef tabs():\n'
        '    return [Tab("Mine", "ui:build", "tab_mine", 95)]\n')  # fmt: skip
    (home / "extensions" / "mine" / "worker.py").write_text("")
    (home / "extensions" / "tab" / "ui.py").write_text("")


def test_a_running_server_switches_at_once_what_it_can(
    installed: None, site: Site, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def schedules() -> list[str]:
        return site.house.service.registry.schedules.names()

    assert "Mine" in schedules()
    assert run(home, "disable", "mine") == 0
    assert "mine is switched off. Darkroom runs and has changed it already" in capsys.readouterr().out
    assert "Mine" not in schedules() and site.house.settings.current.disabled_extensions == ("mine",)
    assert run(home, "enable", "mine") == 0
    assert "mine is switched on. Darkroom runs and has changed it already" in capsys.readouterr().out
    assert "Mine" in schedules() and site.house.settings.current.disabled_extensions == ()
    run(home, "disable", "mine")
    (home / "extensions" / "mine" / "extension.py").write_text("1 / 0\n")
    assert run(home, "enable", "mine") == 1
    assert "mine is switched on. Darkroom runs and has left it out: Its extension.py failed" in capsys.readouterr().out
    assert run(home, "disable", "tab") == 0
    assert "it counts from the next start on. Tabs, models' families" in capsys.readouterr().out
    assert run(home, "disable", "tub") == 2
    assert "Did you mean 'tab'" in capsys.readouterr().err


def test_dev_switches_on_again_what_was_switched_off_for_what_it_did(
    installed: None, site: Site, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    renewed: list[tuple[str, ...]] = []
    monkeypatch.setattr(FakeExecutor, "renew", lambda self, disabled: renewed.append(tuple(disabled)))
    instance = running(site.house.paths)
    assert instance
    # As three deaths inside it leave it: off in the settings, and still on in the web process.
    site.house.settings.update({"disabled_extensions": ["mine"]})
    asyncio.run(renew_for(home / "extensions" / "mine", instance))
    assert site.house.settings.current.disabled_extensions == () and "Mine" in site.house.service.registry.schedules
    assert "mine was switched off, and is switched on again." in capsys.readouterr().out
    asyncio.run(renew_for(home / "extensions" / "mine", instance))
    assert renewed == [(), ()] and capsys.readouterr().out == ""


def test_packages_that_cannot_be_had_are_said_as_without_a_server(
    site: Site, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    extension(home / "extensions" / "mine", dependencies=["numpy<1"])
    assert run(home, "enable", "mine") == 1
    assert "numpy" in capsys.readouterr().err


def test_while_it_is_shared_a_running_server_changes_at_its_next_start(
    installed: None, site: Site, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(site.access, "sharing", Sharing(listen=True))
    assert run(home, "disable", "mine") == 0
    assert "mine is switched off. Darkroom runs; it counts from the next start on." in capsys.readouterr().out
    assert site.house.settings.current.disabled_extensions == ("mine",)
    assert "Mine" in site.house.service.registry.schedules.names()


def test_a_running_server_keeps_its_settings(site: Site, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(home, "mine", "")
    assert run(home, "disable", "mine") == 0
    assert "Darkroom runs; it counts from the next start on." in capsys.readouterr().out
    assert site.house.settings.current.disabled_extensions == ("mine",)


def test_what_a_server_does_for_a_command_is_stopped_with_it(
    installed: None, site: Site, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(life: Life, name: str, task: Task) -> None:
        while True:
            time.sleep(0.01)
            task.check()

    monkeypatch.setattr(Life, "enable", slow)
    instance = running(site.house.paths)
    assert instance
    task = Task()
    task.say = lambda words: task.stop()

    async def enable() -> None:
        async with RemoteSession.open(instance) as session:
            await session.switch_extension("mine", task, on=True)

    with pytest.raises(DarkroomError, match=r"It was stopped\. Nothing was changed"):
        asyncio.run(enable())
    assert site.owner().get("/api/v1/extensions").json()["work"] is None
