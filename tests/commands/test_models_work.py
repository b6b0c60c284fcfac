"""models merge, convert, prune and get: from names and addresses to a file in its folder, and exit codes."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors import safe_open

from tests.engine import singles
from tests.engine.helpers import load_model, write_checkpoint
from tests.engine.work.download.conftest import WEIGHTS, Server, file
from webui.cli import main
from webui.commands.models_work import WorkProgress
from webui.core.paths import PROGRAM_DIR


def run(home: Path, *arguments: str) -> int:
    return main(["models", "--data-dir", str(home), *arguments])


SHOP = """
from webui.extend import Found, ModelSource, RemoteFile, hookimpl

@hookimpl
def model_sources():
    return [ModelSource("shop", "Shop", "extension:look")]

def look(wanted):
    number = wanted.address.removeprefix("shop:")
    if number == wanted.address:
        return None
    1 / int(number)
    return lambda web: Found("seven", "LoRA", (RemoteFile("URL/file.safetensors", "seven.safetensors", 3),))
"""


@pytest.fixture
def models(home: Path) -> Path:
    folder = home / "models" / "Stable-diffusion"
    singles.write(singles.sd("sd1").tensors(), folder / "one.safetensors")
    singles.write({**singles.sd("sd1", seed=1).tensors(), "betas": torch.ones(10)}, folder / "two.ckpt")
    vae = home / "models" / "VAE"
    vae.mkdir()
    singles.write(singles.sd("sd1", seed=2).tensors("vae", bare=True), vae / "nice.safetensors")
    return folder


def test_a_merge_is_named_as_a1111_names_it_and_listed(
    home: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(home, "merge", "one", "two", "-M", "0.25", "--save-as", "fp16", "--bake-vae", "nice") == 0
    path = models / "0.75(one) + 0.25(two).safetensors"
    said = capsys.readouterr()
    assert said.out.strip() == str(path) and "Merging" in said.err
    with safe_open(path, "pt") as opened:
        recipe = json.loads(opened.metadata()["sd_merge_recipe"])
    assert (recipe["bake_in_vae"], recipe["multiplier"], recipe["save_as_half"]) == ("nice.safetensors", 0.25, True)
    assert run(home, "show", path.name) == 0
    assert run(home, "merge", "one", "two", "-M", "0.25") == 1
    told = capsys.readouterr().err
    assert "is there already" in told and "with --overwrite" in told and "with --name" in told
    assert run(home, "merge", "one", "two", "-M", "0.25", "--overwrite") == 0
    assert run(home, "convert", "two", "--name", "one") == 1
    assert "with --overwrite" in capsys.readouterr().err


def test_what_one_file_cannot_hold_is_merged_as_a_folder(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = home / "models" / "Stable-diffusion"
    write_checkpoint(folder / "own")
    for command in (["merge", "own", "own", "--name", "second"], ["convert", "own", "--form", "safetensors"]):
        assert run(home, *command) == 1
        said = capsys.readouterr().err
        assert "own cannot be one file: its text encoder has" in said and "Write it as a folder (diffusers)" in said
    assert not list(folder.glob("*.safetensors"))
    assert run(home, "merge", "own", "own", "--format", "diffusers", "--name", "second") == 0
    assert capsys.readouterr().out.strip() == str(folder / "second")
    load_model(folder / "second")


def test_a_conversion_and_a_pruning(home: Path, models: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home, "convert", "two") == 0
    assert run(home, "convert", "one", "--to", "diffusers", "--save-denoiser-as", "fp16", "--name", "folder") == 0
    assert (models / "two.safetensors").is_file() and (models / "folder" / "model_index.json").is_file()
    assert run(home, "prune", "two.ckpt") == 0
    capsys.readouterr()
    assert run(home, "show", "two-pruned") == 0
    assert "Stable Diffusion 1" in capsys.readouterr().out
    assert run(home, "prune", "one") == 1
    assert "There is nothing to prune in one.safetensors" in capsys.readouterr().err
    assert not (models / "one-pruned.safetensors").exists()
    assert run(home, "prune", "one", "--keep-ema") == 1
    assert "no averaged" in capsys.readouterr().err
    assert run(home, "prune", "folder") == 1
    assert "folder is a folder, which holds nothing that could be left out" in capsys.readouterr().err


def test_one_model_alone_is_merged_with_nothing_where_something_is_asked_for(
    home: Path, models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(home, "merge", "one") == 2
    assert "Weighted sum takes A and B; given: A." in capsys.readouterr().err
    assert run(home, "merge", "one", "--save-as", "fp16") == 1
    assert "one.safetensors is there already" in capsys.readouterr().err
    assert run(home, "merge", "one", "--save-as", "fp16", "--name", "half") == 0
    assert (models / "half.safetensors").is_file()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    return Server()


def test_a_file_is_looked_at_and_fetched(home: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    server.routes["/lora.safetensors"] = file()
    address = f"{server.url}/lora.safetensors"
    target = home / "models" / "Lora" / "mine.safetensors"
    try:
        assert run(home, "get", address, "--kind", "LoRA", "--name", "mine", "--look", "--json") == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["size"], found["kind"], found["target"]) == (len(WEIGHTS), "LoRA", str(target))
        assert not target.exists()
        assert run(home, "get", address, "--kind", "LoRA", "--name", "mine") == 0
        said = capsys.readouterr()
        assert said.out.strip() == str(target) and target.read_bytes() == WEIGHTS and "not told" in said.err
        assert run(home, "get", address, "--kind", "LoRA", "--name", "CON/../../x") == 0
        told = capsys.readouterr()
        assert told.out.strip().endswith("CON_.._.._x.safetensors")
        assert "It was saved as CON_.._.._x.safetensors: 'CON/../../x' cannot be" in told.err
        assert run(home, "get", address, "--kind", "LoRA", "--name", "n" * 300) == 2
        assert "it has 300 bytes, and 218 are taken" in capsys.readouterr().err
        assert run(home, "get", f"{server.url}/nothing.safetensors") == 1
        assert "is not there" in capsys.readouterr().err
    finally:
        server.close()


def test_an_extension_s_source_is_asked_first(home: Path, server: Server, capsys: pytest.CaptureFixture[str]) -> None:
    folder = home / "extensions" / "shop"
    folder.mkdir(parents=True)
    (folder / "extension.toml").write_text('name = "shop"\nversion = "1"\napi = "1"\n', "utf-8")
    (folder / "extension.py").write_text(SHOP.replace("URL", server.url), "utf-8")
    assert run(home, "get", "shop:7", "--look", "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["name"], found["kind"]) == ("seven", "LoRA")
    assert run(home, "get", "shop:0", "--look") == 1
    assert "'shop' failed in model_sources" in capsys.readouterr().err


def test_a_token_is_kept_where_nobody_else_reads_it(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("hf_secret\n"))
    assert run(home, "get", "--token-for", "huggingface.co") == 0
    path = home / "data" / "tokens.json"
    assert json.loads(path.read_text()) == {"huggingface.co": "hf_secret"} and path.stat().st_mode & 0o777 == 0o600
    said = capsys.readouterr()
    assert "kept" in said.out and "secret" not in said.out + said.err


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["merge", "one"], "Unknown checkpoint 'one'"),
        (["merge", "sham", "sham", "-M", "2"], "from 0 to 1"),
        (["merge", "a", "b", "c", "d"], "one to three"),
        (["merge", "sham"], "Weighted sum takes A and B; given: A."),
        (["convert", "sham", "--to", "banana"], "--to must be one of safetensors"),
        (["convert", "sham", "--form=banana"], "--form must be one of safetensors"),
        (["merge", "sham", "--method", "average"], "must be one of Weighted sum"),
        (["merge", "sham", "--bake-vae", "none.pt"], "Unknown VAE"),
        (["convert", "sham", "--to", "onnx"], "must be one of safetensors"),
        (["convert", "sham", "--save-as", "int8"], "must be one of fp32"),
        (["get"], "Say what to get"),
        (["get", "word"], "neither an address"),
        (["get", "http://example.org/a.safetensors"], "This address of example.org is refused"),
        (["get", "https://me:secret@example.org/a"], "holds a password or token"),
        (["get", "--token-for", "a b"], "no server's name"),
    ],
)
def test_wrong_words_are_said(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    assert run(home, *arguments) == 2
    assert expected in capsys.readouterr().err


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_the_bar_is_drawn_in_place_and_sentences_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    progress = WorkProgress()
    progress.tell(0.5, "Merging")
    progress.tell(1.0, "One tensor holds no numbers.")
    progress.clear()
    assert "\r[############------------]  50% Merging" in stream.getvalue()
    assert "One tensor holds no numbers.\n" in stream.getvalue()


@pytest.mark.parametrize("module", ["models_get", "models_merge", "models_convert"])
def test_no_command_imports_torch_before_it_works(module: str) -> None:
    code = f"import sys, webui.commands.{module}; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=PROGRAM_DIR, timeout=120).returncode == 0
