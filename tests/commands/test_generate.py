"""generate makes the pictures that were asked for, with and without a server, and says what it cannot take."""

from __future__ import annotations

import asyncio
import io
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image

from tests.web.helpers import Site
from webui.cli import main
from webui.commands.generate import Generation, command_line, request_values
from webui.commands.session import Session
from webui.core.errors import OutOfMemory
from webui.core.events import Cancelled, Event, Failed, Finished
from webui.core.fields import ROWS
from webui.images.metadata import read
from webui.jobs.executors.fake import FakeExecutor, Fault

SMALL = ["--steps", "3", "--size", "64x64"]


@pytest.fixture(params=["own worker", "running server"])
def either(request: pytest.FixtureRequest, home: Path) -> Path:
    if request.param == "running server":
        request.getfixturevalue("site")
    return home


def run(home: Path, *arguments: str) -> int:
    return main(["generate", "--data-dir", str(home), *arguments])


def test_a_picture_lands_where_it_was_asked_for(
    either: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out.png"
    assert run(either, "a red circle", "--seed", "7", *SMALL, "-o", str(out)) == 0
    picture = read(out)
    assert (picture.width, picture.height) == (64, 64)
    assert picture.request is not None
    assert (picture.request["seed"], picture.request["steps"], picture.request["prompt"]) == (7, 3, "a red circle")
    assert capsys.readouterr().out == f"{out}\n"
    (kept,) = (either / "outputs" / "txt2img-images").rglob("*-7.png")
    assert kept.read_bytes() == out.read_bytes()


def test_several_pictures_are_numbered_or_go_into_a_folder(either: Path, tmp_path: Path) -> None:
    assert run(either, "x", "--seed", "1", "--count", "2", *SMALL, "-o", str(tmp_path / "out.png")) == 0
    assert [path.name for path in sorted(tmp_path.glob("*.png"))] == ["out-1.png", "out-2.png"]
    folder = tmp_path / "folder"
    folder.mkdir()
    assert run(either, "x", "--seed", "4", *SMALL, "-o", str(folder)) == 0
    (only,) = folder.iterdir()
    assert only.name.startswith("4-")


def test_programs_get_events_one_a_line(either: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out.png"
    assert run(either, "x", "--seed", "7", *SMALL, "-o", str(out), "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    names = [line["event"] for line in lines]
    assert names[-1] == "finished" and {"image", "step"} <= set(names)
    assert len({line["job"] for line in lines}) == 1
    (image,) = (line for line in lines if line["event"] == "image")
    assert (image["seed"], image["file"]) == (7, str(out))


def test_what_was_found_at_acceptance_is_told_once(either: Path, capsys: pytest.CaptureFixture[str]) -> None:
    note = "There is no wildcard 'nope'. It was left as it is written."
    assert run(either, "{red|green} circle __nope__", "--seed", "7", *SMALL) == 0
    assert capsys.readouterr().err.splitlines().count(note) == 1
    assert run(either, "{red|green} circle __nope__", "--seed", "7", *SMALL, "--json") == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (told,) = (line for line in lines if line["event"] == "note")
    assert told == {"job": lines[-1]["job"], "event": "note", "text": note}


@pytest.mark.usefixtures("site")
def test_without_o_a_server_names_the_pictures_address(
    home: Path, site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(home, "x", *SMALL) == 0
    address = capsys.readouterr().out.strip()
    assert address.startswith(site.url)
    with Image.open(io.BytesIO(site.owner().get(address).content)) as picture:
        assert picture.size == (64, 64)


def test_without_o_an_own_worker_names_the_file(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home, "x", *SMALL) == 0
    assert Path(capsys.readouterr().out.strip()).is_relative_to(home / "outputs")


def test_a_request_file_is_taken_and_flags_lie_over_it(
    either: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    request = {"schema": 1, "prompt": "a star", "seed": 5, "steps": 2, "width": 64, "height": 64}
    (tmp_path / "request.json").write_text(json.dumps(request), "utf-8")
    out = tmp_path / "out.png"
    assert run(either, "--request", "request.json", "--seed", "6", "-o", str(out)) == 0
    first = read(out).request
    assert first is not None and (first["prompt"], first["seed"], first["steps"]) == ("a star", 6, 2)
    # What a picture carries makes the picture again.
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(first)))
    assert run(either, "--request", "-", "-o", str(tmp_path / "again.png")) == 0
    assert (tmp_path / "again.png").read_bytes() == out.read_bytes()


def test_null_in_a_request_means_left_out(either: Path, tmp_path: Path) -> None:
    (tmp_path / "request.json").write_text('{"prompt": "x", "n_iter": null, "seed": null}', "utf-8")
    assert run(either, "--request", "request.json", *SMALL, "-o", str(tmp_path / "out.png")) == 0
    (tmp_path / "request.json").write_text('{"prompt": null}', "utf-8")
    assert run(either, "--request", "request.json") == 2


@pytest.mark.parametrize("arguments", [["x", "--cfg-scale", "nan"], ["x", "--steps", "1e999"], ["half a sign \udcff"]])
def test_what_json_cannot_carry_is_refused_in_a_sentence(
    either: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    assert run(either, *arguments) == 2
    said = capsys.readouterr().err
    assert any(words in said for words in ("must be a number", "no number that JSON knows", "half of a surrogate pair"))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], "Say what the picture should show"),
        (["x", "--size", "64"], "--size is written as 512x768"),
        (["x", "--size", "65x64"], "multiple of 8"),
        (["x", "--steps", "0"], "between 1 and 150"),
        (["x", "--eta", "5"], "Eta is 5; it must be between 0 and 1"),
        (["x", "--sigma-min", "9", "--sigma-max", "2"], "must be above 0 and below sigma max, which is 2"),
        (["x", "--uni-pc-variant", "bh3"], "must be one of bh1, bh2, vary_coeff"),
        (["x", "--s-chrun", "3"], "There is no flag --s-chrun. Did you mean --s-churn?"),
        (["x", "--steps", "many"], "Sampling steps must be a number, not 'many'"),
        (["x", "--sampler", "Eular a"], "Did you mean 'Euler a'"),
        (["x", "--model", "nothing"], "Unknown checkpoint 'nothing'"),
        (["x", "--stepps", "3"], "There is no flag --stepps. Did you mean --steps?"),
        (["a", "red", "circle"], "Put quotes around a text of several words"),
        (["  "], "Say what the picture should show"),
        (["x", "-o", "nowhere/out.png"], "is not there"),
        (["x", "-o", "out.webp"], "neither a folder nor a .png"),
        (["--request", "absent.json"], "cannot be read"),
        (["--request", "broken.json"], "is no JSON"),
        (["--request", "list.json"], "JSON object"),
        (["--request", "deep.json"], "is no JSON"),
        (["--request", "odd.json"], "There is no field 'promt'. Did you mean 'prompt'"),
    ],
)
def test_bad_input_is_a_sentence_and_exit_2(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], expected: str
) -> None:
    texts = {"broken": "{", "list": "[]", "deep": "[" * 100_000, "odd": '{"prompt": "x", "promt": "x"}'}
    for name, text in texts.items():
        (tmp_path / f"{name}.json").write_text(text, "utf-8")
    assert run(home, *arguments) == 2
    captured = capsys.readouterr()
    assert expected in captured.err
    assert captured.out == ""


