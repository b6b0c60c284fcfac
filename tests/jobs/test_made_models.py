"""What a work has made is listed everywhere once its end is told, whatever its kind."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.jobs.helpers import with_loop
from tests.jobs.works_stub import Stubborn
from webui.app import compose
from webui.core.events import ENDS
from webui.core.job import LOCAL_OWNER
from webui.core.paths import Paths
from webui.core.settings import SettingsStore
from webui.engine.cards.listing import Query
from webui.jobs.executors.fake import FakeExecutor


@pytest.mark.parametrize("kind", ["lora", "embedding"])
@with_loop
async def test_a_card_is_there_as_soon_as_the_download_has_ended(tmp_path: Path, kind: str) -> None:
    paths = Paths(data_dir=tmp_path, program_dir=tmp_path)
    folder = paths.other_models[kind][0]
    folder.mkdir(parents=True)
    shop = Stubborn()
    house = compose(paths, SettingsStore(paths.settings), [FakeExecutor(0.005), shop])

    def shown() -> list[str]:
        return [model.name for model in house.service.cards.page(Query(kind=kind), LOCAL_OWNER).models]

    def fetch() -> None:
        assert shown() == [], "somebody has just looked at the cards"
        (folder / "new.safetensors").write_bytes(b"weights")

    shop.work = fetch
    shop.done.set()
    async with house.running() as service:
        job = await service.works.submit("download", {"address": "https://example.org/new.safetensors"}, LOCAL_OWNER)
        async for envelope in service.follow(LOCAL_OWNER, job.id):
            if isinstance(envelope.event, ENDS):
                break
        assert shown() == ["new.safetensors"]
