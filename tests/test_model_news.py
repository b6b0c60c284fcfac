"""News of models: told once for each change, looked for only while somebody follows, whatever a look meets."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from tests import shams
from webui.core.paths import Paths
from webui.engine.cards.shelf import Shelf
from webui.engine.checkpoints.catalogue import Catalogue
from webui.model_news import ModelNews
from webui.plugins.loader import build_registry, load_plugins

PAUSE = 0.01


class Folder:
    """Stands for the shelf: what it holds, and how often it was asked."""

    def __init__(self) -> None:
        self.models: list[Any] = ["one"]
        self.asked = 0
        self.fault: OSError | None = None

    def __call__(self) -> list[Any]:
        self.asked += 1
        if self.fault:
            raise self.fault
        return list(self.models)


def run(talk: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(talk(), 30))


async def looks(folder: Folder, n: int = 3) -> None:
    """Wait for so many further looks."""
    until = folder.asked + n
    while folder.asked < until:
        await asyncio.sleep(PAUSE)


async def quiet(news: AsyncIterator[int], folder: Folder) -> asyncio.Task[int]:
    """The next news, of which there is none for three looks."""
    waiting: asyncio.Task[int] = asyncio.ensure_future(anext(news))
    await looks(folder)
    assert not waiting.done()
    return waiting


def test_each_change_is_told_once_to_all_who_follow() -> None:
    async def talk() -> None:
        folder = Folder()
        news = ModelNews(folder, PAUSE)
        first, second = news.follow(), news.follow()
        known = await anext(first)
        assert await anext(second) == known
        # A list that was given out before the first look may be older than what that look sees.
        known = await anext(first)
        assert await anext(second) == known
        waiting = await quiet(first, folder)
        folder.models.append("two")
        assert await waiting != known
        assert await anext(second) == waiting.result()
        late = news.follow()
        assert await anext(late) == waiting.result()
        (await quiet(first, folder)).cancel()

    run(talk)


def test_nobody_looks_when_nobody_follows_and_what_came_meanwhile_is_told() -> None:
    async def talk() -> None:
        folder = Folder()
        news = ModelNews(folder, PAUSE)
        assert folder.asked == 0
        follower = news.follow()
        await anext(follower)
        known = await anext(follower)
        waiting = await quiet(follower, folder)
        waiting.cancel()
        await asyncio.wait([waiting])
        # A look that had begun may still come to its end.
        await asyncio.sleep(5 * PAUSE)
        before = folder.asked
        await asyncio.sleep(20 * PAUSE)
        assert folder.asked == before
        folder.models.append("two")
        back = news.follow()
        assert await anext(back) == known
        assert await anext(back) != known

    run(talk)


def test_a_folder_that_cannot_be_looked_at_ends_nothing_and_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    async def talk() -> None:
        folder = Folder()
        news = ModelNews(folder, PAUSE)
        follower = news.follow()
        await anext(follower)
        await anext(follower)
        folder.fault = OSError("the drive is away")
        waiting = await quiet(follower, folder)
        folder.fault = None
        folder.models.append("two")
        await waiting

    with caplog.at_level(logging.ERROR):
        run(talk)
    assert [record.getMessage() for record in caplog.records] == ["The model folders cannot be looked at"]


class Slow(Folder):
    """Looks that take their time, each with something new; it also counts how many run at once."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds, self.now, self.most = seconds, 0, 0
        self.ends: list[float] = []
        self.starts: list[float] = []

    def __call__(self) -> list[Any]:
        self.now += 1
        self.most = max(self.most, self.now)
        self.starts.append(time.monotonic())
        time.sleep(self.seconds)
        self.models.append(self.asked)
        self.ends.append(time.monotonic())
        self.now -= 1
        return super().__call__()


def test_a_slow_disk_is_left_alone_most_of_the_time_also_while_files_keep_coming() -> None:
    async def talk() -> None:
        folder = Slow(0.1)
        follower = ModelNews(folder, PAUSE).follow()
        for _ in range(3):
            await anext(follower)
        assert folder.starts[1] - folder.ends[0] > 15 * folder.seconds

    run(talk)


def test_who_comes_and_goes_during_a_slow_look_starts_no_second_one() -> None:
    async def talk() -> None:
        folder = Slow(0.5)
        news = ModelNews(folder, PAUSE)
        for _ in range(5):
            follower = news.follow()
            known = await anext(follower)
            waiting = asyncio.ensure_future(anext(follower))
            await asyncio.sleep(5 * PAUSE)
            waiting.cancel()
            await asyncio.wait([waiting])
        assert len(folder.starts) == 1
        back = news.follow()
        assert await anext(back) == known
        assert await anext(back) != known, "what the look has found is told to who came back"
        assert folder.most == len(folder.starts) == 1

    run(talk)


def test_files_of_all_kinds_their_cards_and_previews_are_news_and_nothing_else_is(paths: Paths, sham: Path) -> None:
    catalogue = Catalogue(paths.model_folders, paths.state, look_seconds=0, hash_large=False)
    registry = build_registry(load_plugins((), "web"))
    shelf = Shelf(catalogue, registry, paths.state, paths.other_models, look_seconds=0)
    models = paths.models
    changes = (
        lambda: shams.write(models / "Stable-diffusion" / "new.safetensors", ("", shams.flux(guidance=True))),
        lambda: shams.write(models / "VAE" / "new.safetensors", ("", shams.vae(16))),
        lambda: shams.write(models / "Lora" / "new.safetensors", ("", shams.lora())),
        lambda: shams.write(models / "embeddings" / "new.safetensors", ("", shams.embedding())),
        lambda: (models / "Lora" / "new.json").write_text('{"description": "ink"}'),
        lambda: (models / "Lora" / "new.preview.png").write_bytes(b"a picture"),
        lambda: (models / "Stable-diffusion" / "new.safetensors").unlink(),
    )

    for folder in ("Stable-diffusion", "VAE", "Lora", "embeddings"):
        (models / folder).mkdir(parents=True, exist_ok=True)
    for change in changes:
        # What the last change has left to be found out is found out now.
        catalogue.refresh()
        before = shelf.all()
        assert shelf.all() == before
        change()
        assert shelf.all() != before
