"""For the tests of an extension: pictures of the starter model with it, and the page's side of it on a fake device.

`from webui.extend.testing import desk, studio` in a test module gives both as pytest fixtures, on the extension whose
folder the module lies in.
"""

from __future__ import annotations

import importlib
import io
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import httpx
import pytest
from PIL import Image

from webui import accept
from webui.app import House, compose
from webui.core.errors import DarkroomError
from webui.core.events import ENDS, Failed, Note, Output, Picture
from webui.core.fields import ROWS
from webui.core.model_folders import ModelFolders
from webui.core.paths import PROGRAM_DIR, Paths
from webui.core.registry import Registry
from webui.core.settings import Settings, SettingsStore
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.identify import Kinds
from webui.engine.config import EngineConfig
from webui.engine.engine import Engine
from webui.jobs.executors.fake import FakeExecutor
from webui.plugins.loader import build_registry, load_plugins
from webui.plugins.manager import Plugins
from webui.plugins.manifest import FILE, read_manifest
from webui.ui.blocks import build_blocks, mount_options
from webui.ui.extension_assets import PageAssets, page_texts
from webui.web.access import identity_of
from webui.web.identity import Access, Sharing
from webui.web.keys import Keys
from webui.web.server import build_app, mount_page
from webui.web.threaded import threaded

__all__ = ["STARTER", "Desk", "Shot", "Studio", "desk", "desk_with", "studio", "studio_with"]

STARTER = PROGRAM_DIR / "models" / "Stable-diffusion" / "darkroom-starter"
"""The model that every installation has: 128 x 128, red circles and the like."""

_SECONDS = 120.0
_TOKEN = "the owner's, in a test"


@dataclass(frozen=True, slots=True)
class Shot:
    """One finished picture: RGB as it would be saved, its infotext, its seed and its number in the request from 0."""

    image: Image.Image
    infotext: str
    seed: int
    index: int


class Studio:
    """An engine with the starter model in this process, and the extensions of some folders."""

    def __init__(self, folders: Sequence[Path], models: ModelFolders) -> None:
        self._folders = folders
        self.plugins: Plugins = load_plugins(folders, "worker")
        self.registry: Registry = build_registry(self.plugins)
        self.catalogue = Catalogue(models, kinds=Kinds.of(self.registry))
        self.notes: list[str] = []
        """What the person is told beside the pictures of the last request."""
        self._outputs: dict[str, list[Output]] = {}
        self._changed = threading.Condition()
        self._engine = Engine(EngineConfig(models, device="cpu"), self.registry, self.plugins, self._hear)

    def make(self, **values: Any) -> list[Shot]:
        """The pictures of a request, given by the names of its fields; the others have the starter's defaults.

        An extension's fields go by `extensions={"its-name": {"its_field": 3}}`. Raises what acceptance refuses, and
        DarkroomError with what the job ended with where it failed.
        """
        asked = {"prompt": "a red circle on a white background", "seed": 1, **values}
        request = accept.resolve(asked, self.registry, self.catalogue, Settings.model_validate({}), ROWS)
        job_id = f"test {len(self._outputs)}"
        with self._changed:
            self._outputs[job_id] = []
        self._engine.submit(job_id, request)
        outputs = self._outputs[job_id]
        with self._changed:
            if not self._changed.wait_for(lambda: bool(outputs) and isinstance(outputs[-1], ENDS), _SECONDS):
                raise DarkroomError(f"The job did not end within {_SECONDS:g} s; so far it told {outputs}.")
        self.notes = [output.text for output in outputs if isinstance(output, Note)]
        if isinstance(end := outputs[-1], Failed):
            raise DarkroomError(end.problem.detail)
        found = sorted((output for output in outputs if isinstance(output, Picture)), key=lambda one: one.index)
        return [Shot(_opened(one.data), one.infotext, one.seed, one.index) for one in found]

    def module(self, name: str) -> ModuleType:
        """A module of the extension, as it was loaded: "worker" is its worker.py."""
        return _module_of(self._folders[0], name)

    def close(self) -> None:
        """End the engine."""
        self._engine.close()

    def _hear(self, job_id: str, output: Output) -> None:
        with self._changed:
            self._outputs[job_id].append(output)
            self._changed.notify_all()


