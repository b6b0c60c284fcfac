"""What functions of extensions are told: arguments by name, and which pictures of the request they see."""

import pytest

from tests.engine.helpers import running
from tests.engine.test_hooks import GUIDANCE, extension, hook, made, told_by


def test_post_processing_takes_what_it_needs_by_name(tmp_path, tiny_checkpoint, registry, ask):
    rows = "@hookimpl\ndef post_processing():\n    return [PostProcessing('told', 'Told', 'worker:told')]\n"
    worker = "SEEN = []\ndef told(seed, request, image, index, more=0):\n"
    worker += "    SEEN.append((index, seed, request.steps))\n    return image\n"
    made(tiny_checkpoint.parent, registry, extension(tmp_path / "a", worker, rows=rows), ask(batch_size=2, steps=2))
    assert told_by("pusher") == [(0, 7, 2), (1, 8, 2)]
    worker = "def told(image, sead):\n    return image\n"
    with pytest.raises(AssertionError, match=r"takes 'sead', which it is not given\. It may take image, index, seed"):
        made(tiny_checkpoint.parent, registry, extension(tmp_path / "b", worker, rows=rows), ask(steps=2))


NUMBERED = """
SEEN = []

@hookimpl
def before_sampling(latents, indices, seeds):
    SEEN.append(("noise", indices, seeds))

@hookimpl
def before_step(latents, step, indices, seeds):
    SEEN.append((step, indices, seeds))

@hookimpl
def after_step(indices, seeds, step):
    SEEN.append((step, indices, seeds))

def alone(guided):
    SEEN.append(("guided", guided.indices, guided.seeds))
    return guided.cond
"""


@pytest.mark.parametrize("sampler", ["Euler", "DPM adaptive"])
def test_hooks_are_told_which_pictures_of_the_request_they_see(tmp_path, tiny_checkpoint, registry, ask, sampler):
    own = extension(tmp_path, NUMBERED, rows=GUIDANCE)
    request = ask(steps=1, batch_size=2, n_iter=2, sampler_name=sampler)
    made(tiny_checkpoint.parent, registry, own, request)
    told = [(what, dict(zip(indices, seeds, strict=True))) for what, indices, seeds in told_by("pusher")]
    both, each = [{0: 7, 1: 8}, {2: 9, 3: 10}], [{0: 7}, {1: 8}, {2: 9}, {3: 10}]
    assert [pictures for what, pictures in told if what == "noise"] == both
    parts = both if sampler == "Euler" else each
    assert [pictures for what, pictures in told if what == "guided" and pictures in parts]
    assert {tuple(pictures) for what, pictures in told if what == "guided"} == {tuple(part) for part in parts}
    steps = [pictures for what, pictures in told if what == 0]
    assert all(steps.count(part) == 2 for part in parts) and len(steps) == 2 * len(parts)


def test_a_prompt_that_is_refused_is_no_failure_of_its_extension(tmp_path, tiny_checkpoint, registry, ask):
    body = "from webui.extend import InvalidField", "raise InvalidField('Close the bracket.', field='prompt')"
    own = extension(tmp_path, hook("transform_prompt", "prompt", *body))
    with running(tiny_checkpoint.parent, registry, own) as bench:
        bench.engine.submit("job", ask())
        problem = bench.heard.end("job").problem
    assert (problem.detail, problem.field, problem.status) == ("Close the bracket.", "prompt", 422)
