"""The options of a worker's engine: a plain value that crosses to the worker process; torch-free."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Literal

from webui.core.model_folders import ModelFolders

Precision = Literal["auto", "fp32", "bf16", "fp16"]
VramMode = Literal["automatic", "none", "medvram", "medvram-sdxl", "lowvram"]
PreviewType = Literal["Full", "TAESD"]


@dataclass(frozen=True, slots=True)
class Chunks:
    """How sub-quadratic attention cuts its work: A1111's three options, and their meaning."""

    query: int = 1024
    """Queries that are computed together."""
    key: int = 0
    """Keys that are looked at together where they must be cut; 0 takes the square root of their number."""
    threshold: int | None = None
    """Percent of the free memory that all scores may fill before keys are cut; 0 always cuts, None means 70."""


class Sharing(Enum):
    """Whether jobs with different adapters share forward passes; see adapters/sharing.py."""

    MEASURED = "measured"
    """Where that is quicker."""
    ALWAYS = "always"
    NEVER = "never"


@dataclass(frozen=True, slots=True)
class EngineConfig:
    """Everything the engine needs to know besides the requests; made once from flags and settings."""

    model_folders: ModelFolders = field(default_factory=ModelFolders)
    cache_dir: Path | None = None
    """Where it is kept what checkpoints are, between starts; None keeps it in memory only."""
    extension_folders: tuple[Path, ...] = ()
    disabled_extensions: tuple[str, ...] = ()
    told: tuple[tuple[str, str], ...] = ()
    """Names of extensions and why they were left out, where a process before this one has said it in the log."""
    device: str = "auto"
    """"auto", "cpu", "cuda:0", "mps"."""
    precision: Precision = "auto"
    vae_precision: Precision = "auto"
    """"auto" leaves it to each family."""
    threads: int = 0
    """CPU threads of one computation; 0 leaves it to torch."""
    chunks: Chunks = field(default_factory=Chunks)
    sharers: int = 1
    """How many workers compute on this device; each takes its part of the threads and of the memory for models."""
    max_rows: int = 32
    """Most rows of one forward pass; a picture with CFG takes two."""
    model_budget_bytes: int = 0
    """How much of the device's memory models may keep; 0 takes a share of what it has."""
    ram_budget_bytes: int = 0
    """How much RAM models may keep that wait there beside a card; 0 takes a share of what the machine has."""
    vram_mode: VramMode = "automatic"
    """Where models wait that the device has no room for; see engine/memory/placement.py."""
    channels_last: bool = False
    """Lay the weights of convolutions out with the channels side by side; see reading/networks.py."""
    fuse_qkv_projections: bool = False
    """Compute queries, keys and values of UNets in one product; see reading/fused.py."""
    compile_repeated_blocks: bool = False
    """Compile the denoisers' repeated blocks in the background; see compiling/apply.py."""
    sharing: Sharing = Sharing.MEASURED
    preview_every: int = 1
    """Steps between two previews, at least; a slow device makes fewer."""
    preview_type: PreviewType = "TAESD"
    """"Full" makes previews by the models' own autoencoders, "TAESD" by small ones where there are some."""
    png_compress_level: int = 1
    warm_checkpoint: str | None = None
    """A checkpoint that is loaded at start, before anybody asks for it; where it is not there (or "") the first one."""
    warm_precisions: Mapping[str, str] = field(default_factory=dict)
    """What its parts' weights are kept in, by role."""


def one_each(config: EngineConfig, devices: Sequence[str]) -> tuple[EngineConfig, ...]:
    """The options of a worker on each of these devices."""
    return tuple(replace(config, device=device, sharers=devices.count(device)) for device in devices)
