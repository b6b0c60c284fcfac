"""A model whose blocks are compiled: other sizes, other attention and what extensions change. It is compiled once."""

from functools import partial
from types import SimpleNamespace

import pytest
import torch

from tests.engine.compiling.counting import ASKED, Counting, made_by
from tests.engine.helpers import Loop, load_model
from webui.engine.attention.apply import apply
from webui.engine.compiling.apply import CHANGED, RUNNING, WAITING, Compiling
from webui.engine.compiling.blocks import blocks_of


@pytest.fixture(scope="module")
def ready(tiny_checkpoint, registry, ask):
    """A loop, its model and the backend, compiled for pictures of 64 x 64."""
    model, counting = load_model(tiny_checkpoint), Counting()
    loop = Loop(model, registry)
    loop.denoiser._attention = loop.compiling = Compiling(partial(apply, loop.backends), counting)
    made_by(loop, "first", ask(**ASKED))
    assert loop.compiling.wait(60)
    yield SimpleNamespace(loop=loop, model=model, counting=counting)
    counting.go_on.set()
    loop.compiling.close()
    # Torch does not survive that its tables are emptied while it compiles.
    assert loop.compiling.wait(60)
    torch.compiler.reset()


def test_another_size_waits_for_nothing(ready, ask):
    """The first of the file: torch compiles a third size for all others at once."""
    loop, counting = ready.loop, ready.counting
    counting.begun.clear()
    counting.go_on.clear()
    # Were it compiled in the loop, this would wait for ever.
    made_by(loop, "wide", ask(**ASKED, width=128))
    assert loop.said == [WAITING]
    assert counting.begun.wait(60) and counting.running_threads
    calls = counting.calls
    made_by(loop, "again", ask(**ASKED))
    assert counting.calls == calls, "while something is compiled, nothing compiled runs"
    counting.go_on.set()
    assert loop.compiling.wait(60)
    made_by(loop, "wide again", ask(**ASKED, width=128))
    assert loop.said == [RUNNING] and counting.calls > calls


@pytest.mark.parametrize(
    "asked",
    [
        {"attention": "math"},
        {"token_merging_ratio": 0.5},
        {"hypertile_enable_unet": True, "hypertile_max_tile_unet": 128, "width": 256, "height": 256},
    ],
    ids=lambda asked: next(iter(asked)),
)
def test_attention_and_shortcuts_go_on_as_they_are(ready, tiny, registry, ask, asked):
    plain, loop, counting = Loop(tiny, registry), ready.loop, ready.counting
    plain.add("plain", ask(**ASKED | asked))
    right = plain.run()["plain"]
    # Compiled with plain attention, and then computed with another.
    size = {name: asked[name] for name in ("width", "height") if name in asked}
    made_by(loop, "first", ask(**ASKED | size))
    assert loop.compiling.wait(60)
    calls = counting.calls
    assert abs(made_by(loop, "one", ask(**ASKED | asked)) - right).max() <= 1
    assert loop.said == [RUNNING] and counting.calls > calls


def test_what_extensions_change_for_a_pass_is_not_passed_by(ready, ask):
    loop, counting = ready.loop, ready.counting
    right = made_by(loop, "as it is", ask(**ASKED))
    assert loop.said == [RUNNING]
    calls = counting.calls
    handle = blocks_of(ready.model.denoiser)[0].ff.register_forward_hook(lambda _, given, answer: answer * 3)
    assert abs(made_by(loop, "changed", ask(**ASKED)) - right).max() > 1
    assert loop.said == [CHANGED] and counting.calls == calls
    handle.remove()
    assert abs(made_by(loop, "after", ask(**ASKED)) - right).max() <= 1 and counting.calls > calls
