"""Errors: sentences that cross processes and come out as HTTP answers and exit codes."""

from __future__ import annotations

import inspect
import pickle

import pytest

from webui.core import errors
from webui.core.errors import DarkroomError, InvalidField, Problem, UnknownName

KINDS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, DarkroomError)]


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind is not UnknownName])
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
    assert problem == Problem("invalid-field", "A value is out of range", "No.", 422, "steps", ("Use 20",))
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
