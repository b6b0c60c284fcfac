"""Models with their cards: all that lies there, followed and remembered; pages, folders, words and orders."""

import json
import os
import time

import pytest

from tests import shams
from webui.core.errors import InvalidField, NotFound
from webui.core.model_folders import a1111, inside_models
from webui.engine.cards import shelf as shelves
from webui.engine.cards.listing import SORTS, Query, folders_of, page_of
from webui.engine.cards.shelf import Shelf
from webui.engine.checkpoints.catalogue import Catalogue


@pytest.fixture
def models(tmp_path):
    """models/ with checkpoints in folders, a VAE, and a LoRA."""
    models = tmp_path / "models"
    for number, name in enumerate(("a/deep/one", "a/two", "b/Three", "four", "flux dev ü")):
        path = models / "Stable-diffusion" / f"{name}.safetensors"
        shams.write(path, ("", shams.flux(guidance=True)), fill=float(number))
        os.utime(path, (1000 + number, 1000 + number))
    shams.write(models / "VAE" / "ae.safetensors", ("", shams.vae(16)))
    (models / "Lora").mkdir()
    shams.write(models / "Lora" / "style.safetensors", ("", shams.lora()))
    return models


def shelf_of(models, registry, state=None, **options):
    others = {"lora": (models / "Lora",), "embedding": (models / "embeddings",)}
    catalogue = Catalogue(inside_models(models), state, look_seconds=0)
    return Shelf(catalogue, registry, state, others, look_seconds=0, **options)


def say(models, name, **facts):
    (models / "Stable-diffusion" / f"{name}.json").write_text(json.dumps(facts))


def names(page):
    return [model.name.removesuffix(".safetensors") for model in page.models]


def test_models_whose_names_differ_in_the_ending_alone_are_told_apart(models, registry):
    folder = models / "Stable-diffusion"
    (folder / "Four.ckpt").write_bytes(b"x")
    (folder / "a" / "Three.ckpt").write_bytes(b"x")
    shams.write(models / "VAE" / "four.safetensors", ("", shams.vae(16)))
    found = shelf_of(models, registry).all()
    labels = {model.name: model.label for model in found if model.kind == "checkpoint"}
    assert (labels["four.safetensors"], labels["Four.ckpt"]) == ("four.safetensors", "Four.ckpt")
    # One of another folder and one of another kind are no twins.
    assert (labels["a/Three.ckpt"], labels["b/Three.safetensors"]) == ("Three", "Three")
    assert [model.label for model in found if model.kind == "vae"] == ["ae", "four"]


def test_all_kinds_are_there_with_ids_that_stay(models, registry):
    found = shelf_of(models, registry).all()
    assert [model.kind for model in found] == ["checkpoint"] * 5 + ["vae", "lora"]
    again = shelf_of(models, registry)
    assert [model.id for model in again.all()] == [model.id for model in found]
    assert again.get(found[0].id) == found[0]
    assert found[-1].size_bytes == (models / "Lora" / "style.safetensors").stat().st_size
    with pytest.raises(NotFound):
        again.get("0" * 16)


def test_it_follows_what_is_put_beside_and_taken_away(models, registry):
    shelf = shelf_of(models, registry)
    four = next(model for model in shelf.all() if model.name.startswith("four"))
    assert (four.card.notes, four.preview) == ("", None)
    say(models, "four", notes="n")
    (models / "Stable-diffusion" / "four.preview.png").write_bytes(b"x")
    assert shelf.get(four.id).card.notes == "n" and shelf.get(four.id).preview
    (models / "Stable-diffusion" / "four.json").unlink()
    assert shelf.get(four.id).card.notes == ""
    (models / "Stable-diffusion" / "four.safetensors").unlink()
    with pytest.raises(NotFound):
        shelf.get(four.id)


def test_a_second_start_reads_no_card_that_has_not_changed(models, registry, tmp_path, monkeypatch):
    say(models, "four", notes="one")
    say(models, "a/two", notes="two")
    assert shelf_of(models, registry, tmp_path / "state").all()
    say(models, "a/two", notes="another")
    read, before = [], shelves.read_card
    monkeypatch.setattr(shelves, "read_card", lambda beside: read.append(beside) or before(beside))
    found = {model.name: model.card.notes for model in shelf_of(models, registry, tmp_path / "state").all()}
    assert found["four.safetensors"] == "one" and found["a/two.safetensors"] == "another"
    assert [beside.facts.path.name for beside in read if beside.facts] == ["two.json"]