def test_all_that_is_wrong_is_told_at_once(either: Path, capsys: pytest.CaptureFixture[str]) -> None:
    wrong = ["--steps", "0", "--sampler", "Eular a", "--size", "65x64", "--cfg", "much", "--model", "nothing"]
    assert run(either, "x", *wrong) == 2
    told = capsys.readouterr().err.splitlines()
    sentences = [line for line in told if not line.startswith("  - ")]
    for sentence, words in zip(
        sentences,
        ["checkpoint 'nothing'", "steps is 0", "CFG scale must be a number", "Width is 65", "Did you mean 'Euler a'"],
        strict=True,
    ):
        assert words in sentence
    assert "  - Use 1" in told and "  - Use 'Euler a'" in told


def test_a_place_that_may_not_be_written_is_said_first(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Asked of the system, whose answer to root is always yes.
    monkeypatch.setattr("webui.commands.generate.os.access", lambda path, mode: path != tmp_path or mode != os.W_OK)
    assert run(home, "x", *SMALL, "-o", str(tmp_path / "out.png")) == 2
    assert "may not write" in capsys.readouterr().err
    assert not (home / "outputs").exists()


@pytest.mark.usefixtures("site")
def test_a_servers_refusal_is_the_same_sentence_and_code(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(home, "x", "--sampler", "Eular a") == 2
    assert "Did you mean 'Euler a'" in capsys.readouterr().err


@pytest.mark.parametrize("as_json", [False, True])
def test_a_failed_job_is_exit_1(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], as_json: bool
) -> None:
    fault = Fault(at=2, error=OutOfMemory("There is no memory left.", remedies=("Lower the size",)))
    monkeypatch.setattr("webui.app.LocalExecutor", lambda config: FakeExecutor(0.001, fault=fault))
    assert run(home, "x", *SMALL, *(["--json"] if as_json else [])) == 1
    captured = capsys.readouterr()
    if as_json:
        last = json.loads(captured.out.splitlines()[-1])
        assert last["event"] == Failed.name and last["problem"]["detail"] == "There is no memory left."
    else:
        assert "There is no memory left.\n  - Lower the size\n" in captured.err


@pytest.mark.parametrize(
    ("end", "words"),
    [
        (Finished(2, True, {}), "The job was stopped; 2 pictures were made.\n"),
        (Finished(1, True, {}), "The job was stopped; 1 picture was made.\n"),
        (Cancelled(), "The job was cancelled.\n"),
    ],
)
def test_a_job_that_others_end_is_said_and_exit_1(end: Event, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    class Stopped:
        async def submit(self, values: dict[str, Any], script: str = "") -> str:
            return "id"

        async def notes(self, job_id: str) -> list[str]:
            return []

        async def events(self, job_id: str) -> AsyncIterator[Event]:
            yield end

    generation = Generation(cast(Session, Stopped()), None, as_json=False)
    assert asyncio.run(generation.run({})) == 1
    assert capsys.readouterr().err == words


def test_a_paused_queue_is_said_instead_of_waited_for(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["queue", "pause", "--data-dir", str(home)]) == 0
    assert run(home, "x", *SMALL) == 1
    assert "launch.py queue resume" in capsys.readouterr().err


def test_every_field_has_its_flag(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        main(["generate", "--help"])
    assert left.value.code == 0
    text = capsys.readouterr().out
    for field in ROWS:
        assert field.name == "prompt" or all(name in text for name in field.spellings)


def test_styles_are_named_several_times_or_with_commas() -> None:
    given = command_line().parse_args(["x", "--style", "a", "--styles", 'b, "c, d"'])
    assert request_values(given)["styles"] == ["a", "b", "c, d"]


def test_styles_and_words_drawn_stand_in_the_picture(either: Path, tmp_path: Path) -> None:
    (either / "styles.csv").write_text("name,prompt\nPhoto,photo of {prompt}\n", "utf-8")
    assert run(either, "a {red|red} cat", *SMALL, "--style", "Photo", "-o", str(tmp_path / "out.png")) == 0
    assert read(tmp_path / "out.png").infotext.startswith("photo of a red cat\n")
    assert run(either, "{red|blue}", *SMALL, "--combinatorial", "-o", str(tmp_path / "all.png")) == 0
    made = [read(tmp_path / f"all-{number}.png").infotext.split("\n")[0] for number in (1, 2)]
    assert made == ["red", "blue"]


def test_a_setting_that_a_flag_makes_reaches_the_request(home: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    assert main(["--opt-sub-quad-attention", "generate", "x", "--data-dir", str(home), *SMALL, "-o", str(out)]) == 0
    request = read(out).request
    assert request is not None and request["attention"] == "sub-quadratic"


def test_values_reach_the_request_as_they_were_given(either: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    given: dict[str, Any] = {"--negative": "blur", "--cfg": "4.5", "--scheduler": "Karras", "--attention": "math"}
    flags = [word for pair in given.items() for word in pair]
    assert run(either, "x", *SMALL, *flags, "--alone", "-o", str(out)) == 0
    request = read(out).request
    assert request is not None
    names = ("negative_prompt", "cfg_scale", "scheduler", "attention", "alone")
    assert [request[name] for name in names] == ["blur", 4.5, "Karras", "math", True]


def test_options_of_the_sampler_reach_the_request_and_the_picture_says_so(either: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    flags = ["--sampler", "UniPC", "--uni-pc-order", "2", "--no-uni-pc-lower-order-final"]
    assert run(either, "x", *SMALL, *flags, "--always-discard-next-to-last-sigma", "-o", str(out)) == 0
    picture = read(out)
    assert picture.request is not None
    names = ("uni_pc_order", "uni_pc_lower_order_final", "always_discard_next_to_last_sigma")
    assert [picture.request[name] for name in names] == [2, False, True]
    assert "UniPC order: 2, UniPC lower order final: False" in picture.infotext


@pytest.mark.parametrize("name", ["DPM++ 2M SDE Karras ", "k_dpmpp_2m_sde_ka"])
def test_an_old_name_of_sampler_and_schedule_is_split(home: Path, tmp_path: Path, name: str) -> None:
    out = tmp_path / "out.png"
    assert run(home, "x", *SMALL, "--sampler", name, "-o", str(out)) == 0
    picture = read(out)
    assert picture.request is not None
    assert (picture.request["sampler_name"], picture.request["scheduler"]) == ("DPM++ 2M SDE", "Karras")
    assert "Sampler: DPM++ 2M SDE, Schedule type: Karras" in picture.infotext
