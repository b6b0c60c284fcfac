"""Embeddings of every form are read to the last bit; those that are damaged or made to harm are a sentence."""

import struct

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.engine.embeddings.made_embeddings import a1111, covers, in_pixels, vectors, with_text, write_all
from webui.core.errors import ModelProblem
from webui.engine.checkpoints.identify import Kinds, identify
from webui.engine.embeddings.catalogue import EmbeddingCatalogue
from webui.engine.embeddings.pictures import covering
from webui.engine.embeddings.vectors import CLIP_G, CLIP_L, ONE, chosen, read_bundled, title_of

SD1, SD2, SDXL, REFINER = (
    ((ONE, 768),), ((ONE, 1024),), (("clip_l", 768), ("clip_g", 1280)), (("clip_g", 1280),)
)  # fmt: skip


def xl(count=2):
    return {"clip_l": vectors(count, 768, 1), "clip_g": vectors(count, 1280, 2)}


def test_every_form_is_read_to_the_last_bit(tmp_path):
    written = write_all(tmp_path, 32)
    catalogue = EmbeddingCatalogue((tmp_path,))
    assert {one.name: one.problem for one in catalogue.all()} == dict.fromkeys(written, "")
    encoders = ((ONE, 32),)
    for name, own in written.items():
        word = catalogue.loaded(catalogue.find(name), encoders)
        assert word.size == len(own)
        assert torch.equal(torch.from_numpy(word.vectors[0]), own), name


def test_what_is_known_is_not_read_again(tmp_path, monkeypatch):
    folder, cache = tmp_path / "embeddings", tmp_path / "cache"
    folder.mkdir()
    write_all(folder, 32)
    Image.new("RGB", (30, 30), (90, 90, 90)).save(folder / "holiday.png")
    first = EmbeddingCatalogue((folder,), cache).all()
    monkeypatch.setattr("webui.engine.embeddings.catalogue._content", lambda path: pytest.fail(f"{path} was read"))
    assert EmbeddingCatalogue((folder,), cache).all() == first


def test_a_file_that_changed_is_another(tmp_path):
    save_file({"emb_params": vectors(2, 32)}, tmp_path / "cat.safetensors")
    catalogue = EmbeddingCatalogue((tmp_path,))
    before = catalogue.find("CAT")
    save_file({"emb_params": vectors(3, 32)}, tmp_path / "cat.safetensors")
    with pytest.raises(ModelProblem, match="is changed at the moment"):
        catalogue.loaded(before, ((ONE, 32),))
    catalogue.refresh()
    after = catalogue.find("cat")
    assert after.facts.size == 3 and after.facts.digest != before.facts.digest
    assert catalogue.find("other name", after.facts.digest) is after and catalogue.find("cat", "0" * 64) is None
    (tmp_path / "cat.safetensors").unlink()
    catalogue.refresh()
    assert catalogue.all() == ()


def test_the_first_folder_that_has_a_name_counts(tmp_path):
    for seed, folder in enumerate(("mine", "theirs/deep")):
        (tmp_path / folder).mkdir(parents=True)
        save_file({"emb_params": vectors(1, 32, seed)}, tmp_path / folder / "cat.safetensors")
    (one,) = EmbeddingCatalogue((tmp_path / "mine", tmp_path / "theirs")).all()
    assert one.path == tmp_path / "mine" / "cat.safetensors"


@pytest.mark.parametrize(
    ("widths", "encoders", "expected"),
    [
        ({ONE: 768}, SD1, (ONE,)), ({ONE: 768}, SD2, None), ({ONE: 768}, SDXL, None), ({ONE: 1024}, SD2, (ONE,)),
        ({CLIP_L: 768, CLIP_G: 1280}, SDXL, (CLIP_L, CLIP_G)), ({CLIP_L: 768, CLIP_G: 1280}, REFINER, (CLIP_G,)),
        ({CLIP_L: 768, CLIP_G: 1280}, SD1, None), ({CLIP_L: 768, CLIP_G: 1280}, SD2, None),
        ({ONE: 1280}, SDXL, None), ({ONE: 1280}, REFINER, (ONE,)),
        ({ONE: 768}, (), None),
    ],
)  # fmt: skip
def test_which_models_take_which_vectors(widths, encoders, expected):
    assert chosen(widths, encoders) == expected


def test_the_kind_is_told_by_the_widths(tmp_path):
    assert title_of({ONE: 768}) == "Stable Diffusion 1" and title_of({ONE: 1024}) == "Stable Diffusion 2"
    save_file(xl(), tmp_path / "large.safetensors")
    with_text(tmp_path / "card.png", xl(1))
    catalogue = EmbeddingCatalogue((tmp_path,))
    assert [one.title for one in catalogue.all()] == ["Stable Diffusion XL"] * 2
    assert title_of({ONE: 32}) == "text encoders of width 32"
    word = catalogue.loaded(catalogue.find("large"), SDXL)
    assert [one.shape for one in word.vectors] == [(2, 768), (2, 1280)]
    fitting, others = catalogue.words(SD1)
    assert not fitting and {one.name for one in others.learned} == {"large", "card"}


@pytest.mark.parametrize("name", ["plain.pt", "concept.bin", "kohya.safetensors", "large.safetensors"])
def test_one_among_checkpoints_says_where_it_belongs(tmp_path, name):
    write_all(tmp_path, 32)
    save_file(xl(), tmp_path / "large.safetensors")
    found = identify(tmp_path / name, Kinds.built_in())
    assert found.problem == "It is an embedding; it belongs into models/embeddings."


def test_the_numbers_over_the_pixels_are_the_generators():
    assert np.array_equal(covering(5000), covers(5000)) and covering(0).size == 0


