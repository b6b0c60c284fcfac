"""Repeated blocks compiled in the background: the loop never waits, compiled code really runs, pictures stay."""

import gc
import threading
from functools import partial
from weakref import ref

import pytest
import torch
from torch._inductor import config as inductor

from tests.engine import singles
from tests.engine.compiling.counting import ASKED, made_by
from tests.engine.helpers import Loop, load_model, running
from tests.engine.tiny_flow import flow, folder
from webui.core.events import Note
from webui.engine.attention.apply import apply
from webui.engine.attention.shortcuts import WHOLE
from webui.engine.compiling.apply import MANY, RUNNING, WAITING, Compiling
from webui.engine.compiling.blocks import blocks_of
from webui.engine.compiling.compiler import why_not
from webui.engine.reading.kept import FP8, KeptTensor


class InvalidCxxCompiler(RuntimeError):
    """As torch's is named."""


def test_the_first_picture_is_made_as_ever_and_the_next_by_compiled_blocks(own, registry, ask, counting, compiled_loop):
    plain = Loop(own, registry)
    plain.add("plain", ask(**ASKED))
    right = plain.run()["plain"]
    loop = compiled_loop(own)
    counting.go_on.clear()
    assert (made_by(loop, "first", ask(**ASKED)) == right).all()
    assert loop.said == [WAITING]
    counting.go_on.set()
    assert loop.compiling.wait(60)
    compiled, calls = counting.graphs, counting.calls
    assert compiled and threading.main_thread() not in counting.compiling_threads
    assert abs(made_by(loop, "second", ask(**ASKED)) - right).max() <= 1
    assert loop.said == [RUNNING]
    # Each block is in three pieces, between and behind its two attentions.
    assert counting.calls - calls == 3 * len(blocks_of(own.denoiser)) * ASKED["steps"]
    assert counting.graphs == compiled and threading.main_thread() in counting.running_threads
    assert "forward" not in own.denoiser.__dict__
    assert not any("forward" in block.__dict__ for block in blocks_of(own.denoiser))


def test_blocks_change_over_within_a_picture_between_two_passes(own, ask, counting, compiled_loop):
    loop = compiled_loop(own)
    loop.said, lane = [], loop.add("one", ask(**ASKED))
    lane._on_note = lambda text: text in loop.said or loop.said.append(text)
    loop.turn()
    assert loop.compiling.wait(60)
    loop.run()
    assert loop.said == [WAITING, RUNNING]
    # What was compiled beside one job's attention serves the next job's.
    calls = counting.calls
    made_by(loop, "two", ask(**ASKED, attention="math"))
    assert counting.calls - calls == 3 * len(blocks_of(own.denoiser)) * ASKED["steps"]


def test_blocks_of_one_form_share_their_code_and_a_single_call_is_kept_until_it_is_compiled(
    ask, counting, tmp_path, compiled_loop, monkeypatch
):
    singles.write(singles.sd("sdxl").tensors(), tmp_path / "xl.safetensors")
    model = load_model(tmp_path / "xl.safetensors")
    loop, tasks = compiled_loop(model), []
    compile_ = loop.compiling._compiler.compile
    monkeypatch.setattr(loop.compiling._compiler, "compile", lambda task: (tasks.append(task), compile_(task)))
    made_by(loop, "one", ask(**ASKED, checkpoint="xl"))
    assert loop.compiling.wait(60)
    blocks = blocks_of(model.denoiser)
    [calls] = [task.calls for task in tasks]
    forms = [(blocks[call.number].norm1.normalized_shape, call.args[0].shape) for call in calls]
    assert len(set(forms)) == len(forms) < len(blocks)
    assert counting.graphs <= 2 * 3 * len({block.norm1.normalized_shape for block in blocks})
    # And what was compiled by them serves all blocks.
    before = counting.calls
    made_by(loop, "two", ask(**ASKED, checkpoint="xl"))
    assert loop.said == [RUNNING] and counting.calls - before == 3 * len(blocks) * ASKED["steps"]


def test_a_compiler_that_is_not_there_is_said_once_and_pictures_are_made(own, registry, ask, compiled_loop):
    def backend(module, inputs):
        raise InvalidCxxCompiler("No working C++ compiler found in None")

    plain = Loop(own, registry)
    plain.add("plain", ask(**ASKED))
    right = plain.run()["plain"]
    loop = compiled_loop(own, backend)
    said = []
    for number in range(3):
        assert (made_by(loop, f"job{number}", ask(**ASKED)) == right).all()
        assert loop.compiling.wait(60)
        said.append(list(loop.said))
    (sentence,) = {text for texts in said for text in texts} - {WAITING}
    assert "found no C++ compiler" in sentence and "'Compile repeated blocks' off" in sentence
    assert sum(sentence in texts for texts in said) == 1 and said[2] == []


def test_what_a_compiler_says_stands_in_the_sentence():
    try:
        try:
            raise ValueError("a strange graph\nwith more lines")
        except ValueError as error:
            raise RuntimeError("backend failed") from error
    except RuntimeError as error:
        assert "(ValueError: a strange graph); " in why_not(error)


def test_only_so_many_sizes_are_compiled_for(own, ask, monkeypatch, compiled_loop):
    monkeypatch.setattr("webui.engine.compiling.apply._MOST_KINDS", 1)
    loop = compiled_loop(own)
    made_by(loop, "first", ask(**ASKED))
    made_by(loop, "wide", ask(**ASKED, width=128))
    assert loop.said == [MANY]


