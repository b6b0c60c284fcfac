"""The ladder: rungs in order, what is remembered and forgotten, and nothing of a failed attempt kept alive."""

import gc
import weakref

import pytest
import torch

from tests.engine.memory.shortage import ERRORS, Shortage
from webui.core.errors import OutOfMemory
from webui.engine.learnt import Learnt
from webui.engine.memory.ladder import Ladder, Rung, Shape
from webui.engine.memory.rungs import Freed, Tiles, evicting, freeing

CPU = torch.device("cpu")
SHAPE = Shape("decode", "a model", 4096)


def problem():
    return OutOfMemory("There is not enough memory.", remedies=("Lower the size",))


class Steps:
    """Rungs that can be taken so many times each, and what happened to them."""

    def __init__(self, **times):
        self.times, self.taken, self.begun = times, [], []

    def rungs(self):
        return [Rung(name, f"{name}.", lambda n=name: self._take(n), lambda amount, n=name: self._begin(n, amount))
                for name in self.times]  # fmt: skip

    def _take(self, name):
        if not self.times[name]:
            return 0
        self.times[name] -= 1
        self.taken.append(name)
        return len(self.taken)

    def _begin(self, name, amount):
        self.begun.append((name, amount))
        return True


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: type(error).__name__)
def test_rungs_are_taken_from_below_each_as_often_as_it_helps(error):
    shortage, steps, notes = Shortage("decode", 3, error), Steps(free=1, halve=2, tiles=1), []
    assert Ladder(shortage).run(SHAPE, steps.rungs(), lambda: "made", notes.append, problem) == "made"
    assert steps.taken == ["free", "halve", "halve"] and list(dict.fromkeys(notes)) == ["free.", "halve."]


def test_the_next_of_this_shape_begins_there_and_others_do_not():
    shortage = Shortage("decode", 2)
    ladder = Ladder(shortage)
    ladder.run(SHAPE, Steps(free=0, halve=2).rungs(), lambda: 0, lambda note: None, problem)
    again, other, notes = Steps(free=1, halve=1), Steps(free=1, halve=1), []
    ladder.run(SHAPE, again.rungs(), lambda: 0, notes.append, problem)
    ladder.run(Shape("decode", "a model", 64), other.rungs(), lambda: 0, notes.append, problem)
    assert again.begun == [("halve", 2)] and notes == ["halve."] and not again.taken
    assert not other.begun and len(shortage.tries) == 5


def test_at_the_top_it_is_a_sentence_and_nothing_is_remembered():
    ladder = Ladder(Shortage("decode", 4))
    for _ in range(2):
        steps = Steps(free=1)
        with pytest.raises(OutOfMemory) as caught:
            ladder.run(SHAPE, steps.rungs(), lambda: 0, lambda note: None, problem)
        # The error itself holds its traceback's tensors no more.
        assert caught.value.__cause__ is None and caught.value.__context__ is None
        assert steps.taken == ["free"] and not steps.begun


def test_other_errors_are_no_matter_of_memory():
    steps = Steps(free=1)
    for error in (ValueError("no"), torch.AcceleratorError("CUDA error: an illegal memory access")):
        with pytest.raises(type(error)):
            Ladder(Shortage("decode", 1, error)).run(SHAPE, steps.rungs(), lambda: 0, lambda note: None, problem)
    assert not steps.taken


def test_what_a_failed_attempt_had_computed_is_gone_before_the_next():
    class Large:
        pass

    alive = []

    def attempt():
        if not alive:
            large = Large()
            alive.append(weakref.ref(large))
            raise torch.OutOfMemoryError("CUDA out of memory")
        return alive[0]()

    gc.disable()
    try:
        assert Ladder().run(SHAPE, Steps(free=1).rungs(), attempt, lambda note: None, problem) is None
    finally:
        gc.enable()


def test_forgetting_begins_at_the_bottom():
    ladder = Ladder(Shortage("decode"))
    ladder.run(SHAPE, Steps(halve=1).rungs(), lambda: 0, lambda note: None, problem)
    assert ladder.known(SHAPE) == {"halve": 1}
    ladder.forget()
    assert ladder.known(SHAPE) == {}


def test_what_was_learnt_with_less_memory_is_forgotten_with_much_more(tmp_path):
    left, other = [1000], Shape("load", "b", 0)

    def started():
        return Ladder(Shortage("decode", 0), Learnt(tmp_path, CPU), lambda: left[0], 8000)

    first = started()
    first.learn(SHAPE, "halve", 2)
    left[0] = 1900
    first.learn(other, "offload", 1)
    # What it was learnt with is the least that was left.
    first.learn(SHAPE, "tiles", 64)
    for ladder in (first, started()):
        left[0] = 2000
        assert ladder.known(SHAPE) == {"halve": 2, "tiles": 64} and ladder.known(other) == {"offload": 1}
    left[0] = 2001
    beside = started()
    assert first.known(SHAPE) == beside.known(SHAPE) == {} and first.known(other) == {"offload": 1}
    left[0] = 0
    assert first.known(SHAPE) == started().known(SHAPE) == {}, "less memory does not bring it back"
    assert started().known(other) == {"offload": 1}