def test_bundled_ones_are_read_out_of_a_lora(tmp_path):
    path = tmp_path / "lora.safetensors"
    one, two = vectors(2, 32), {"clip_l": vectors(3, 32, 1), "clip_g": vectors(3, 64, 2)}
    tensors = {"lora_unet_x.lora_up.weight": vectors(2, 2), "bundle_emb.first.string_to_param.*": one}
    save_file(tensors | {f"bundle_emb.my word.{key}": part for key, part in two.items()}, path)
    found = read_bundled(path)
    assert torch.equal(torch.from_numpy(found["first"].parts[ONE]), one)
    assert found["my word"].widths == {"clip_l": 32, "clip_g": 64} and found["my word"].size == 3


class Harm:
    """A pickle of this calls a function when it is read."""

    def __reduce__(self):
        return (print, ("harm",))


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


def bad_files(folder):
    """(the file, a part of the sentence) of everything that is no embedding."""

    def saved(name, tensors):
        save_file(tensors, folder / f"{name}.safetensors")
        return folder / f"{name}.safetensors"

    def pickled(name, content):
        torch.save(content, folder / name)
        return folder / name

    yield saved("nan", {"emb_params": torch.full((2, 32), torch.nan)}), "no numbers (NaN or infinity)"
    yield saved("huge", {"emb_params": torch.full((2, 32), 1e300, dtype=torch.float64)}), "no numbers (NaN or infinity)"
    path = saved("short", {"emb_params": vectors(2, 32)})
    cut(path)
    yield path, "is cut off"
    yield saved("long", {"emb_params": vectors(76, 32)}), "has 76 vectors, and a chunk of a prompt has 75 places"
    yield saved("wide", {"emb_params": vectors(1, 20_000)}), "holds a tensor of 1 x 20000"
    yield saved("flat", {"emb_params": torch.tensor(5.0)}), "is no embedding: it holds a tensor of one number"
    yield saved("none", {"emb_params": torch.zeros(0, 32)}), "holds a tensor of 0 x 32"
    yield saved("whole", {"emb_params": torch.ones(2, 32, dtype=torch.int32)}), "numbers of the type I32"
    yield saved("many", {"a": vectors(1, 32), "b": vectors(1, 32)}), "is no embedding: it holds a, b"
    yield saved("uneven", {"clip_l": vectors(1, 768), "clip_g": vectors(2, 1280)}), "unequally many vectors"
    path = folder / "claims.safetensors"
    path.write_bytes(struct.pack("<Q", 2 * 2**30) + b"{}" + b"\0" * 100)
    yield path, "its header claims 2,147,483,648 bytes"
    yield pickled("harm.pt", {"string_to_param": {"*": Harm()}}), "wants to call"
    yield pickled("empty.pt", {"string_to_param": {}}), "it holds nothing"
    path = pickled("half.pt", a1111(vectors(2, 32)))
    cut(path)
    yield path, "is cut off"
    path = folder / "text.bin"
    path.write_text("<!doctype html>")
    yield path, "web page"


def bad_pictures(folder):
    """The same of pictures."""
    for number, content in enumerate(
        (
            {"string_to_param": {"*": {"TORCHTENSOR": [["a"]]}}}, {"string_to_param": {"*": [[1.0]]}},
            {"string_to_param": 5}, {"name": "x"}, {"string_to_param": {"*": {"TORCHTENSOR": [[1.0], [1.0, 2.0]]}}},
        )
    ):  # fmt: skip
        yield with_text(folder / f"card {number}.png", content), "is damaged"
    yield with_text(folder / "nan.png", a1111(torch.full((1, 4), torch.inf))), "no numbers"
    path = with_text(folder / "cut.png", a1111(vectors(2, 32)))
    path.write_bytes(path.read_bytes()[:150])
    yield path, "damaged or cut short"
    yield in_pixels(folder / "wrong.png", {"string_to_param": []}), "is damaged"


@pytest.mark.parametrize("files", [bad_files, bad_pictures])
def test_what_is_none_is_a_sentence_and_the_others_stay(tmp_path, capfd, files):
    save_file({"emb_params": vectors(2, 32)}, tmp_path / "good.safetensors")
    expected = {path.stem: said for path, said in files(tmp_path)}
    catalogue = EmbeddingCatalogue((tmp_path,))
    problems = {one.name: one.problem for one in catalogue.all()}
    assert problems.pop("good") == ""
    assert problems.keys() == expected.keys()
    for name, said in expected.items():
        assert said in problems[name] and problems[name].endswith("."), (name, problems[name])
    words, others = catalogue.words(((ONE, 32),))
    assert [one.name for one in words.learned] == ["good"] and len(others.learned) == len(expected)
    assert "harm" not in capfd.readouterr().out


def test_pictures_without_any_are_no_embeddings(tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, (20, 30, 3), np.uint8)).save(tmp_path / "noise.png")
    Image.new("RGB", (20, 20)).save(tmp_path / "black.png")
    striped = np.full((20, 30, 3), 99, np.uint8)
    striped[:, [10, 19]] = 0
    Image.fromarray(striped).save(tmp_path / "stripes.png")
    with_text(tmp_path / "cat.preview.png", a1111(vectors(1, 32)))
    with_text(tmp_path / "dog.png", a1111(vectors(1, 32)))
    save_file({"emb_params": vectors(3, 32)}, tmp_path / "dog.safetensors")
    (dog,) = EmbeddingCatalogue((tmp_path,)).all()
    assert dog.path.suffix == ".safetensors"


def test_a_picture_that_unpacks_to_gigabytes_is_a_sentence(tmp_path):
    in_pixels(tmp_path / "bomb.png", {"x": "a" * 33_000_000})
    (one,) = EmbeddingCatalogue((tmp_path,)).all()
    assert "is damaged" in one.problem
