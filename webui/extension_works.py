"""Extensions as the owner may have them: listed, looked at, installed, switched, removed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from webui.core.errors import NotAllowed
from webui.core.job import Identity
from webui.extension_life.cards import Cards
from webui.extension_life.life import Life
from webui.extension_life.newer import Newer
from webui.extension_life.task import Task
from webui.extension_life.works import Work, Works
from webui.extension_switch import Switch
from webui.plugins.manager import ExtensionReport


class ExtensionWorks:
    """Every method asks for the owner's identity. Long actions are started and looked at by their id."""

    def __init__(
        self, life: Life, cards: Cards, reports: Callable[[], Sequence[ExtensionReport]], switch: Switch
    ) -> None:
        self._life = life
        self._cards = cards
        self._reports = reports
        self._switch = switch
        self._works = Works()
        self._newer: Mapping[str, Newer] = {}

    async def close(self) -> None:
        """Stop what runs, and take away what was only looked at."""
        await asyncio.to_thread(self._works.close)
        await asyncio.to_thread(self._life.discard_all)

    async def list(self, who: Identity) -> dict[str, Any]:
        """A card for each extension, whether a start would change something, and the action that runs."""
        _need_owner(who)
        cards = [self._with_newest(card) for card in await asyncio.to_thread(self._cards.all, self._reports())]
        running = self._works.running()
        return {
            "extensions": cards,
            "restart": self._cards.waits(cards),
            "safe_mode": self._cards.safe_mode,
            "work": running.to_json() if running else None,
        }

    def left_out(self) -> str:
        """A sentence on the extensions that were left out: why, of one alone; how many, of several; "" for none."""
        broken = self._cards.left_out(self._reports())
        if len(broken) == 1:
            return f"The extension '{broken[0].name}' was left out: {broken[0].problem}"
        return f"{len(broken)} extensions were left out. See Extensions." if broken else ""

    def look(self, who: Identity, source: str, wanted: str = "", sha256: str = "") -> Work:
        """Fetch an extension and say what installing it would bring; the result is the plan."""
        _need_owner(who)
        return self._works.start("look", source, lambda task: self._life.look(source, task, wanted, sha256).to_json())

    def look_update(self, who: Identity, name: str, wanted: str = "") -> Work:
        """The same for what is newest of an installed one."""
        _need_owner(who)
        return self._works.start("update", name, lambda task: self._life.look_update(name, task, wanted).to_json())

    def install(self, who: Identity, plan: str) -> Work:
        """Install what was looked at; the result is its name and version."""
        _need_owner(who)

        def do(task: Task) -> dict[str, str]:
            record = self._life.install(plan, task)
            return {"name": record.name, "version": record.version, "sha256": record.sha256}

        return self._works.start("install", self._life.name_of(plan), do)

    async def discard(self, who: Identity, plan: str) -> None:
        """Take away what was looked at."""
        _need_owner(who)
        await asyncio.to_thread(self._life.discard, plan)

    def newer(self, who: Identity) -> Work:
        """Ask what there is newer; the result is a list, and cards have it from then on."""
        _need_owner(who)

        def do(task: Task) -> list[dict[str, str]]:
            found = self._life.newer(task)
            self._newer = {one.name: one for one in found}
            return [{"name": one.name, "newest": one.newest, "problem": one.problem} for one in found]

        return self._works.start("newer", "", do)

    def _with_newest(self, card: Mapping[str, Any]) -> dict[str, Any]:
        """A card with what the last check has found, until another content is here."""
        found = self._newer.get(card["name"])
        is_told = found is not None and found.newest != "" and found.sha256 == card["sha256"]
        return {**card, "newest": found.newest if found and is_told else ""}

    def install_packages(self, who: Identity) -> Work:
        """Install the packages that extensions lack."""
        _need_owner(who)
        return self._works.start("packages", "", self._life.install_packages)

    def enable(self, who: Identity, name: str) -> Work:
        """Switch one on, at once where that can be; its packages are installed first."""
        _need_owner(who)
        loop = asyncio.get_running_loop()

        def do(task: Task) -> None:
            self._life.enable(name, task)
            self._switched(loop)

        return self._works.start("enable", name, do)

    async def disable(self, who: Identity, name: str) -> None:
        """Switch one off, at once where that can be."""
        _need_owner(who)
        loop = asyncio.get_running_loop()
        await asyncio.to_thread(self._life.disable, name)
        await asyncio.to_thread(self._switched, loop)

    def _switched(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have what was switched count now, but for what waits for a start."""
        self._cards.loaded(self._switch.apply(loop, self._cards.may_load))

    async def remove(self, who: Identity, name: str) -> None:
        """Move one into the bin."""
        _need_owner(who)
        await asyncio.to_thread(self._life.remove, name)

    async def restore(self, who: Identity, name: str) -> None:
        """Take one out of the bin."""
        _need_owner(who)
        await asyncio.to_thread(self._life.restore, name)

    async def search(self, who: Identity, words: str) -> dict[str, Any]:
        """Extensions in the indexes of the settings that have these words."""
        _need_owner(who)
        found = await asyncio.to_thread(self._life.search, words)
        return {"found": [asdict(row) for row in found.rows], "problems": list(found.problems)}

    def work(self, who: Identity, work_id: str) -> Work:
        """How an action does; raises NotFound."""
        _need_owner(who)
        return self._works.get(work_id)

    def stop(self, who: Identity, work_id: str) -> Work:
        """Have an action end soon, with everything as it was; raises NotFound."""
        _need_owner(who)
        return self._works.stop(work_id)


def _need_owner(who: Identity) -> None:
    if not who.is_owner:
        raise NotAllowed("Only the owner of this machine may look after extensions.")
