"""A job's way in: what it holds once it is ready, whatever else was lent to it meanwhile."""

from tests.engine.helpers import running
from webui.engine.generate import Run
from webui.engine.intake import Intake, Told


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
        intake._load_vae(run, lent.append)
        intake._load(run, [bench.engine._catalogue.get(request.checkpoint)])
        intake.close()
        assert run.models == lent and len(lent) == 1
        run.loan.close()
