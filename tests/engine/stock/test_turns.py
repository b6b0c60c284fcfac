"""A computation on its own thread and the loop never compute at one time, and neither waits for ever."""

import queue
import threading

import pytest

from webui.engine.stock.turns import Abandoned, Turns


class Computing:
    """A thread that takes turns, and notes what it did in each."""

    def __init__(self, count):
        self.asked = queue.SimpleQueue()
        self.turns = Turns(lambda: self.asked.put("ask"))
        self.did, self.end = [], None
        self.thread = threading.Thread(target=self._run, args=(count,), daemon=True)
        self.thread.start()

    def _run(self, count):
        try:
            for number in range(count):
                self.turns.take()
                self.did.append(number)
            self.turns.give()
            self.end = "done"
        except Abandoned:
            self.end = "abandoned"

    def over(self):
        self.thread.join(10)
        assert not self.thread.is_alive()
        return self.end


def test_it_computes_in_turns_only():
    it = Computing(3)
    for number in range(3):
        assert it.asked.get(timeout=10) == "ask"
        assert it.did == list(range(number))
        it.turns.turn()
        assert it.did == list(range(number + 1))
    assert it.over() == "done"


def test_it_asks_before_its_turn_is_over_so_that_the_loop_knows():
    it = Computing(2)
    it.asked.get(timeout=10)
    it.turns.turn()
    assert not it.asked.empty()
    it.turns.turn()
    assert it.over() == "done"


@pytest.mark.parametrize("turns", [0, 1])
def test_an_abandoned_one_ends_where_it_waits(turns):
    it = Computing(3)
    it.asked.get(timeout=10)
    for _ in range(turns):
        it.turns.turn()
    it.turns.abandon()
    assert it.over() == "abandoned" and it.did == list(range(turns))
    # A turn that was promised to it before is over at once.
    it.turns.turn()


def test_a_freed_one_asks_no_more():
    it = Computing(4)
    it.asked.get(timeout=10)
    it.turns.turn()
    it.asked.get(timeout=10)
    it.turns.free()
    assert it.over() == "done" and it.did == [0, 1, 2, 3] and it.asked.empty()


def test_one_that_was_abandoned_before_it_began():
    turns = Turns(lambda: None)
    turns.abandon()
    with pytest.raises(Abandoned):
        turns.take()
