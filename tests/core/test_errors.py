"""Errors: sentences that cross processes and come out as HTTP answers and exit codes."""

from __future__ import annotations

import inspect
import json
import pickle

import pytest

from webui.core import errors
from webui.core.errors import (
    DarkroomError,
    Fault,
    Faults,
    InvalidField,
    InvalidRequest,
    ModelProblem,
    NotFound,
    Problem,
    StorageProblem,
    UnknownName,
    first_line,
    nearest,
)

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, DarkroomError)]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind not in (UnknownName, InvalidRequest)])
def test_an_error_crosses_processes_whole(kind: type[DarkroomError]) -> None:
    error = kind("It broke.", field="steps", remedies=("Mend it",))
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is kind
    assert back.problem() == error.problem()
    assert str(back) == "It broke."


def test_an_unknown_name_crosses_processes_whole() -> None:
    error = UnknownName("sampler", "Euler b", ["Euler", "Euler a"], field="sampler_name")
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is UnknownName and back.problem() == error.problem()


def several() -> InvalidRequest:
    return InvalidRequest(
        [
            UnknownName("sampler", "Euler b", ["Euler", "Euler a"], field="sampler_name"),
            InvalidField("Steps is 0.", field="steps"),
        ]
    )


def test_several_errors_are_the_first_one_with_all_of_them_beside_it() -> None:
    problem = several().problem()
    sentence = "Unknown sampler 'Euler b'. Did you mean 'Euler a'?"
    assert (problem.type, problem.status, problem.field) == ("invalid-request", 422, "sampler_name")
    assert problem.detail == sentence and problem.remedies == ("Use 'Euler a'",)
    assert problem.errors == (
        Fault("unknown-name", sentence, "sampler_name", ("Use 'Euler a'",)),
        Fault("invalid-field", "Steps is 0.", "steps"),
    )
    assert several().lines() == [sentence, "  - Use 'Euler a'", "Steps is 0."]


def test_several_errors_cross_processes_and_json_whole() -> None:
    back = pickle.loads(pickle.dumps(several()))
    assert type(back) is InvalidRequest and back.problem() == several().problem()
    assert Problem.from_json(json.loads(json.dumps(several().problem().to_json()))) == several().problem()


def test_a_problem_that_was_kept_before_there_were_several_is_read() -> None:
    old = InvalidField("No.", field="steps").problem().to_json()
    del old["errors"]
    assert Problem.from_json(old) == InvalidField("No.", field="steps").problem()


def test_faults_gather_what_is_wrong_with_the_request_and_nothing_else() -> None:
    faults = Faults()
    faults.raise_found()
    with faults.gathered():
        raise ModelProblem("The file is cut off.", field="checkpoint")
    with pytest.raises(ModelProblem):
        faults.raise_found()
    with faults.gathered():
        raise several()
    with pytest.raises(InvalidRequest) as caught:
        faults.raise_found()
    assert [error.field for error in caught.value.errors] == ["checkpoint", "sampler_name", "steps"]
    for other in (StorageProblem("The disk is full."), NotFound("Gone.")):
        with pytest.raises(type(other)), faults.gathered():
            raise other


@pytest.mark.parametrize("kind", KINDS)
def test_status_and_exit_code_agree(kind: type[DarkroomError]) -> None:
    assert 400 <= kind.status < 600
    assert kind.exit_code in (1, 2)
    assert kind.title[0].isupper()
    if kind.exit_code == 2:
        assert kind.status == 422, "bad input is the asker's"


def test_each_kind_has_a_type_of_its_own() -> None:
    types = [kind.type for kind in KINDS]
    assert len(set(types)) == len(types)


def test_a_problem_comes_back_from_json() -> None:
    problem = InvalidField("No.", field="steps", remedies=("Use 20",)).problem()
    assert problem == Problem("invalid-field", "A value cannot be taken", "No.", 422, "steps", ("Use 20",))
    assert Problem.from_json(problem.to_json()) == problem
    assert problem.to_json()["remedies"] == ["Use 20"]


@pytest.mark.parametrize(
    ("name", "known", "sentence"),
    [
        ("Euler b", ["Euler", "Euler a", "Heun"], "Unknown sampler 'Euler b'. Did you mean 'Euler a'?"),
        ("heunn", ["Euler", "Heun"], "Unknown sampler 'heunn'. Did you mean 'Heun'?"),
        ("zzz", ["Euler", "Heun"], "Unknown sampler 'zzz'. Known: Euler, Heun."),
        ("zzz", [], "Unknown sampler 'zzz'."),
        ("zzz", [str(i) for i in range(13)], "Known: 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and more."),
        ("x" * 1000, ["Euler"], "Unknown sampler '" + "x" * 57 + "...'. Known: Euler."),
    ],
)
def test_an_unknown_name_suggests(name: str, known: list[str], sentence: str) -> None:
    error = UnknownName("sampler", name, known)
    assert sentence in error.detail
    assert error.remedies == (("Use 'Euler a'",) if "Euler a" in error.detail else error.remedies)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", "/home/ann/secret"), "Permission denied"),
        (ValueError("\nthree\nlines"), "three"),
        (OSError("no number"), "no number"),
        (KeyError(), "KeyError"),
        (ValueError("x" * 1000), "x" * 300),
    ],
)
def test_the_first_line_of_an_error_is_short_and_names_no_path_of_the_systems(error: Exception, said: str) -> None:
    assert first_line(error) == said


def test_a_file_is_near_by_its_name_without_folder_and_ending() -> None:
    files = ["sub/dreamy-v1.safetensors", "anime.ckpt", "dreams"]
    assert nearest("dremy-v1", files) == "sub/dreamy-v1.safetensors"
    assert nearest("Anmie", files) == "anime.ckpt"
    assert nearest("dreams", files) == "dreams" and nearest("landscape", files) is None
