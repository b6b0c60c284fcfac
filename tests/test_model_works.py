"""What an extension does wrong while it accepts a work is told in a sentence, and happens off the event loop."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from webui.core.errors import DarkroomError
from webui.core.job import LOCAL_OWNER
from webui.core.model_work import Prune
from webui.core.registry import Table, Work
from webui.model_works import ModelWorks

MODULE = """
import asyncio

def told():
    try:
        asyncio.get_running_loop()
        return "on the event loop"
    except RuntimeError:
        return "on a thread"

raise SystemExit(told())
"""


def test_a_work_s_module_is_imported_on_a_thread_and_its_end_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "made_work_of_a_test.py").write_text(MODULE, encoding="utf-8")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    row = Work("odd", "Odd work", Prune, "made_work_of_a_test:accept", "", "")
    registry: Any = SimpleNamespace(works=Table("work", (row,), None))
    scheduler: Any = SimpleNamespace(has=lambda place: True)
    works = ModelWorks(registry, cast(Any, None), cast(Any, None), scheduler, cast(Any, None))
    with pytest.raises(DarkroomError, match="Odd work failed before it began: SystemExit: on a thread"):
        asyncio.run(works.submit("odd", {"checkpoint": "one"}, LOCAL_OWNER))
