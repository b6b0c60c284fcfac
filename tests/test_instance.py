"""One server for each data folder: the second is told where the first is; a killed one leaves nothing in the way."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from webui.core.errors import Conflict, StorageProblem
from webui.core.paths import Paths
from webui.instance import DataFolder, running


def test_the_second_server_is_told_where_the_first_is(tmp_path: Path) -> None:
    paths = Paths(data_dir=tmp_path, checkpoint_dirs=(tmp_path / "mine",))
    first = DataFolder(paths)
    first.claim()
    first.announce("http://127.0.0.1:7860")
    try:
        with pytest.raises(Conflict, match=r"http://127\.0\.0\.1:7860"):
            DataFolder(paths).claim()
        found = running(paths)
        assert found is not None and found.token == first.token and found.pid == os.getpid()
        assert found.folders == paths.model_folders
        if os.name == "posix":
            assert stat.S_IMODE(paths.instance.stat().st_mode) == 0o600
    finally:
        first.release()
    assert running(paths) is None and not paths.instance.exists()


def test_a_killed_server_leaves_the_folder_free(tmp_path: Path) -> None:
    code = (
        "import os, sys; from pathlib import Path; from webui.core.paths import Paths;"
        "from webui.instance import DataFolder;"
        "f = DataFolder(Paths(data_dir=Path(sys.argv[1]))); f.claim(); f.announce('http://x'); os._exit(9)"
    )
    died = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, timeout=60)
    assert died.returncode == 9
    paths = Paths(data_dir=tmp_path)
    assert paths.instance.exists()
    assert running(paths) is None
    folder = DataFolder(paths)
    folder.claim()
    folder.release()


def test_a_folder_that_cannot_be_made_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("in the way")
    with pytest.raises(StorageProblem, match="cannot be written"):
        DataFolder(Paths(data_dir=tmp_path)).claim()


def test_a_fresh_data_folder_has_the_folders_that_models_go_into(tmp_path: Path) -> None:
    kept = tmp_path / "models" / "VAE" / "mine.safetensors"
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"x")
    paths = Paths(data_dir=tmp_path)
    for _ in range(2):
        DataFolder(paths).make_model_folders()
    made = sorted(path.name for path in paths.models.iterdir())
    assert made == ["Lora", "Stable-diffusion", "VAE", "embeddings", "text_encoder"]
    # Empty ones, and what is there stays.
    assert [path for path in paths.models.rglob("*") if path.is_file()] == [kept]
    searched = [*paths.model_folders.checkpoints, *paths.model_folders.loras, *paths.other_models["embedding"]]
    assert {paths.models / "Lora", paths.models / "Stable-diffusion", paths.models / "embeddings"} <= set(searched)


def test_folders_that_cannot_be_made_keep_nobody_from_starting(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "models").write_text("a file")
    DataFolder(Paths(data_dir=tmp_path)).make_model_folders()
    assert "Stable-diffusion could not be made" in caplog.text
