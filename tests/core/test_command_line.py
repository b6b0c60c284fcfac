"""A wrong command line gets a sentence with the way out, whatever is wrong with it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from webui.commands.generate import command_line
from webui.core.command_line import OF_GENERATE, Parser, add_flags, one_of, path, split_command, whole
from webui.core.errors import InvalidField, InvalidRequest
from webui.core.flags import BY_NAME


def parser(command: str = "serve") -> Parser:
    made = Parser(prog=f"launch.py {command}")
    made.add_argument("word", nargs="?", type=one_of("list", "clear"), default="list")
    made.add_argument("-o", "--output", type=path)
    made.add_argument("--count", type=whole(1), default=3)
    add_flags(made)
    return made


@pytest.mark.parametrize(
    ("line", "sentence", "way"),
    [
        ("--port abc", "--port must be a whole number, not 'abc'.", "See launch.py serve --help"),
        ("--port=", "--port must be a whole number, not ''.", "See"),
        ("--port", "--port needs a value after it.", "See"),
        ("--count 0", "--count must be at least 1, not 0.", "See"),
        ("-o", "-o needs a value after it.", "See"),
        ("--share=yes", "--share takes no value.", "See"),
        ("--theme pink", "--theme must be one of light, dark, system, not 'pink'.", "See"),
        ("--theme drak", "--theme must be one of light, dark, system, not 'drak' (did you mean dark?).", "See"),
        ("lst", "The word must be one of list, clear, not 'lst' (did you mean list?).", "See"),
        ("--lissten", "There is no flag --lissten. Did you mean --listen?", "Use --listen"),
        ("--no-hal", "There is no flag --no-hal. Did you mean --no-half?", "Use --no-half"),
        ("-x", "There is no flag -x.", "See"),
        ("--zzzzzz=3", "There is no flag --zzzzzz.", "See"),
        ("--theme -dark", "--theme needs a value after it.", "See"),
        ("--steps 5", "--steps is a flag of generate, not of serve.", 'launch.py generate "a red circle" --steps 5'),
        ("--steps=5", "--steps is a flag of generate, not of serve.", 'launch.py generate "a red circle" --steps=5'),
        ("--prompt cat", "--prompt is a flag of generate, not of serve.", "launch.py generate --prompt cat"),
        ("--alone list", "--alone is a flag of generate, not of serve.", 'launch.py generate "a red circle" --alone'),
        ("list red circle", "There is nothing that serve could do with 'red circle'.", "Put quotes around"),
        ("--data-dir ~nobody-of-this-name/x", "there is no such user.", "See"),
    ],
)
def test_a_wrong_line_is_a_sentence_with_a_way_out(line: str, sentence: str, way: str) -> None:
    with pytest.raises(InvalidField) as caught:
        parser().parse_args(line.split(" "))
    assert sentence in caught.value.detail
    assert caught.value.remedies[0].startswith(way)
    assert caught.value.exit_code == 2


def test_an_empty_path_is_refused() -> None:
    with pytest.raises(InvalidField, match="--data-dir needs the path"):
        parser().parse_args(["--data-dir", ""])


def test_all_unknown_flags_are_told_at_once() -> None:
    with pytest.raises(InvalidRequest) as caught:
        parser().parse_args(["--lissten", "--prot", "1"])
    assert [re.findall(r"--\w+", error.detail) for error in caught.value.errors] == [
        ["--lissten", "--listen"],
        ["--prot", "--port"],
    ]


def test_what_is_right_is_read(tmp_path: Path) -> None:
    given = parser().parse_args(["LIST", "--loglevel", "debug", "-oa.png", "--count", "7", "--ckpt-dir", str(tmp_path)])
    assert (given.word, given.loglevel, given.count) == ("list", "DEBUG", 7)
    assert given.output == Path("a.png").absolute() and given.ckpt_dir == [tmp_path]
    assert parser().parse_args([]).word == "list"


def test_words_behind_a_flag_are_taken_with_those_before_it() -> None:
    made = Parser(prog="launch.py list")
    made.add_argument("words", nargs="*", type=one_of("red", "two words"))
    made.add_argument("--count", type=whole(1))
    for line in (["red", "--count", "3", "two words"], ["red", "two words", "--count", "3"]):
        given = made.parse_args(line)
        assert (given.words, given.count) == (["red", "two words"], 3)
    with pytest.raises(InvalidField, match="must be one of red, two words, not 'rde'"):
        made.parse_args(["red", "--count", "3", "rde"])


@pytest.mark.parametrize("words", [["-a b"], ["--output", "-5"], ["--", "list"], ["-5"]])
def test_what_only_looks_like_a_flag_is_none(words: list[str]) -> None:
    made = Parser(prog="launch.py x")
    made.add_argument("word", nargs="?")
    made.add_argument("--output")
    made.parse_args(words)


def test_the_flags_of_generate_are_those_that_its_parser_has() -> None:
    own = {name for name in command_line()._option_string_actions if name not in BY_NAME}
    assert own - {"-h", "--help", "--json"} == set(OF_GENERATE)
    for name, takes_value in OF_GENERATE.items():
        assert takes_value == (command_line()._option_string_actions[name].nargs is None), name


COMMANDS = ["serve", "generate", "queue"]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ("serve", [])),
        (["--listen", "--port", "7861"], ("serve", ["--listen", "--port", "7861"])),
        (["generate", "a circle", "--seed", "7"], ("generate", ["a circle", "--seed", "7"])),
        (["--data-dir", "queue", "generate", "x"], ("generate", ["--data-dir", "queue", "x"])),
        (["--data-dir=a", "--listen", "queue", "list"], ("queue", ["--data-dir=a", "--listen", "list"])),
        (["--steps", "5", "--alone", "generate", "x"], ("generate", ["--steps", "5", "--alone", "x"])),
        (["--steps", "5"], ("serve", ["--steps", "5"])),
        (["--lissten", "5"], ("serve", ["--lissten", "5"])),
        (["--json", "queue"], ("queue", ["--json"])),
    ],
)
def test_the_command_is_found_behind_flags(arguments: list[str], expected: tuple[str, list[str]]) -> None:
    assert split_command(arguments, COMMANDS) == expected


@pytest.mark.parametrize(
    ("line", "sentence", "way"),
    [
        ("genrate x", "There is no command 'genrate'. Did you mean 'generate'?", "Commands: generate, queue, serve; "),
        ("a red circle --seed 7", "There is no command 'a'.", 'For a picture: launch.py generate "a red circle"'),
        (
            "--listen 127.0.0.1",
            "--listen takes no address: it opens the page on all of this machine's.",
            "One address only: --server-name 127.0.0.1",
        ),
        ("--port 7861 zzz", "There is no command 'zzz'.", 'For a picture: launch.py generate "zzz"'),
    ],
)
def test_a_word_that_is_no_command_is_said(line: str, sentence: str, way: str) -> None:
    with pytest.raises(InvalidField) as caught:
        split_command(line.split(), COMMANDS)
    assert caught.value.detail == sentence
    assert caught.value.remedies[0].startswith(way)
