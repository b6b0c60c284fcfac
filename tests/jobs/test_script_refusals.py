"""What a script refuses is told as it is, and is no failure of its extension."""

from __future__ import annotations

from pathlib import Path

from tests.jobs.test_scripts import ended, house_on, run
from webui.core.job import LOCAL_OWNER, State
from webui.service import Service

REFUSING = """
from webui.extend import InvalidField

def sheet(options):
    yield []
    raise InvalidField("No sampler is named.", field="samplers", remedies=["Write one"])
"""


def test_a_refusal_comes_through_with_its_sentence_and_remedies(tmp_path: Path) -> None:
    house = house_on(tmp_path, REFUSING)

    async def talk(service: Service) -> None:
        job = await service.scripts.submit("sheet", {"prompt": "red"}, LOCAL_OWNER)
        done = await ended(house, job.id)
        assert done.state is State.FAILED and done.problem
        problem = done.problem
        assert (problem.detail, problem.remedies, problem.status) == ("No sampler is named.", ("Write one",), 422)
        times = {time.hook: time for report in service.extensions(LOCAL_OWNER) for time in report.hooks}
        assert times["scripts"].errors == 0

    run(house, talk)
