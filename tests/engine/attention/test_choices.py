"""`auto` takes what is fastest and right, measures while nobody waits, remembers, and is not led astray."""

import json
import time

import pytest
import torch

from tests.engine.attention.conftest import CPU
from tests.engine.helpers import running
from webui.core.events import Finished
from webui.engine.attention.base import sdpa
from webui.engine.attention.choices import Measured, ShapeClass, fastest


def slow(query, key, value, mask=None, scale=None):
    """Right, and slower than any other."""
    for _ in range(50):
        sdpa(query, key, value, mask, scale)
    return sdpa(query, key, value, mask, scale)


def wrong(query, key, value, mask=None, scale=None):
    """As fast as can be."""
    return query


def refusing(query, key, value, mask=None, scale=None):
    """Of no use."""
    raise RuntimeError("no")


def quick(query, key, value, mask=None, scale=None):
    """Right, and quicker than `slow`."""
    return sdpa(query, key, value, mask, scale)


ALL = {"sdpa": slow, "wrong": wrong, "refusing": refusing, "quick": quick}


def known(candidates, folder=None):
    """What has these candidates."""
    return Measured(lambda *_: iter(candidates.items()), (), folder)


def measure(measured):
    """Measure all that was asked for."""
    while measured.measure_next():
        pass


@torch.inference_mode()
def test_the_fastest_that_is_right_is_taken_once_it_is_measured():
    measured = known(ALL)
    query = torch.randn(1, 2, 50, 8)
    assert measured.best(query, query) is sdpa
    measure(measured)
    assert measured.best(query, query) is quick
    # Another number of tokens of the same class is known too; another class is not.
    assert measured.best(query[:, :, :40], query[:, :, :40]) is quick
    assert measured.best(query[:, :, :20], query[:, :, :20]) is sdpa
    assert not known(ALL).measure_next()


def test_torchs_own_stays_unless_another_is_clearly_faster():
    assert fastest({"sdpa": 1.0, "other": 0.99}) == "sdpa"
    assert fastest({"sdpa": 1.0, "other": 0.9}) == "other"
    assert fastest({"other": 0.9}) == "sdpa"
    assert fastest({}) == "sdpa"


def test_classes_go_by_powers_of_two_and_the_heads_of_the_whole_batch():
    query, key = torch.empty(2, 8, 4096, 40), torch.empty(2, 8, 77, 40)
    assert ShapeClass.of(query, key) == ShapeClass("cross", 16, 4096, 128, 40)
    assert ShapeClass.of(query[:, :, 1:], query) == ShapeClass("cross", 16, 4096, 4096, 40)
    assert ShapeClass.of(query[:1, :5], query[:1, :5]) == ShapeClass("self", 8, 4096, 4096, 40)


@torch.inference_mode()
def test_what_was_measured_is_known_after_a_start_on_the_same_machine_only(tmp_path):
    query = torch.randn(1, 2, 50, 8)
    first = known(ALL, tmp_path)
    first.best(query, query)
    measure(first)
    second = known(ALL, tmp_path)
    assert second.best(query, query) is quick
    assert not second.measure_next()
    (file,) = tmp_path.iterdir()
    data = json.loads(file.read_text())
    (machine,) = data
    assert torch.__version__ in machine and "CPU" in machine
    file.write_text(json.dumps({machine.replace("torch", "another torch"): data[machine]}))
    third = known(ALL, tmp_path)
    assert third.best(query, query) is sdpa
    measure(third)
    assert len(json.loads(file.read_text())) == 2


@pytest.mark.parametrize("text", ["", "[]", "{", '{"a": 1}', '{"torch": {"x": 1}}', "\x00"])
@torch.inference_mode()
def test_a_spoilt_file_is_written_anew(tmp_path, text):
    query = torch.randn(1, 2, 50, 8)
    (tmp_path / "attention.json").write_text(text)
    measured = known(ALL, tmp_path)
    assert measured.best(query, query) is sdpa
    measure(measured)
    assert known(ALL, tmp_path).best(query, query) is quick


@torch.inference_mode()
def test_a_name_that_serves_no_more_is_torchs_own(tmp_path):
    query = torch.randn(1, 2, 50, 8)
    measured = known(ALL, tmp_path)
    measured.best(query, query)
    measure(measured)
    assert known({"sdpa": sdpa}, tmp_path).best(query, query) is sdpa


@torch.inference_mode()
def test_of_the_real_ones_only_right_ones_are_timed(backends):
    running = backends.measured.measuring(CPU, torch.float32, (1, 2, 128, 40), (1, 2, 77, 40))
    try:
        while True:
            next(running)
    except StopIteration as end:
        times = end.value
    assert "sdpa" in times and "math" in times and "auto" not in times
    assert all(0 < seconds < 1 for seconds in times.values())


def test_an_engine_measures_between_jobs_and_never_during_one(tiny_checkpoint, registry, plugins, ask, monkeypatch):
    during, engines = [], []
    step = Measured.measure_next

    def watched(self):
        worked = step(self)
        during.extend([any(engine._denoiser.busy for engine in engines)] * worked)
        return worked

    monkeypatch.setattr(Measured, "measure_next", watched)
    with running(tiny_checkpoint.parent, registry, plugins) as bench:
        engines.append(bench.engine)
        bench.engine.submit("a", ask(attention="auto"))
        assert isinstance(bench.heard.end("a"), Finished)
        measured = bench.engine._backends.measured
        deadline = time.monotonic() + 60
        while measured._wanted or measured._running:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        shapes = dict(measured._known)
        bench.engine.submit("b", ask(attention="auto"))
        assert isinstance(bench.heard.end("b"), Finished)
        again = bool(measured._wanted)
    assert during and not any(during)
    assert all(len(known) > 1 for known in shapes.values())
    assert not again