def test_a_model_that_goes_is_not_kept_by_what_was_compiled_of_it(tiny_checkpoint, ask, counting, compiled_loop):
    model = load_model(tiny_checkpoint)
    loop = compiled_loop(model)
    for name in ("first", "second"):
        made_by(loop, name, ask(**ASKED))
        assert loop.compiling.wait(60)
    assert counting.calls
    network = ref(model.denoiser)
    loop.model = loop.ends = None
    del model
    gc.collect()
    assert network() is None


def test_transformers_are_compiled_whole_and_only_with_torchs_own_attention(
    registry, ask, counting, tmp_path, compiled_loop
):
    folder(flow("flux-dev"), tmp_path / "flux")
    model = load_model(tmp_path / "flux")
    asked = ASKED | {"checkpoint": "flux", "cfg_scale": 1.0}
    plain = Loop(model, registry)
    plain.add("plain", ask(**asked))
    right = plain.run()["plain"]
    loop = compiled_loop(model)
    made_by(loop, "first", ask(**asked))
    assert loop.compiling.wait(60)
    calls = counting.calls
    assert abs(made_by(loop, "second", ask(**asked)) - right).max() <= 1
    assert loop.said == [RUNNING] and counting.calls > calls
    calls = counting.calls
    assert abs(made_by(loop, "math", ask(**asked, attention="math")) - right).max() <= 1
    assert counting.calls == calls and "torch's own attention (sdpa) alone" in loop.said[0]


def kept_in_few_bits(network):
    layer = blocks_of(network)[0].attn1.to_q
    layer.weight = torch.nn.Parameter(KeptTensor(layer.weight.detach().to(FP8), torch.float32), requires_grad=False)


def waiting_in_ram(network):
    from webui.engine.memory.seats import Seats

    Seats(torch.device("cpu"), 2**40, lambda tensor: tensor.clone()).seat(network)


def hooked(network):
    blocks_of(network)[0].ff.register_forward_hook(lambda *_: None)


@pytest.mark.parametrize(
    ("spoil", "why"),
    [(kept_in_few_bits, "fewer bits"), (waiting_in_ram, "waits in RAM"), (hooked, "an extension changes them")],
)
def test_what_cannot_be_compiled_is_said_and_computed_as_ever(own, registry, ask, counting, spoil, why, compiled_loop):
    spoil(own.denoiser)
    plain = Loop(own, registry)
    plain.add("plain", ask(**ASKED))
    right = plain.run()["plain"]
    loop = compiled_loop(own)
    assert (made_by(loop, "one", ask(**ASKED)) == right).all()
    assert len(loop.said) == 1 and why in loop.said[0] and not counting.graphs


def test_processors_take_turns_within_what_the_compiler_sees(own, compiled_loop):
    network, compiling = own.denoiser, compiled_loop(own).compiling
    plain = list(network.attn_processors.values())
    applied = compiling("math", network, WHOLE)
    seen = list(network.attn_processors.values())
    chosen = [outside.processor for outside in seen]
    before, other = dict(network.attn_processors), object()
    network.set_attn_processor(other)
    assert {outside.processor for outside in seen} == {other}
    network.set_attn_processor(before)
    assert [outside.processor for outside in seen] == chosen and not set(chosen) & set(plain)
    applied.undo()
    assert [outside.processor for outside in seen] == plain
    assert list(network.attn_processors.values()) == seen


def test_memory_that_runs_short_leaves_nothing_behind(own, ask, compiled_loop, monkeypatch):
    loop, tasks = compiled_loop(own), []
    monkeypatch.setattr(loop.compiling._compiler, "compile", tasks.append)
    applied = loop.compiling("sdpa", own.denoiser, WHOLE)
    with pytest.raises(TypeError):
        own.denoiser()
    applied.undo()
    assert not tasks, "a pass that failed is none to compile by"
    made_by(loop, "one", ask(**ASKED))
    [task] = tasks
    assert len(task.calls) == len({block.norm1.normalized_shape for block in blocks_of(own.denoiser)})


def test_an_engine_with_the_setting_tells_its_jobs(tiny_checkpoint, registry, plugins, ask, counting, monkeypatch):
    made = []

    def compiling(config, backends):
        assert config.compile_repeated_blocks
        made.append(Compiling(partial(apply, backends), counting))
        return made[0]

    monkeypatch.setattr("webui.engine.engine.attention_of", compiling)
    monkeypatch.setattr(torch, "compile", lambda block, **options: lambda *args, **kwargs: None)
    with running(tiny_checkpoint.parent, registry, plugins, compile_repeated_blocks=True) as bench:
        told = []
        for job in ("a", "b"):
            bench.engine.submit(job, ask(**ASKED))
            bench.heard.end(job)
            told.append([note.text for note in bench.heard.of(job, Note)])
            assert made[0].wait(60)
    assert told[0][0] == WAITING and told[1] == [RUNNING]


def test_torch_compiles_in_its_plain_mode_which_makes_no_cuda_graphs(own, ask, counting, compiled_loop, monkeypatch):
    asked = []
    monkeypatch.setattr(torch, "compile", lambda block, **options: asked.append(options) or (lambda *_, **__: None))
    loop = compiled_loop(own)
    made_by(loop, "first", ask(**ASKED))
    assert loop.compiling.wait(60)
    assert asked and all(options.keys() == {"backend", "recompile_limit"} for options in asked)
    assert Compiling(None)._compiler._backend == "inductor" and not inductor.triton.cudagraphs
