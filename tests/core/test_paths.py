"""Paths: everything lies below the data folder unless a flag says otherwise."""

from __future__ import annotations

from pathlib import Path

from webui.core.paths import PROGRAM_DIR, Paths


def test_the_program_folder_holds_the_program() -> None:
    assert (PROGRAM_DIR / "webui" / "core" / "paths.py").is_file()


def test_everything_of_the_person_lies_below_the_data_folder(tmp_path: Path) -> None:
    paths = Paths(data_dir=tmp_path)
    own = (paths.models, paths.outputs, paths.state, paths.database, paths.settings, paths.instance, paths.bin)
    assert all(path.is_relative_to(tmp_path) for path in own)


def test_the_starter_and_the_examples_are_found_from_any_data_folder(tmp_path: Path) -> None:
    paths = Paths(data_dir=tmp_path, checkpoint_dirs=(tmp_path / "more",))
    folders = paths.model_folders
    assert folders.checkpoints[0] == tmp_path / "models" / "Stable-diffusion"
    places = [folders.checkpoints.index(f) for f in (tmp_path / "more", PROGRAM_DIR / "models" / "Stable-diffusion")]
    assert places == sorted(places)
    assert folders.vae == (tmp_path / "models" / "VAE", PROGRAM_DIR / "models" / "VAE")
    assert paths.extensions == (PROGRAM_DIR / "extensions", tmp_path / "extensions")


def test_no_folder_is_searched_twice() -> None:
    paths = Paths()
    folders = paths.model_folders
    assert len(set(folders.checkpoints)) == len(folders.checkpoints) and len(folders.vae) == 1
    assert len(paths.extensions) == 1


def test_flags_move_single_folders(tmp_path: Path) -> None:
    paths = Paths(tmp_path, models_dir=tmp_path / "m", outputs_dir=tmp_path / "o", settings_path=tmp_path / "s.json")
    assert paths.model_folders.checkpoints[0] == tmp_path / "m" / "Stable-diffusion"
    assert paths.bin == tmp_path / "o" / ".bin"
    assert paths.settings == tmp_path / "s.json"
