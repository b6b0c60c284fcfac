"""What a command line means: folders, settings, device and server options, as one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from webui.core.model_folders import ModelFolders
from webui.core.paths import PROGRAM_DIR, Paths

DEFAULT_PORT = 7860


@dataclass(frozen=True, slots=True)
class Options:
    """The options of one run; defaults are those of a start without flags."""

    data_dir: Path = PROGRAM_DIR
    models_dir: Path | None = None
    checkpoint_dirs: tuple[Path, ...] = ()
    """Further folders of checkpoints, or single ones."""
    more_folders: ModelFolders = field(default_factory=ModelFolders)
    """Those that flags name besides --ckpt-dir: of other programs, of VAEs, of text encoders."""
    named_folders: tuple[tuple[str, Path], ...] = ()
    """Each of these flags with the path that stands behind it."""
    styles_files: tuple[Path, ...] = ()
    settings_path: Path | None = None
    use_extensions: bool = True

    settings: Mapping[str, Any] = field(default_factory=dict)
    """Settings that flags have set, over the file and the environment."""
    freeze_settings: bool = False

    devices: tuple[str, ...] = ("auto",)
    """"cpu", "cuda:0", "mps": each gets a worker; one named twice gets two, which share it. "auto" is the best one."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    vae_precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Of the VAE alone; "auto" is the rest's, but fp32 where that is fp16, which VAEs overflow."""
    vram_mode: Literal["automatic", "none", "medvram", "medvram-sdxl", "lowvram"] = "automatic"
    """Whether models wait in RAM beside a card; "automatic" has those do so that the card has no room for."""
    sub_quad_q_chunk_size: int = 1024
    sub_quad_kv_chunk_size: int = 0
    """0 means the square root of their number."""
    sub_quad_chunk_threshold: int | None = None
    """Percent of the free memory; None means 70."""
    warm: bool = True
    """Load the checkpoint at the start, before anybody asks for a picture."""

    listen: bool = False
    server_name: str = ""
    port: int | None = None
    """None means 7860. When it is taken, asked for or not, the next free one serves, and that is said."""
    share: bool = False
    insecure_extension_access: bool = False
    """Let the owner install extensions while the page is shared."""
    accounts: str = ""
    accounts_file: Path | None = None
    origins: tuple[str, ...] = ()
    tls_keyfile: Path | None = None
    tls_certfile: Path | None = None
    subpath: str = ""
    autolaunch: bool = False

    loglevel: str = "INFO"
    notices: tuple[str, ...] = ()
    """Sentences about flags that were given and change nothing here."""

    @property
    def paths(self) -> Paths:
        """The folders."""
        return Paths(
            data_dir=self.data_dir,
            models_dir=self.models_dir,
            checkpoint_dirs=self.checkpoint_dirs,
            more_folders=self.more_folders,
            styles_files=self.styles_files,
            settings_path=self.settings_path,
            use_extensions=self.use_extensions,
        )

    @property
    def host(self) -> str:
        """The address that the server listens at."""
        return self.server_name or ("0.0.0.0" if self.listen else "127.0.0.1")


def option_names() -> frozenset[str]:
    """Names of all options, for the flags' table to be checked against."""
    return frozenset(option.name for option in fields(Options))
