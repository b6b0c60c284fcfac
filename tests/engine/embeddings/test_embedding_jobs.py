"""Jobs with embeddings: what they draw is what their vectors mean, and what means nothing to a model is a note."""

import shutil
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file
from transformers import CLIPTextModel

from tests.engine.adapters.made import as_kohya, lora
from tests.engine.embeddings.made_embeddings import a1111, vectors
from tests.engine.embeddings.test_embedding_words import extended
from tests.engine.helpers import WIDTH, Bench, pixels
from webui.core.drawn import Drawn
from webui.core.events import Failed, Note
from webui.core.frozen import FrozenMap
from webui.core.model_folders import ModelFolders
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.tokens import Reading
from webui.engine.config import EngineConfig
from webui.engine.embeddings.catalogue import EmbeddingCatalogue
from webui.engine.embeddings.spoken import Spoken

LORA = "text_model.encoder.layers.0.mlp.fc1"


@pytest.fixture(scope="module")
def house(tmp_path_factory, tiny_checkpoint):
    """The tiny checkpoint, one whose vocabulary has the embedding `zork` as tokens, embeddings, LoRAs with some."""
    root = tmp_path_factory.mktemp("house")
    checkpoints, embeddings, loras = (root / name for name in ("checkpoints", "embeddings", "loras"))
    shutil.copytree(tiny_checkpoint, checkpoints / "tiny")
    embeddings.mkdir()
    loras.mkdir()
    # Large ones, so that the random networks show them.
    zork = vectors(2, WIDTH, 1) * 3
    torch.save(a1111(zork), embeddings / "zork.pt")
    save_file({"emb_params": vectors(3, WIDTH, 2) * 3}, embeddings / "glim.safetensors")
    save_file({"emb_params": vectors(1, 768)}, embeddings / "wide.safetensors")
    save_file({"emb_params": torch.full((1, WIDTH), torch.nan)}, embeddings / "broken.safetensors")
    text = CLIPTextModel.from_pretrained(tiny_checkpoint / "text_encoder")
    shape = dict(text.named_parameters())[f"{LORA.removeprefix('text_model.')}.weight"].shape
    tensors, _ = lora({LORA: shape}, as_kohya("lora_te"))
    bundle = {"bundle_emb.frob.string_to_param.*": vectors(2, WIDTH, 5) * 3, "bundle_emb.zork.emb_params": zork * -1}
    save_file(tensors | bundle, loras / "carrier.safetensors")
    save_file({"emb_params": bundle["bundle_emb.frob.string_to_param.*"]}, root / "frob.safetensors")
    return SimpleNamespace(root=root, checkpoints=checkpoints, embeddings=embeddings, loras=loras, zork=zork)


@pytest.fixture
def bench(house, registry, plugins):
    """An engine on these folders."""
    folders = ModelFolders((house.checkpoints,), loras=(house.loras,), embeddings=(house.embeddings,))
    made = Bench(EngineConfig(folders, device="cpu"), registry, plugins)
    yield made
    made.engine.close()


def job(bench, request, name="job"):
    """(the picture, the notes)."""
    bench.engine.submit(name, request)
    return bench.heard.pictures(name), [note.text for note in bench.heard.of(name, Note)]


def differ(one, other):
    return abs(pixels(one) - pixels(other)).max()


def test_a_picture_is_what_the_vectors_draw(bench, house, ask, monkeypatch):
    plain, named, weighted, negative = (
        one[0]
        for one in bench.make(
            ask(prompt="a red house"), ask(prompt="a red house zork"), ask(prompt="a red house (Zork:2)"),
            ask(prompt="a red house", negative_prompt="zork"),
        )
    )  # fmt: skip
    assert differ(plain, named) > 3 and differ(named, weighted) > 3 and differ(plain, negative) > 3
    # The same words in a model to whose vocabulary they belong.
    model = bench.engine._pipelines._resident
    text = next(iter(model.values())).model._text
    by_hand = extended(text.network, house.zork)
    first = text.network.config.vocab_size
    real = text.chunker.tokens

    def tokens(_, words):
        numbers = real(words.replace("zork", " ").replace("Zork", " "))
        return numbers + ([first, first + 1] if "zork" in words.lower() else [])

    monkeypatch.setattr(type(text.chunker), "tokens", tokens)
    monkeypatch.setattr(text, "network", by_hand)
    monkeypatch.setattr("webui.engine.embeddings.lexicon.encoders_of", lambda *_: ())
    bench.engine._intake._conditioner._kept.clear()
    assert differ(bench.make(ask(prompt="a red house zork"))[0][0], named) <= 1
    assert differ(bench.make(ask(prompt="a red house (Zork:2)"))[0][0], weighted) <= 1