@pytest.mark.parametrize("data", [b"{", b"\xff\xfe\x00", b"[" * 100_000])
def test_a_damaged_card_takes_no_model_away(models, registry, data):
    (models / "Stable-diffusion" / "four.json").write_bytes(data)
    four = next(model for model in shelf_of(models, registry).all() if model.name.startswith("four"))
    assert ".json" not in str(four.problem) and four.card.problems


def test_many_models_are_listed_quickly_on_a_second_start(models, registry, tmp_path):
    folder = models / "Lora"
    for number in range(400):
        (folder / f"{number}.safetensors").write_bytes(b"x")
        (folder / f"{number}.civitai.info").write_text(
            json.dumps({"trainedWords": [f"word{number}"], "files": [0] * 500})
        )
    shelf_of(models, registry, tmp_path / "state").all()
    shelf = shelf_of(models, registry, tmp_path / "state")
    start = time.perf_counter()
    page = page_of(shelf.all(), Query("lora", search="word39"), private=True)
    # A fifth of two thousand, in the whole time that those are allowed: other tests run beside this one.
    assert page.total == 11 and time.perf_counter() - start < 1.0


@pytest.mark.parametrize(
    ("sort", "expected"),
    [
        ("name", ["flux dev ü", "four", "a/deep/one", "b/Three", "a/two"]),
        ("path", ["a/deep/one", "a/two", "b/Three", "flux dev ü", "four"]),
        ("date", ["a/deep/one", "a/two", "b/Three", "four", "flux dev ü"]),
    ],
)
def test_orders(models, registry, sort, expected):
    found = shelf_of(models, registry).all()
    assert names(page_of(found, Query("checkpoint", sort=sort), private=True)) == expected
    assert names(page_of(found, Query("checkpoint", sort=sort, descending=True), private=True)) == expected[::-1]


@pytest.mark.parametrize("sort", SORTS)
@pytest.mark.parametrize("descending", [False, True])
def test_pages_join_without_gap_also_while_models_go(models, registry, sort, descending):
    shelf = shelf_of(models, registry)
    whole = names(page_of(shelf.all(), Query(sort=sort, descending=descending), private=True))
    query, got = Query(sort=sort, descending=descending, limit=2), []
    while True:
        page = page_of(shelf.all(), query, private=True)
        got += names(page)
        if page.next is None:
            break
        if len(got) == 2:
            # The one that the next page begins after is gone.
            next((models).rglob(f"{got[-1]}.safetensors")).unlink()
        query = Query(sort=sort, descending=descending, limit=2, cursor=page.next)
    assert got == whole and page.total == len(whole) - 1


@pytest.mark.parametrize("cursor", ["x", "!!", "W10", "WzEsMl0", "eyJhIjoxfQ", "WyJhIiwgImIiLCAiYyJd"])
@pytest.mark.parametrize("sort", ["name", "size"])
def test_a_cursor_of_another_list_is_refused(models, registry, cursor, sort):
    # Of one kind of key it may be a place.
    query = Query(sort=sort, cursor=cursor)
    try:
        page_of(shelf_of(models, registry).all(), query, private=True)
    except InvalidField as refused:
        assert refused.field == "cursor"
    else:
        assert (cursor, sort) == ("WzEsMl0", "size")


def test_words_are_searched_in_all_that_is_said_and_notes_are_the_owners(models, registry):
    say(models, "four", description="Soft light", notes="Secret", **{"activation text": "MIX girl"})
    found = shelf_of(models, registry).all()

    def search(text, private=True):
        return names(page_of(found, Query(search=text, kind="checkpoint"), private=private))

    assert search("light soft") == search("mix FLUX.1") == search("secret") == ["four"]
    assert search("secret", private=False) == [] and search("Ü dev") == ["flux dev ü"]
    assert search("nothing") == []


def test_folders_count_what_lies_below(models, registry):
    found = shelf_of(models, registry).all()
    assert folders_of(found) == {"": 7, "a": 2, "a/deep": 1, "b": 1}
    assert names(page_of(found, Query(folder="a"), private=True)) == ["a/deep/one", "a/two"]
    assert names(page_of(found, Query(folder="a/deep"), private=True)) == ["a/deep/one"]
    assert names(page_of(found, Query(folder="a/de"), private=True)) == []


