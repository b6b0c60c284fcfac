"""The counter counts the text that takes most; of very many long ones it counts the longest only."""

from dataclasses import dataclass

from webui.engine.checkpoints.counting import Counted, count_prompt


@dataclass
class Family:
    emphasis: bool = True
    embeddings: tuple[tuple[str, str], ...] = ()


def counted(text):
    """(the answer, the texts that were counted)."""
    asked = []

    def count(_, text):
        asked.append(text)
        return len(text), 75

    return count_prompt(None, Family(), count, Counted(text)), asked


def test_the_text_that_takes_most_counts():
    found, asked = counted("[a|bbb|cc]")
    assert found == (3, 75) and sorted(asked) == ["a", "bbb", "cc"]


def test_of_many_long_texts_the_longest_are_counted():
    found, asked = counted("[a|b|ccc][d|e|f|g|hh]" + "x" * 19_000)
    assert found == (19_005, 75) and len(asked) == 4
    assert counted("y" * 20_000)[0] == (20_000, 75)
