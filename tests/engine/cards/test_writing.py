"""Cards are written into A1111's file with everything else in it kept; previews replace nothing without a copy."""

import json

import pytest

from webui.core.errors import Conflict, InvalidField, StorageProblem
from webui.engine.cards.beside import Folder
from webui.engine.cards.read import read_card
from webui.engine.cards.write import write_facts, write_preview


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def facts(folder):
    # As A1111 reads it.
    return json.loads((folder / "m.json").read_text(encoding="utf8"))


def test_unknown_keys_their_order_and_their_kinds_stay(tmp_path):
    before = {"odd": [1, {"a": None}], "description": "d", "sha256": "AB", "preferred weight": 1}
    (tmp_path / "m.json").write_text(json.dumps(before))
    write_facts(tmp_path, "m", {"description": "日本", "notes": "n", "clip_skip": 2})
    assert facts(tmp_path) == {**before, "description": "日本", "notes": "n", "clip skip": 2}
    assert list(facts(tmp_path))[:4] == list(before)
    assert names(tmp_path) == ["m.json"]


def test_what_is_taken_away_is_empty_for_a1111_and_gone_where_it_never_stood(tmp_path):
    (tmp_path / "m.json").write_text('{"description": "d", "clip skip": 2}')
    write_facts(tmp_path, "m", {"description": "", "notes": "", "clip_skip": 0, "preferred_weight": 0.0})
    assert facts(tmp_path) == {"description": ""}


def test_there_need_be_no_file_yet_and_what_was_written_is_read(tmp_path):
    write_facts(tmp_path, "m", {"activation_text": "a, b", "preferred_weight": 0.5, "vae": "None", "clip_skip": 3})
    card = read_card(Folder(tmp_path).beside("m"))
    assert (card.activation_text, card.preferred_weight, card.vae, card.clip_skip) == ("a, b", 0.5, "None", 3)


def test_a_file_in_another_encoding_becomes_one_that_a1111_reads(tmp_path):
    (tmp_path / "m.json").write_bytes('{"odd": "Größe"}'.encode("utf-16"))
    write_facts(tmp_path, "m", {"notes": "n"})
    assert facts(tmp_path) == {"odd": "Größe", "notes": "n"}


@pytest.mark.parametrize("data", [b"{", b"[]", b'"a"'])
def test_a_file_that_cannot_be_read_is_never_written_over(tmp_path, data):
    (tmp_path / "m.json").write_bytes(data)
    with pytest.raises(Conflict, match=r"m\.json .*not written over"):
        write_facts(tmp_path, "m", {"notes": "n"})
    assert (tmp_path / "m.json").read_bytes() == data


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("notes", 3),
        ("notes", "x" * 20_001),
        ("preferred_weight", 11),
        ("preferred_weight", float("nan")),
        ("preferred_weight", "1"),
        ("clip_skip", 13),
        ("clip_skip", 1.5),
        ("other", "x"),
    ],
)
def test_a_value_that_cannot_be_taken_changes_nothing(tmp_path, name, value):
    with pytest.raises(InvalidField) as caught:
        write_facts(tmp_path, "m", {"description": "d", name: value})
    assert caught.value.field == name and not names(tmp_path)


def test_a_folder_that_may_not_be_written_is_a_sentence(tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)
    with pytest.raises(StorageProblem, match=r"m\.json cannot be written: Permission denied"):
        write_facts(tmp_path, "m", {"notes": "n"})


def picture(folder, name, data=b"new"):
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_bytes(data)
    return path


def test_a_preview_is_a_copy_under_a1111s_name(tmp_path):
    source = picture(tmp_path / "out", "00001-7.png")
    models = tmp_path / "models"
    models.mkdir()
    assert write_preview(models, "m", source, tmp_path / "bin") == "m.preview.png"
    assert (models / "m.preview.png").read_bytes() == b"new" and source.exists()
    assert not (tmp_path / "bin").exists()


def test_earlier_previews_that_would_count_more_go_into_the_bin(tmp_path):
    models = tmp_path / "models"
    for name in ("m.png", "m.preview.png", "m.jpg", "n.png"):
        picture(models, name, name.encode())
    write_preview(models, "m", picture(tmp_path / "out", "1.png"), tmp_path / "bin")
    assert Folder(models).beside("m").preview.path.read_bytes() == b"new"
    assert names(models) == ["m.jpg", "m.preview.png", "n.png"]
    assert sorted(path.read_bytes() for path in (tmp_path / "bin").iterdir()) == [b"m.png", b"m.preview.png"]


def test_only_pictures_of_known_kinds_become_previews(tmp_path):
    with pytest.raises(InvalidField, match=r"1\.tiff is none"):
        write_preview(tmp_path, "m", picture(tmp_path / "out", "1.tiff"), tmp_path / "bin")