def test_the_problems_of_models_and_of_cards_are_searched_for_their_owner(models, registry):
    (models / "Stable-diffusion" / "torn.safetensors").write_bytes(b"\x10")
    (models / "Stable-diffusion" / "four.json").write_text("{")
    found = shelf_of(models, registry).all()

    def search(text, private=True):
        return names(page_of(found, Query(search=text), private=private))

    assert search("cut off") == ["torn"] and search("is no JSON") == ["four"]
    assert search("cut off", private=False) == []


def test_those_that_are_called_the_same_in_two_folders_are_namesakes(models, registry):
    shams.write(models / "Stable-diffusion" / "b" / "two.safetensors", ("", shams.flux(guidance=True)))
    shams.write(models / "Stable-diffusion" / "Four.ckpt", ("", shams.flux(guidance=True)))
    shams.write(models / "VAE" / "b" / "four.safetensors", ("", shams.vae(16)))
    found = shelf_of(models, registry).all()
    ordered = [m.folder for m in page_of(found, Query("checkpoint", "two"), private=True).models]
    assert ordered == ["a", "b"]
    marked = [model.name for model in shelf_of(models, registry).all() if model.namesake]
    # Twins in one folder and models of other kinds are none.
    assert marked == ["a/two.safetensors", "b/two.safetensors"]


def test_files_that_another_one_of_their_name_comes_before_are_told(models, registry, tmp_path):
    home = tmp_path / "a1111"
    for place in ("Stable-diffusion/a/two", "VAE/ae", "Lora/style"):
        path = home / "models" / f"{place}.safetensors"
        path.parent.mkdir(parents=True)
        path.write_bytes((models / f"{place}.safetensors").read_bytes())
    folders = inside_models(models) + a1111(home)
    catalogue = Catalogue(folders, look_seconds=0)
    found = Shelf(catalogue, registry, None, {"lora": folders.loras}, look_seconds=0).all()
    hides = {model.name: list(model.hides) for model in found if model.hides}
    assert hides == {
        "a/two.safetensors": [home / "models/Stable-diffusion/a/two.safetensors"],
        "ae.safetensors": [home / "models/VAE/ae.safetensors"],
        "style.safetensors": [home / "models/Lora/style.safetensors"],
    }
    # The very same file under a second path is not hidden.
    for (other,) in hides.values():
        other.unlink()
        other.symlink_to(models / other.relative_to(home / "models"))
    again = Shelf(Catalogue(folders, look_seconds=0), registry, None, {"lora": folders.loras}, look_seconds=0)
    assert not any(model.hides for model in again.all())


def test_each_kind_can_be_used_where_its_file_is_sound(models, registry, monkeypatch):
    shams.write(models / "text_encoder" / "clip_l.safetensors", ("", shams.clip()))
    shams.write(models / "text_encoder" / "t5.safetensors", ("", shams.t5()))
    shams.write(models / "Lora" / "sub" / "wide.safetensors", ("", shams.lora(2048)))
    shams.write(models / "embeddings" / "word.safetensors", ("", shams.embedding()))
    shams.write(models / "embeddings" / "sub" / "word.safetensors", ("", shams.embedding()))
    for kind in ("Stable-diffusion", "VAE", "text_encoder", "Lora", "embeddings"):
        (models / kind / "torn.safetensors").write_bytes(b"\x10")
    shams.write(models / "Lora" / "vae.safetensors", ("", shams.vae(4)))
    found = {(model.kind, model.name.removesuffix(".safetensors")): model for model in shelf_of(models, registry).all()}
    usable = {key for key, model in found.items() if model.usable}
    assert {key for key in found if key not in usable} == {
        *((kind, "torn") for kind in ("checkpoint", "vae", "text_encoder", "lora", "embedding")),
        ("lora", "vae"),
        ("embedding", "word"),
    }
    assert {kind for kind, _ in usable} == {"checkpoint", "vae", "text_encoder", "lora", "embedding"}
    assert found["embedding", "sub/word"].family_title == "Stable Diffusion 1, 2 vectors"
    assert found["embedding", "sub/word"].title == "word"
    assert found["lora", "style"].family_title == "Stable Diffusion 1"
    assert found["lora", "sub/wide"].family_title == "Stable Diffusion XL"
    assert "torn.safetensors is cut off" in str(found["lora", "torn"].problem)
    # Where there is no time, nothing wrong is known of those that were not looked into yet.
    monkeypatch.setattr(shelves, "_LEARN_SECONDS", -1.0)
    assert all(model.usable for model in shelf_of(models, registry).all() if model.kind == "lora")
