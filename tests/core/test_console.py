"""What is printed within bounds: lines in a while, long ones cut, what is left out said."""

from __future__ import annotations

import io

from webui.core.console import LINES, LONGEST_LINE, Allowance, Bounded


def test_a_megabyte_is_a_few_lines_and_what_was_left_out_is_said_later() -> None:
    now, heard = [0.0], io.StringIO()
    bounded = Bounded(heard, Allowance(3, 10.0, lambda: now[0]))
    for number in range(100_000):
        print("line", number, file=bounded)
    assert heard.getvalue() == "line 0\nline 1\nline 2\n"
    now[0] = 10.0
    bounded.write("after\n")
    assert heard.getvalue().splitlines()[3:] == ["(99,997 lines were left out)", "after"]


def test_a_line_without_end_is_cut_and_the_next_one_stands_alone() -> None:
    heard = io.StringIO()
    bounded = Bounded(heard)
    for _ in range(1000):
        assert bounded.write("x" * 1000) == 1000
    bounded.write("\nnext\n")
    assert heard.getvalue() == "x" * LONGEST_LINE + "\nnext\n"
    assert LINES * LONGEST_LINE < 1_000_000, "in each while less than a megabyte"


def test_pieces_of_a_line_count_once() -> None:
    heard = io.StringIO()
    bounded = Bounded(heard, Allowance(1, 10.0, lambda: 0.0))
    for piece in ("a", "b", "c\n", "lost", "\n"):
        bounded.write(piece)
    assert heard.getvalue() == "abc\n"
