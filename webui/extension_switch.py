"""Extensions switched on and off while the program runs: what counts at once, and what waits for a start."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Collection
from pathlib import Path

from webui.core.registry import Registry
from webui.extension_life.hooks_in import hooks_in
from webui.plugins.loader import build_registry, switched
from webui.plugins.locales import read_locales
from webui.plugins.manager import ExtensionReport, Plugins

log = logging.getLogger(__name__)

AT_A_START = frozenset({"tabs", "families", "architectures", "attention_backends", "works"})
"""Kinds of rows that are built into the page, or by which models' files and stored jobs are known, once at a start."""


class Switch:
    """Brings the plugins of this process to what the settings say, in one step, and has the workers follow.

    disabled: the names that are to be off. take: told of the registry that counts from now on. renew: has fresh workers
    take the others' places between jobs; called on the event loop's thread. blamed: what workers leave out because they
    died inside it.
    """

    def __init__(
        self,
        plugins: Plugins,
        disabled: Callable[[], Collection[str]],
        take: Callable[[Registry], None],
        renew: Callable[[], None],
        blamed: Callable[[], Collection[str]],
    ) -> None:
        self._plugins, self._disabled, self._take, self._renew = plugins, disabled, take, renew
        self._blamed = blamed
        self._lock = threading.Lock()

    def apply(self, loop: asyncio.AbstractEventLoop, may_load: Callable[[Path], bool]) -> set[Path]:
        """Switch what can be switched; the folders of those that were loaded for it. Called from any thread.

        may_load: whether one that is off may be loaded now, as where its packages are there. What must wait stays as it
        is, and so does what was put there or changed since the start. Of what was removed, only what must wait stays.
        """
        with self._lock:
            off = frozenset(self._disabled())
            before = self._plugins.reports
            stay_off = {
                r.name for r in before if not r.enabled and (_bound(r) or not (r.folder and may_load(r.folder)))
            }
            stay_on = {r.name for r in before if r.ok and (_bound(r) or self._brings(self._plugins, r.name))}
            wanted = {r.name: (r.name not in off and (r.folder is None or r.folder.name not in off)) for r in before}
            on = {name for name, is_on in wanted.items() if (is_on or name in stay_on) and name not in stay_off}
            is_on = {report.name for report in before if report.enabled}
            if on == is_on:
                if not off.issuperset(self._blamed()):
                    loop.call_soon_threadsafe(self._renew)
                return set()
            fresh = switched(self._plugins, on, stay_on)
            if late := {name for name in on - is_on if self._brings(fresh, name)}:
                # What the source does not say by a hook's name.
                on -= late
                fresh = switched(self._plugins, on, stay_on)
            self._plugins.become(fresh)
            self._take(build_registry(self._plugins))
        loop.call_soon_threadsafe(self._renew)
        log.info("Extensions that are on now: %s.", ", ".join(sorted(on)) or "none")
        return {report.folder for report in fresh.reports if report.folder and report.name in on - is_on}

    @staticmethod
    def _brings(plugins: Plugins, name: str) -> bool:
        return not AT_A_START.isdisjoint(plugins.brought(name))


def _bound(report: ExtensionReport) -> bool:
    """Whether an extension's source says that a switch of it waits for a start."""
    if report.folder is None:
        return True
    if not AT_A_START.isdisjoint(hooks_in(report.folder)):
        return True
    # Gradio is given the page's texts once.
    return any("page" in texts for texts in read_locales(report.folder)[0].values())
