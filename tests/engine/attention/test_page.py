"""The page about attention names every backend."""

import re

from webui.core.paths import PROGRAM_DIR
from webui.plugins.builtin.attention import attention_backends


def test_the_table_has_a_row_for_each_and_names_no_other():
    page = (PROGRAM_DIR / "docs" / "attention.md").read_text("utf-8")
    cells = re.findall(r"^\| (`[^|]+) \|", page, re.MULTILINE)
    assert [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)] == [
        row.name for row in attention_backends()
    ]
