"""Where things lie: the program's own folder and the person's data folder."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from webui.core.model_folders import ModelFolders, inside_models

PROGRAM_DIR = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Paths:
    """All folders and files that the program reads or writes; made once from the flags, then passed along.

    `data_dir` holds models/, outputs/, extensions/ and data/ (database, settings, bin, logs), as A1111's --data-dir.
    """

    data_dir: Path = PROGRAM_DIR
    models_dir: Path | None = None
    checkpoint_dirs: tuple[Path, ...] = ()
    """Further folders with checkpoints (--ckpt-dir) or single ones (--ckpt), searched after the own ones."""
    more_folders: ModelFolders = field(default_factory=ModelFolders)
    """Further folders of models, after those."""
    styles_files: tuple[Path, ...] = ()
    """In place of styles.csv in the data folder (--styles-file)."""
    outputs_dir: Path | None = None
    settings_path: Path | None = None
    use_extensions: bool = True
    """False leaves all extensions out (--disable-all-extensions)."""
    program_dir: Path = field(default=PROGRAM_DIR)

    @property
    def models(self) -> Path:
        """The folder with A1111's model folders in it."""
        return self.models_dir or self.data_dir / "models"

    @property
    def model_folders(self) -> ModelFolders:
        """Every folder that is searched for models, the person's first; the program's own holds the starter model."""
        own, program = inside_models(self.models), inside_models(self.program_dir / "models")
        return own + ModelFolders(self.checkpoint_dirs) + self.more_folders + program

    @property
    def other_models(self) -> dict[str, tuple[Path, ...]]:
        """Folders with models of kinds that are listed and not read yet, by kind."""
        return {"lora": self.model_folders.loras, "embedding": self.model_folders.embeddings}

    @property
    def style_files(self) -> tuple[Path, ...]:
        """Files with styles; the first takes new ones."""
        return self.styles_files or (self.data_dir / "styles.csv",)

    @property
    def wildcards(self) -> tuple[Path, ...]:
        """Folders with wildcards: the person's own, then those of extensions."""
        theirs = sorted(path for folder in self.extensions for path in folder.glob("*/wildcards"))
        return (self.data_dir / "wildcards", *theirs)

    @property
    def outputs(self) -> Path:
        """The folder that pictures are saved below."""
        return self.outputs_dir or self.data_dir / "outputs"

    @property
    def extensions(self) -> tuple[Path, ...]:
        """Folders with extensions; the program's own holds the examples."""
        if not self.use_extensions:
            return ()
        mine = self.data_dir / "extensions"
        own = self.program_dir / "extensions"
        return (own,) if mine == own else (own, mine)

    @property
    def state(self) -> Path:
        """The folder for the program's own files."""
        return self.data_dir / "data"

    @property
    def database(self) -> Path:
        """The SQLite file with jobs and pictures."""
        return self.state / "darkroom.sqlite3"

    @property
    def settings(self) -> Path:
        """The settings file."""
        return self.settings_path or self.state / "settings.json"

    @property
    def instance(self) -> Path:
        """Written while a server runs: its address and the token of its owner, readable by the owner only."""
        return self.state / "instance.json"

    @property
    def seals(self) -> Path:
        """The key by which the program knows again what it gave out, readable by the owner only."""
        return self.state / "seals.json"

    @property
    def bin(self) -> Path:
        """Where deleted pictures go."""
        return self.outputs / ".bin"
