"""models lists the checkpoints, shows one, and chooses one."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests import shams
from tests.engine import singles
from tests.web.helpers import Site, finished
from webui.cli import main
from webui.core.paths import Paths
from webui.core.settings import SettingsStore


def run(home: Path, *arguments: str) -> int:
    return main(["models", "--data-dir", str(home), *arguments])


def test_each_checkpoint_has_a_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    broken = home / "models" / "Stable-diffusion" / "torn.safetensors"
    broken.write_bytes(b"\x00" * 20)
    assert run(home) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    assert "Stable Diffusion 1" in lines["sham"] and "fp16 diffusers" in lines["sham"] and "MiB" in lines["sham"]
    assert len(lines["torn.safetensors"].split("MiB")[1]) > 20


def test_one_is_shown_in_full_and_as_json_a_line_each(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home, "sham", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["name"], facts["problem"], facts["defaults"]["native_size"]) == ("sham", None, 64)
    assert len(facts["hash"]) == 64
    assert run(home, "--json") == 0
    names = [json.loads(line)["name"] for line in capsys.readouterr().out.splitlines()]
    assert "sham" in names


def test_one_is_shown_with_what_is_in_it_and_what_is_missing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.rmtree(home / "models" / "Stable-diffusion" / "sham" / "vae")
    assert run(home, "show", "sham") == 1
    text = capsys.readouterr().out
    assert "kind        Stable Diffusion 1" in text
    assert "UNet of Stable Diffusion, fp16" in text
    assert "vae               missing" in text and "which goes into models/VAE" in text


def test_a_list_can_be_searched_sorted_and_of_another_kind(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = home / "models" / "Stable-diffusion"
    (folder / "sham.json").write_text(json.dumps({"notes": "from the flea market", "activation text": "ink, wash"}))
    shutil.copytree(folder / "sham", folder / "art" / "other")
    shams.write(home / "models" / "VAE" / "mse.safetensors", ("", shams.vae(4)))

    def listed(*arguments: str) -> list[str]:
        run(home, "list", *arguments)
        return [
            line.split()[0]
            for line in capsys.readouterr().out.splitlines()[1:]
            if " " in line and "starter" not in line
        ]

    assert listed("--search", "FLEA ink") == ["sham"]
    assert listed("--folder", "art") == ["art/other"]
    assert listed("--sort", "name") == listed("--sort", "path") == ["art/other", "sham"]
    assert listed("--sort", "name", "--descending") == ["sham", "art/other"]
    assert listed("--kind", "vae") == ["mse.safetensors"]
    assert run(home, "list", "--kind", "text_encoder") == 1
    assert str(home / "models" / "text_encoder") in capsys.readouterr().out
    assert run(home, "list", "--search", "nothing like it") == 1
    assert capsys.readouterr().out == "No model is so.\n"


def test_what_its_card_says_is_shown(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = home / "models" / "Stable-diffusion"
    said = {"description": "one\ntwo", "notes": "mine", "activation text": "ink", "clip skip": 2, "vae": 3}
    (folder / "sham.json").write_text(json.dumps(said))
    (folder / "sham.preview.png").write_bytes(b"x")
    assert run(home, "show", "sham") == 0
    text = capsys.readouterr().out
    for line in (
        "trigger words: ink",
        "clip skip: 2",
        "preview: sham.preview.png",
        "description: one\n    two",
        "notes: mine",
    ):
        assert line in text
    assert "In sham.json 'vae' is no text" in text
    assert run(home, "show", "sham", "--json") == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["trigger_words"] == ["ink"] and facts["said"]["clip_skip"] == 2 and len(facts["card_problems"]) == 1
    assert facts["preview"] == str(folder / "sham.preview.png")


def test_list_is_the_same_as_nothing(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home, "list") == 0
    listed = capsys.readouterr().out
    assert run(home) == 0
    assert capsys.readouterr().out == listed
    # A checkpoint of a subcommand's name is there all the same.
    (home / "models" / "Stable-diffusion" / "sham").rename(home / "models" / "Stable-diffusion" / "list")
    assert run(home, "show", "list") == 0
    assert capsys.readouterr().out.startswith("list [")


def test_the_chosen_one_is_kept_and_marked(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home, "sham", "--use") == 0
    title = SettingsStore(Paths(data_dir=home).settings).current.sd_model_checkpoint
    assert title.startswith("sham [")
    capsys.readouterr()
    assert run(home) == 0
    (line,) = (line for line in capsys.readouterr().out.splitlines() if line.startswith("sham"))
    assert line.endswith("chosen")


def test_a_running_server_is_told(home: Path, site: Site) -> None:
    assert run(home, "sham", "--use") == 0
    values = site.owner().get("/api/v1/settings").json()["values"]
    assert values["sd_model_checkpoint"].startswith("sham [")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["shan"], "Did you mean 'sham'"),
        (["frob"], "Subcommands: list, show, merge, convert, prune, get, unload"),
        (["show", "shan"], "Did you mean 'sham'"),
        (["show"], "the name of one checkpoint"),
        (["list", "sham"], "list takes no name"),
        (["--use"], "needs the name of a checkpoint"),
        (["list", "--use"], "needs the name of a checkpoint"),
    ],
)
def test_wrong_names_are_said(
    home: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    assert run(home, *arguments) == 2
    assert expected in capsys.readouterr().err


def test_other_models_than_checkpoints_are_shown(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loras = home / "models" / "Lora" / "deep"
    loras.mkdir(parents=True, exist_ok=True)
    shams.write(loras / "meta v2.safetensors", ("", shams.lora()))
    (loras / "meta v2.json").write_text(json.dumps({"activation text": "ink, wash", "preferred weight": 0.7}))
    (home / "models" / "Lora" / "torn.safetensors").write_bytes(b"\x00" * 20)
    shams.write(home / "models" / "VAE" / "mse.safetensors", ("", shams.vae(4)))
    for words in (["meta v2"], ["--kind", "lora", "meta v2"], ["deep/Meta V2", "--kind", "lora"]):
        assert run(home, "show", *words) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "deep/meta v2.safetensors"
        assert f"  file        {loras / 'meta v2.safetensors'}" in lines
        assert "  kind        LoRA, Stable Diffusion 1" in lines
        assert "  trigger words: ink, wash" in lines and "  preferred weight: 0.7" in lines
    assert run(home, "show", "--json", "--kind", "lora", "meta v2") == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["kind"], facts["trigger_words"], facts["problem"]) == ("lora", ["ink", "wash"], None)
    assert run(home, "show", "torn") == 1
    assert "It cannot be used. torn.safetensors" in capsys.readouterr().out
    assert run(home, "show", "mse", "--kind", "vae") == 0
    assert "  kind        VAE" in capsys.readouterr().out
    assert run(home, "show", "--kind", "lora", "mse") == 2
    assert "Unknown LoRA 'mse'. Known: meta v2, starter-lime, torn." in capsys.readouterr().err
    assert run(home, "show", "--kind", "lora", "meta", "v2") == 2
    assert "Put quotes around a name of several words" in capsys.readouterr().err
    assert run(home, "show", "--kind", "lora", "meta v2", "--use") == 2
    assert "--use is for checkpoints" in capsys.readouterr().err


def test_an_embedding_is_shown_by_its_word(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = home / "models" / "embeddings"
    folder.mkdir(parents=True, exist_ok=True)
    shams.write(folder / "plum.safetensors", ("", shams.embedding()))
    assert run(home, "show", "--kind", "embedding", "PLUM") == 0
    assert "  kind        Embedding, Stable Diffusion 1, 2 vectors" in capsys.readouterr().out.splitlines()


def test_models_of_a_running_server_are_unloaded(home: Path, site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home, "unload") == 0
    assert capsys.readouterr().out.splitlines() == ["No model is loaded."]
    client = site.owner()
    job = client.post("/api/v1/jobs", json={"prompt": "red", "steps": 1}).raise_for_status().json()
    finished(client, job["id"])
    assert run(home, "unload") == 0
    assert capsys.readouterr().out.splitlines() == ["Unloaded sham."]


def test_without_a_server_there_is_nothing_to_unload(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home, "unload") == 1
    assert "No Darkroom runs" in capsys.readouterr().err


def test_the_vae_that_is_used_is_shown_with_the_rule_that_chose_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = home / "models" / "Stable-diffusion"
    shams.write(folder / "sham.vae.safetensors", ("", shams.vae(4)))
    shams.write(home / "models" / "VAE" / "mse.safetensors", ("", shams.vae(4)))
    assert run(home, "show", "sham") == 0
    assert "from sham.vae.safetensors: it lies beside the checkpoint under its name" in capsys.readouterr().out
    (folder / "sham.json").write_text('{"vae": "mse"}')
    assert run(home, "show", "sham") == 0
    text = capsys.readouterr().out
    assert "from mse.safetensors: its card prefers it" in text and "from sham.vae" not in text
    assert run(home, "show", "sham", "--json") == 0
    (vae,) = (part for part in json.loads(capsys.readouterr().out)["parts"] if part["role"] == "vae")
    assert (vae["file"], vae["by"]) == ("mse.safetensors", "card")
    (folder / "sham.json").write_text('{"vae": "gone"}')
    run(home, "show", "sham")
    assert "The preferred VAE 'gone' is not used:" in capsys.readouterr().out


def test_where_the_chosen_one_is_gone_the_list_says_which_is_taken(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = home / "models" / "Stable-diffusion"
    shutil.copytree(folder / "sham", folder / "other")
    # Of other weights: the same ones would be known by their hash, whatever they are called.
    shams.write(next((folder / "other" / "vae").glob("*.safetensors")), ("", shams.vae(4)), fill=1.0)
    assert run(home, "other", "--use") == 0
    assert run(home) == 0
    assert "which the settings choose" not in capsys.readouterr().out
    shutil.rmtree(folder / "other")
    assert run(home) == 0
    told = capsys.readouterr().out.splitlines()[-1]
    assert told.startswith("other [") and "is not in the folders of models" in told
    assert told.endswith(", the first that works.")


def test_each_kind_has_its_own_head_and_says_its_precision(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shams.write(home / "models" / "VAE" / "mse.safetensors", ("", shams.vae(4)))
    shams.write(home / "models" / "text_encoder" / "clip.safetensors", ("", shams.clip()))
    shams.write(home / "models" / "Lora" / "ink.safetensors", ("", shams.lora()))
    for kind, head, row in (
        ("checkpoint", "Checkpoint", "fp16 diffusers"),
        ("vae", "VAE", "fp16 safetensors"),
        ("text_encoder", "Text encoder", "fp16 safetensors"),
        ("lora", "LoRA", "Stable Diffusion 1"),
    ):
        assert run(home, "list", "--kind", kind) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].startswith(f"{head}  ") and any(row in line for line in lines[1:]), kind
    assert run(home, "list", "--kind", "vae", "--json") == 0
    assert json.loads(capsys.readouterr().out)["precision"] == "fp16"


def test_files_that_are_not_used_are_told_under_the_list_and_at_the_model(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "a1111" / "models" / "Stable-diffusion" / "sham"
    shutil.copytree(home / "models" / "Stable-diffusion" / "sham", other)
    flags = ("--a1111-home", str(tmp_path / "a1111"))
    for words in (("list",), ("show", "sham")):
        assert run(home, *words, *flags) == 0
        text = capsys.readouterr().out
        assert f"has the same name and comes first: {other}" in text
    assert run(home, "list") == 0
    assert "comes first" not in capsys.readouterr().out


def test_what_a_model_predicts_is_said_once_and_where_nothing_says_it_what_is_taken_for_it(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = home / "models" / "Stable-diffusion"
    for name, kind in (("one", "sd1"), ("two", "sd2"), ("xl", "sdxl"), ("v", "sd2")):
        singles.write(singles.sd(kind).tensors(), folder / f"{name}.safetensors")
    (folder / "v.yaml").write_text('model:\n  params:\n    parameterization: "v"\n')
    shown = {}
    for name in ("one", "two", "xl", "v"):
        assert run(home, "show", name) == 0
        [line] = [line for line in capsys.readouterr().out.splitlines() if line.startswith("  predict")]
        run(home, "show", name, "--json")
        facts = json.loads(capsys.readouterr().out)
        shown[name] = line, facts["prediction_type"], facts["prediction_assumed"]
    noise = "  predicts    noise (epsilon): assumed, since nothing says otherwise", "", "epsilon"
    assert shown == {
        "one": noise,
        "two": (
            "  predicts    noise or velocity: nothing says it, so it is found out when it is loaded",
            "",
            "measured",
        ),
        "xl": noise,
        "v": ("  predicts    velocity (v_prediction)", "v_prediction", ""),
    }


def test_long_names_are_shortened_on_a_terminal_and_whole_elsewhere(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    long = "n" * 120 + "-end"
    shutil.copytree(home / "models" / "Stable-diffusion" / "sham", home / "models" / "Stable-diffusion" / long)
    assert run(home) == 0
    assert f"{long} [" in capsys.readouterr().out
    monkeypatch.setenv("COLUMNS", "100")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    assert run(home) == 0
    lines = capsys.readouterr().out.splitlines()
    assert all(len(line) <= 100 for line in lines), "every row is one line"
    [cut] = [line for line in lines if line.startswith("nnnn")]
    assert "…" in cut and "Stable Diffusion 1  fp16 diffusers" in cut
    assert cut.partition("  ")[0].endswith("]"), "the hash tells them apart"


def test_a_quantised_file_is_called_by_its_quantisation(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tensors = {name: tensor for name, tensor in singles.sd("sd1").tensors().items() if tensor.dim()}
    few = {name for name, tensor in tensors.items() if name.endswith("attn1.to_q.weight")}
    path = singles.write(tensors, home / "models" / "Stable-diffusion" / "few.gguf", quantised=few)
    assert few and path.is_file()
    run(home, "show", "few", "--json")
    facts = json.loads(capsys.readouterr().out)
    denoiser = next(part for part in facts["parts"] if part["role"] == "denoiser")
    assert (facts["precision"], denoiser["precision"]) == ("Q8_0", "Q8_0")
    assert {part["precision"] for part in facts["parts"] if part["role"] != "denoiser"} == {"fp32"}
    run(home, "list")
    assert "Q8_0 gguf" in capsys.readouterr().out
