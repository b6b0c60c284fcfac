"""Pictures whose texts were drawn are the pictures of these texts, in a batch too; a style's text is the prompt."""

import diffusers
import numpy as np
import torch

from tests.engine.helpers import pixels
from tests.engine.tiny_stock import Watch
from webui.core.drawn import Drawn
from webui.core.infotext import parse
from webui.core.request import GenerationRequest
from webui.engine.conditioning import Conditioner
from webui.engine.families.base import Purpose
from webui.engine.stock.model import StockModel
from webui.engine.texts import Texts, rewritten
from webui.engine.wordings import Wordings
from webui.images.metadata import read
from webui.plugins.builtin.stock import stock_classes
from webui.plugins.manager import Plugins

COLOURS = ("red", "blue")


def drawn(ask, **asked):
    texts = tuple(f"a {colour} house" for colour in COLOURS)
    kept = Drawn("a {red|blue} house", "dull", texts, ())
    return ask(prompt="{red|blue}", negative_prompt="", batch_size=2, **asked).but(drawn=kept)


def test_each_picture_of_a_batch_has_its_own_words(bench, ask):
    request = drawn(ask)
    together = bench.make(request)[0]
    for place, colour in enumerate(COLOURS):
        plain = ask(prompt=f"a {colour} house", negative_prompt="dull", seed=request.seed_of(place))
        [alone] = bench.make(plain)[0].values()
        assert abs(pixels(together[place]) - pixels(alone)).max() <= 1
        found = parse(together[place].infotext)
        assert (found.prompt, found.negative_prompt) == (f"a {colour} house", "dull")
        assert found.unknown["Template"] == "a {red|blue} house"
        assert "Negative Template" not in found.unknown
        stored = GenerationRequest.from_json(read(together[place].data).request)
        assert stored.texts_of(place) == request.texts_of(place)
        assert str(stored.drawn).count(" house") == 2, "the template and this picture's text"


@torch.inference_mode()
def test_a_template_that_no_picture_shows_is_not_read(tiny, ask, monkeypatch):
    read, encoded = Wordings(ask(), 4, emphasis=False), []
    encode = type(tiny).encode
    monkeypatch.setattr(
        type(tiny), "encode", lambda self, text, *rest: encoded.append(text) or encode(self, text, *rest)
    )
    kept = Drawn("{(a) AND b|c}", "", ("red", "blue", "red"))
    request = ask(cfg_scale=1.0, negative_prompt="").but(drawn=kept, n_iter=3)
    own = rewritten(None, request, range(3))
    guide = Texts(Conditioner(), Plugins(), request, read).guide(tiny, Purpose(64, 64), own)
    assert guide.negative is None and not read.notes and encoded == ["red", "blue"]
    assert guide.prompts([0])[0].parts == guide.prompts([2])[0].parts != guide.prompts([1])[0].parts
    # Where a picture shows it, it counts.
    shown = request.but(drawn=Drawn("a AND b", "", ("a AND b", "c", "c")))
    own = rewritten(None, shown, range(3))
    guide = Texts(Conditioner(), Plugins(), shown, read).guide(tiny, Purpose(64, 64), own)
    assert guide.negative is not None and [len(prompt.parts) for prompt in guide.prompts(range(3))] == [2, 1, 1]
    assert not rewritten(None, request.but(drawn=Drawn("x", "")), range(3))


def test_a_styled_prompt_is_what_is_drawn_and_no_template(bench, ask):
    styled = ask(prompt="house", styles=("x",)).but(drawn=Drawn("a red house", "dull"))
    [picture] = bench.make(styled)[0].values()
    [plain] = bench.make(ask(prompt="a red house", negative_prompt="dull"))[0].values()
    assert (pixels(picture) == pixels(plain)).all()
    found = parse(picture.infotext)
    assert (found.prompt, found.negative_prompt) == ("a red house", "dull")
    assert "Template" not in found.unknown


def test_a_stock_pipeline_is_given_them_too(tiny_checkpoint, ask):
    pipeline = diffusers.StableDiffusionPipeline.from_pretrained(tiny_checkpoint)
    model = StockModel(pipeline, stock_classes()["StableDiffusionPipeline"], torch.device("cpu"), torch.float32)
    texts = [(f"a {colour} house", "dull") for colour in COLOURS]
    together = model.draw(drawn(ask), [7, 8], Watch(), texts=texts)
    for seed, (prompt, negative_prompt), image in zip((7, 8), texts, together, strict=True):
        plain = ask(prompt=prompt, negative_prompt=negative_prompt)
        [alone] = model.draw(plain, [seed], Watch())
        assert abs(np.asarray(image).astype(int) - np.asarray(alone).astype(int)).max() <= 1