@dataclass
class Desk:
    """The page and its HTTP API with an extension, on a device that only pretends. `client` asks as the owner."""

    url: str
    house: House
    client: httpx.Client = field(repr=False)
    folders: Sequence[Path] = ()

    def module(self, name: str) -> ModuleType:
        """A module of the extension, as it was loaded: "extension" is its extension.py."""
        return _module_of(self.folders[0], name)

    def finished(self, job_id: str) -> dict[str, Any]:
        """A job as the API shows it, once it has ended."""
        with self.client.stream("GET", f"/api/v1/jobs/{job_id}/events") as stream:
            for _ in stream.iter_lines():
                pass
        job: dict[str, Any] = self.client.get(f"/api/v1/jobs/{job_id}").raise_for_status().json()
        return job


@contextmanager
def studio_with(*folders: Path, models: ModelFolders | None = None) -> Iterator[Studio]:
    """A studio for as long as the block runs. folders: of extensions, or with extensions in them.

    Raises DarkroomError with the reason where one of them was left out.
    """
    studio = Studio(folders, models or ModelFolders((STARTER,)))
    try:
        _refuse_broken(studio.plugins)
        yield studio
    finally:
        studio.close()


@contextmanager
def desk_with(*folders: Path, home: Path) -> Iterator[Desk]:
    """A desk for as long as the block runs, with its data in `home`. Raises DarkroomError as `studio_with`."""
    paths = _Paths(data_dir=home, only=tuple(folders))
    settings = SettingsStore(paths.settings)
    house = compose(paths, settings, [FakeExecutor(step_seconds=0.005)])
    _refuse_broken(house.plugins)
    access = Access(Sharing(), Keys(paths.state / "access.json"), _TOKEN)
    assets = PageAssets(house.plugins, lambda: settings.current)
    app = build_app(house.service, access, assets, assets.head)
    blocks = build_blocks(house.service, identity_of)
    mount_page(
        app,
        blocks,
        house.service.registry.tabs,
        mount_options(page_texts(house.plugins.reports)),
        (paths.outputs, paths.state),
    )
    owner = {"Authorization": f"Bearer {_TOKEN}"}
    with (
        threaded(lambda: (app, house.running())) as served,
        httpx.Client(base_url=served.url, headers=owner, timeout=30) as client,
    ):
        yield Desk(served.url, house, client, folders)


@pytest.fixture(scope="module")
def studio(request: pytest.FixtureRequest) -> Iterator[Studio]:
    """A studio with the extension that the test belongs to."""
    with studio_with(_extension_of(request.path)) as made:
        yield made


@pytest.fixture(scope="module")
def desk(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """A desk with the extension that the test belongs to."""
    with desk_with(_extension_of(request.path), home=tmp_path_factory.mktemp("desk")) as made:
        yield made


@dataclass(frozen=True, kw_only=True)
class _Paths(Paths):
    """A data folder with these extensions and no others; the starter model is the program's."""

    only: tuple[Path, ...] = ()

    @property
    def extensions(self) -> tuple[Path, ...]:
        """Folders with extensions."""
        return self.only


def _extension_of(test: Path) -> Path:
    for folder in test.parents:
        if (folder / FILE).is_file():
            return folder
    raise DarkroomError(f"{test} lies in no extension's folder: none above it has an {FILE}.")


def _module_of(folder: Path, name: str) -> ModuleType:
    return importlib.import_module(f"{read_manifest(folder).package}.{name}")


def _refuse_broken(plugins: Plugins) -> None:
    for report in plugins.reports:
        if not report.ok:
            why = f"{report.problem}\n{report.trace}".rstrip()
            raise DarkroomError(f"The extension '{report.name}' was left out. {why}")


def _opened(data: bytes) -> Image.Image:
    image = Image.open(io.BytesIO(data))
    image.load()
    return image
