"""All models without an adapter of their own: loaded as the pipeline class that their folder names."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import diffusers
from diffusers.utils import logging as diffusers_logging

from webui.core.errors import ModelProblem, first_line
from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.device import is_out_of_memory
from webui.engine.reading.base import Reader
from webui.engine.stock.model import StockModel
from webui.plugins.builtin.stock import StockClass, stock_classes

log = logging.getLogger(__name__)

_VARIANTS = ("fp16", "bf16")


def load(checkpoint: Checkpoint, reader: Reader) -> StockModel:
    """The checkpoint's pipeline on the device. Nothing is fetched, and no code of the folder is run. Raises
    ModelProblem."""
    row = stock_classes()[checkpoint.variant]
    # They would be drawn into the log, one for each part.
    diffusers_logging.disable_progress_bar()
    names = [file.name for file in checkpoint.weights]
    variant = next((v for v in _VARIANTS if any(f".{v}." in name for name in names)), None)
    try:
        pipeline = _pipeline(checkpoint.path, row, {"torch_dtype": reader.dtype, "variant": variant})
    except Exception as error:
        if is_out_of_memory(error):
            raise
        raise ModelProblem(f"{checkpoint.name} cannot be loaded: {first_line(error)}", field="checkpoint") from error
    pipeline.to(reader.device)
    pipeline.set_progress_bar_config(disable=True)
    return StockModel(pipeline, row, reader.device, reader.dtype)


def _pipeline(folder: Path, row: StockClass, options: dict[str, Any]) -> Any:
    kind = getattr(diffusers, row.runs)
    if not row.modular:
        return kind.from_pretrained(folder, local_files_only=True, **options)
    pipeline = kind.from_pretrained(folder, local_files_only=True, workflow="text2image")
    pipeline.load_components(local_files_only=True, **options)
    components = pipeline.components
    lacking = [name for name in pipeline.pretrained_component_names if components.get(name) is None]
    # What the index leaves out is left out on purpose; what it has and could not be read is a fault.
    lacking = [name for name in lacking if (folder / name).is_dir()]
    if lacking:
        raise ModelProblem(f"the part {lacking[0]} could not be read.", field="checkpoint")
    return pipeline