def test_freeing_helps_once_and_only_where_memory_is_kept_in_reserve():
    assert [freeing(torch.device("cpu")).take() for _ in range(2)] == [0, 0]
    rung = freeing(torch.device("cuda:0"))
    # Without a card torch has nothing to free, which is no error.
    assert [rung.take(), rung.take()] == [1, 0]


def test_dropping_models_helps_each_time_and_weights_that_come_back_once():
    freed = [Freed.NOTHING, Freed.SEATS, Freed.MODELS, Freed.SEATS, Freed.MODELS]
    rung = evicting(freed.pop)
    assert [bool(rung.take()) for _ in range(5)] == [True, True, True, False, False] and not freed


def test_that_models_made_room_is_remembered_where_it_is_asked_for():
    for remembered in (False, True):
        freed, ladder = [Freed.MODELS], Ladder(Shortage("decode"))
        rung = evicting(lambda left=freed: left.pop() if left else Freed.NOTHING, remembered=remembered)
        ladder.run(SHAPE, [rung], lambda: 0, lambda note: None, problem)
        assert ("evict" in ladder.known(SHAPE)) is remembered


@pytest.mark.parametrize(
    ("cells", "sides"), [(0, []), (8, []), (32, []), (33, [32]), (64, [32]), (65, [64, 32]), (256, [64, 32])]
)
def test_tiles_become_smaller_while_the_picture_is_larger(cells, sides):
    tiles = Tiles(cells)
    taken = [tiles.rung().take() for _ in range(3)]
    assert [side for side in taken if side] == sides and tiles.side == (sides or [0])[-1]


def test_another_start_begins_where_the_last_got_to_and_forgets_what_that_forgot(tmp_path):
    other = Shape("load", "b", 0)
    first = Ladder(learnt=Learnt(tmp_path, CPU))
    first.run(SHAPE, Steps(free=1, halve=1).rungs(), lambda: 0, lambda note: None, problem)
    first.on_try = Shortage("decode", 2)
    first.run(SHAPE, Steps(free=1, halve=1).rungs(), lambda: 0, lambda note: None, problem)
    first.learn(other, "offload", 2)
    # A worker beside it, which began before all that, loses nothing of it.
    beside = Ladder(learnt=Learnt(tmp_path, CPU))
    beside.learn(Shape("load", "c", 0), "offload", 1)
    second, steps, notes = Ladder(learnt=Learnt(tmp_path, CPU)), Steps(free=1, halve=1), []
    second.run(SHAPE, steps.rungs(), lambda: 0, notes.append, problem)
    assert steps.begun == [("free", 1), ("halve", 2)] and not steps.taken and notes == ["free.", "halve."]
    assert second.known(other) == {"offload": 2}
    second.forget(other)
    second.learn(SHAPE, "halve", 0)
    third = Ladder(learnt=Learnt(tmp_path, CPU))
    assert third.known(SHAPE) == {"free": 1} and third.known(other) == {}
    third.forget()
    assert not Learnt(tmp_path, CPU).of("memory")


@pytest.mark.parametrize("text", ["", "[1]", '{"versions": 1}', None])
def test_what_cannot_be_read_or_is_of_other_versions_is_nothing(tmp_path, monkeypatch, text):
    ladder, file = Ladder(learnt=Learnt(tmp_path, CPU)), tmp_path / "learnt.json"
    ladder.learn(SHAPE, "halve", 2)
    assert [path.name for path in tmp_path.iterdir()] == [file.name]
    if text is None:
        monkeypatch.setattr("webui.engine.learnt.__version__", "0.0.0")
    else:
        file.write_text(text)
    again = Ladder(learnt=Learnt(tmp_path, CPU))
    assert again.known(SHAPE) == {}
    again.learn(SHAPE, "halve", 3)
    assert Ladder(learnt=Learnt(tmp_path, CPU)).known(SHAPE) == {"halve": 3}


def test_keys_and_amounts_that_make_no_sense_are_left_out_and_devices_kept_apart(tmp_path, monkeypatch):
    learnt = Learnt(tmp_path, CPU)
    for key, value in {
        "x": {"halve": 1},
        "[1]": {},
        '["load", "a", 0]': {"halve": "?"},
        '["load", "b", 0]': [1],
    }.items():
        learnt.put("memory", key, value)
    learnt.put("memory", '["load", "c", 0]', {"offload": 1})
    assert Ladder(learnt=learnt)._known == {Shape("load", "c", 0): {"offload": 1}}
    monkeypatch.setattr("webui.engine.learnt.describe_device", lambda device: "another card")
    assert not Learnt(tmp_path, CPU).of("memory")
