"""A job's way in: what it holds once it is ready, whatever else was lent to it meanwhile."""

import sys
import threading

from tests.engine.helpers import running
from webui.engine.generate import Run
from webui.engine.intake import Intake, Told
from webui.plugins.loader import load_plugins


def test_a_model_lent_for_decoding_alone_is_none_that_a_run_which_begins_again_computes_with(
    tiny_checkpoint, registry, plugins, ask
):
    def nothing(*_):
        pass

    with running(tiny_checkpoint.parent, registry, plugins) as bench:
        request, lent = ask(checkpoint=tiny_checkpoint.name), []
        intake = Intake(bench.engine._intake._means, Told(nothing, nothing, nothing, nothing, nothing))
        run = Run("a", request, frozenset(), False, [0])
        # It gave its models back, as one batch's latents overflowed; then another batch's decoding gets its model.
        intake._load_vae(run, request, lent.append)
        intake._load(run, [bench.engine._catalogue.get(request.checkpoint)])
        intake.close()
        assert run.models == lent and len(lent) == 1
        run.loan.close()


PROMPTS = """from webui.extend import hookimpl

ASKED = []


@hookimpl
def transform_prompt(prompt, negative_prompt, index):
    ASKED.append(index)
    return f"{prompt} {index}", negative_prompt
"""


def test_texts_are_written_once_for_all_pictures_though_the_run_begins_again(tmp_path, tiny_checkpoint, registry, ask):
    home = tmp_path / "extensions" / "writer"
    home.mkdir(parents=True)
    (home / "extension.toml").write_text('name = "writer"\nversion = "1.0"\napi = "1"\n')
    (home / "worker.py").write_text(PROMPTS)
    plugins = load_plugins((tmp_path / "extensions",), "worker")
    with running(tiny_checkpoint.parent, registry, plugins) as bench:
        engine = bench.engine
        bench.gate.hold_at(3)
        engine.submit("a", ask(n_iter=3, steps=2), frozenset({1}))
        assert bench.gate.held.wait(60)
        # The first batch may still be decoded, and the last one is in work: the run begins again, as after an overflow.
        engine._inbox.put(lambda: engine._begin_again(engine._runs["a"]))
        bench.gate.release()
        pictures = bench.heard.pictures("a")
    assert {index: picture.infotext.partition("\n")[0] for index, picture in pictures.items()} == {
        0: "a red house 0",
        2: "a red house 2",
    }
    assert sys.modules["darkroom_extension_writer.worker"].ASKED == [0, 2]


def test_a_decoded_batch_keeps_its_texts_while_another_is_made_ready(tmp_path, tiny_checkpoint, registry, plugins, ask):
    def nothing(*_):
        pass

    with running(tiny_checkpoint.parent, registry, plugins) as bench:
        ready = threading.Event()
        told = Told(nothing, nothing, lambda run: ready.set(), nothing, nothing)
        intake = Intake(bench.engine._intake._means, told)
        # Its first batch is with the decoder, so that only the second is still to be made.
        run = Run("a", ask(checkpoint=tiny_checkpoint.name, n_iter=2), frozenset(), False, [1])
        run.texts = {0: ("a blue house", "")}
        intake.take(run)
        assert ready.wait(60)
        intake.close()
        assert run.texts == {0: ("a blue house", "")} and 0 in run.passes[0].guides[0].own
        run.loan.close()


def test_a_job_that_was_cancelled_meanwhile_is_not_encoded_to_its_end(
    tiny_checkpoint, registry, plugins, ask, monkeypatch
):
    def nothing(*_):
        pass

    with running(tiny_checkpoint.parent, registry, plugins) as bench:
        gone, failed, encoded = threading.Event(), [], []
        told = Told(nothing, nothing, nothing, lambda run: gone.set(), lambda run, error: failed.append(error))
        intake = Intake(bench.engine._intake._means, told)
        run = Run("a", ask(checkpoint=tiny_checkpoint.name, prompt="[a|b|c|d]"), frozenset(), False, [0])

        def encode(self, text, *rest):
            encoded.append(text)
            run.cancelled = True
            return before(self, text, *rest)

        with bench.engine._pipelines.lend(bench.engine._catalogue.get(run.request.checkpoint)) as model:
            before = type(model).encode
            monkeypatch.setattr(type(model), "encode", encode)
            intake.take(run)
            assert gone.wait(60)
            intake.close()
        assert encoded == ["a"] and not failed
        run.loan.close()
