"""The engine end to end on a tiny model: pictures, verbs, joins, failures."""

from tests.engine.helpers import pixels
from webui.core.events import Finished, Loading, Picture, Step


def test_a_job_becomes_a_picture(bench, ask):
    bench.engine.submit("a", ask())
    end = bench.heard.end("a")
    assert isinstance(end, Finished) and end.pictures == 1 and not end.interrupted
    assert {"loaded", "encoded", "denoised", "decoded"} <= set(end.timings)
    assert [type(o) for o in bench.heard.outputs["a"]] == [Loading, *[Step] * 5, Picture, Finished]
    assert [s.step for s in bench.heard.of("a", Step)] == [0, 1, 2, 3, 4]
    [picture] = bench.heard.of("a", Picture)
    assert pixels(picture).shape == (64, 64, 3) and pixels(picture).std() > 1
    assert "Steps: 4" in picture.infotext