def test_weights_in_eight_bits_are_told_the_same_vectors(bench, ask):
    kept = {"text_encoder_precision": "fp8"}
    plain, named, exact = (
        one[0]
        for one in bench.make(
            ask(prompt="a red house", **kept), ask(prompt="a red house zork", **kept), ask(prompt="a red house zork")
        )
    )
    assert differ(plain, named) > 3 and differ(named, exact) > 0


def test_a_word_of_no_file_is_a_word_and_says_nothing(bench, ask):
    pictures, notes = job(bench, ask(prompt="a red house zor k glimm"))
    assert pictures and notes == []


def test_what_means_nothing_to_the_model_is_read_as_words_with_a_sentence(bench, ask):
    pictures, notes = job(bench, ask(prompt="a red wide house broken", negative_prompt="wide"))
    assert notes == [
        "The embedding wide is for Stable Diffusion 1, so its name is read as words.",
        "The embedding broken cannot be used, so its name is read as words. broken.safetensors holds values that are "
        "no numbers (NaN or infinity).",
    ]
    (good,) = bench.make(ask(prompt="a red house zork"))
    assert good and pictures


@pytest.mark.parametrize("family", ["sd3", "flux", "z-image"])
def test_families_that_take_none_read_names_as_words_with_a_sentence(house, registry, ask, family):
    notes = []
    catalogue = EmbeddingCatalogue((house.embeddings,))
    row = registry.families.get(family)
    spoken = Spoken(catalogue, ask(), Checkpoint("large", house.root, family), row, notes.append)
    assert spoken.reading(Reading(), ["a red wide house", "worldwide"], ()) == Reading()
    assert notes == ["The embedding wide is for Stable Diffusion 1, so its name is read as words."]


def test_those_in_a_lora_count_while_it_is_named(bench, house, ask):
    without, with_it, own = (
        ask(prompt=f"a red house {words}") for words in ("frob", "frob <lora:carrier:0>", "zork <lora:carrier:0>")
    )
    first, notes = job(bench, without, "first")
    assert notes == []
    second, notes = job(bench, with_it, "second")
    assert notes == ["In the prompt 'frob' is an embedding of the LoRA carrier."]
    assert differ(first[0], second[0]) > 3
    # A file of its own counts before a LoRA's.
    third, notes = job(bench, own, "third")
    fourth, _ = job(bench, ask(prompt="a red house zork"), "fourth")
    assert notes == [] and differ(third[0], fourth[0]) <= 1
    shutil.copy(house.root / "frob.safetensors", house.embeddings)
    bench.engine._catalogue.embeddings.refresh()
    try:
        fifth, notes = job(bench, without, "fifth")
        assert notes == [] and differ(fifth[0], second[0]) <= 1
    finally:
        (house.embeddings / "frob.safetensors").unlink()


def test_each_batch_has_the_embeddings_of_its_own_lora(bench, ask):
    drawn = Drawn("a house", "", ("a red house frob <lora:carrier:0>", "a red house frob"))
    pictures, _ = job(bench, ask(n_iter=2, drawn=drawn), "batches")
    (alone,) = bench.make(ask(prompt="a red house frob", seed=ask().seed + 1))
    assert differ(pictures[1], alone[0]) <= 1


def test_a_file_that_was_replaced_is_no_substitute_and_one_with_another_name_is(bench, ask):
    digest = bench.engine._catalogue.embeddings.find("zork").facts.digest
    asked = ask(prompt="a red house zork", embedding_hashes=FrozenMap({"zork": "0" * 64}))
    bench.engine.submit("gone", asked)
    end = bench.heard.end("gone")
    assert isinstance(end, Failed)
    assert end.problem.detail == "The embedding zork is no longer the file that this job was accepted with."
    renamed, _ = job(bench, ask(prompt="a red house foo", embedding_hashes=FrozenMap({"foo": digest})), "renamed")
    (named,) = bench.make(ask(prompt="a red house zork"))
    assert differ(renamed[0], named[0]) <= 1


def test_texts_over_time_and_between_and_have_their_own(bench, ask):
    only, change, never, composed = (
        one[0]
        for one in bench.make(
            ask(prompt="a red house zork"), ask(prompt="a red house [glim:zork:1]"),
            ask(prompt="a red house [zork:glim:99]"), ask(prompt="a red house AND zork"),
        )
    )  # fmt: skip
    assert differ(only, change) > 1 and differ(only, composed) > 1
    assert differ(only, never) <= 1


def test_known_texts_are_known_with_their_embeddings(bench, ask):
    calls = []
    bench.make(ask(prompt="a red house zork", steps=1))
    model = next(iter(bench.engine._pipelines._resident.values())).model
    real = model.encode
    model.encode = lambda *given: calls.append(given[0]) or real(*given)
    bench.make(ask(prompt="a red house zork", steps=1, seed=9), ask(prompt="a red house glim", steps=1))
    assert "a red house zork" not in calls and "a red house glim" in calls
