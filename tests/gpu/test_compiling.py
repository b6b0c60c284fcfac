"""On a card: blocks that Triton compiled in the background make the picture that they made before."""

from tests.engine.helpers import STARTER, pixels, running
from webui.core.events import Note
from webui.core.request import GenerationRequest
from webui.engine.compiling.apply import RUNNING
from webui.plugins.loader import load_plugins


def test_compiled_blocks_make_the_same_picture(registry):
    request = GenerationRequest(
        prompt="a red circle above a blue square", sampler_name="Euler", scheduler="Automatic", steps=8, width=256,
        height=256, seed=7, checkpoint=STARTER.name,
    )  # fmt: skip
    options = {"device": "cuda:0", "precision": "fp32", "compile_repeated_blocks": True}
    with running(STARTER.parent, registry, load_plugins((), "worker"), **options) as bench:
        [first] = bench.make(request)
        assert bench.engine._attention.wait(600)
        bench.engine.submit("second", request)
        second = bench.heard.pictures("second")
        assert RUNNING in [note.text for note in bench.heard.of("second", Note)]
        assert abs(pixels(first[0]) - pixels(second[0])).max() <= 1
