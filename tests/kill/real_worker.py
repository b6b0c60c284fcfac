"""Jobs on a real engine in a real worker process, with a tiny checkpoint of random weights."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from tests.engine.helpers import write_checkpoint
from webui.core.job import Job, State
from webui.core.model_folders import ModelFolders
from webui.core.request import GenerationRequest
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.config import EngineConfig
from webui.jobs.executors.local import LocalExecutor


class Tiny:
    """A folder with one tiny checkpoint; makes jobs for it and workers that know it."""

    def __init__(self, folder: Path) -> None:
        self.models = folder / "models"
        write_checkpoint(self.models / "tiny")
        (self._checkpoint,) = Catalogue([self.models], folder).all()

    def worker(self, **options: Any) -> LocalExecutor:
        """An executor whose worker is a spawned process with the real engine."""
        return LocalExecutor(self.config(**options))

    def config(self, **options: Any) -> EngineConfig:
        """The options of such a worker's engine."""
        return EngineConfig(**{"model_folders": ModelFolders((self.models,)), "device": "cpu", "threads": 1, **options})

    def job(self, id: str, **values: Any) -> Job:
        """A waiting job."""
        values = {"prompt": "a red", "seed": 7, "steps": 10, "width": 64, "height": 64, **values}
        checkpoint = {"checkpoint": self._checkpoint.title, "checkpoint_hash": self._checkpoint.hash}
        request = GenerationRequest(**{"sampler_name": "Euler", **checkpoint, **values})
        now = time.time()
        return Job(id, "ann", request, State.QUEUED, now, now)
