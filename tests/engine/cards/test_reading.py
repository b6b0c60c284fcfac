"""Cards out of A1111's and CivitAI Helper's files: what can be read counts, what cannot is one sentence."""

import json
import os

import pytest

from webui.engine.cards.beside import Folder
from webui.engine.cards.card import Card, Civitai, from_json, to_json
from webui.engine.cards.read import MAX_BYTES, read_card
from webui.engine.cards.texts import clean, plain

FACTS = {
    "description": "soft light",
    "sd version": "SDXL",
    "activation text": "mix girl, film grain",
    "preferred weight": 0.75,
    "negative text": "blurry",
    "notes": "bought",
    "vae": "v.pt",
    "clip skip": 2,
}
INFO = {
    "id": 22,
    "modelId": 11,
    "name": "v3",
    "trainedWords": ["film grain", "watercolour, ink"],
    "baseModel": "SDXL 1.0",
    "description": "<p>Better <b>hands</b>.</p>",
    "model": {"name": "Mix", "description": "<ul><li>one</li><li>two &amp; three</li></ul>"},
    "images": [{"url": "https://example.org/a.png"}],
}


def card(folder, base="m"):
    return read_card(Folder(folder).beside(base))


def write(folder, name, data):
    (folder / name).write_bytes(data if isinstance(data, bytes) else json.dumps(data).encode())


def test_nothing_beside_says_nothing(tmp_path):
    assert card(tmp_path) == Card()
    assert card(tmp_path / "gone") == Card()


def test_a1111s_facts(tmp_path):
    write(tmp_path, "m.json", FACTS)
    found = card(tmp_path)
    assert found == Card(
        description="soft light",
        notes="bought",
        sd_version="SDXL",
        activation_text="mix girl, film grain",
        negative_text="blurry",
        preferred_weight=0.75,
        vae="v.pt",
        clip_skip=2,
    )
    assert from_json(to_json(found)) == found


def test_civitai_helpers_facts_fill_what_a1111s_leave_empty(tmp_path):
    write(tmp_path, "m.civitai.info", INFO)
    found = card(tmp_path)
    assert found.description == "Better hands.\n\n- one\n- two & three"
    assert found.civitai == Civitai(11, 22, "Mix", "v3") and found.base_model == "SDXL 1.0"
    assert found.trigger_words == ("film grain", "watercolour", "ink")
    write(tmp_path, "m.json", FACTS)
    both = card(tmp_path)
    assert both.description == "soft light"
    assert both.trigger_words == ("mix girl", "film grain", "watercolour", "ink")
    assert from_json(to_json(both)) == both


@pytest.mark.parametrize("name", ["m.txt", "m.description.txt"])
def test_a_text_describes_where_the_facts_do_not(tmp_path, name):
    (tmp_path / name).write_text("from a text\r\n\x00twice")
    assert card(tmp_path).description == "from a text\ntwice"
    write(tmp_path, "m.civitai.info", INFO)
    assert card(tmp_path).description == "from a text\ntwice"
    write(tmp_path, "m.json", FACTS)
    assert card(tmp_path).description == "soft light"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
def test_every_marked_encoding_is_read(tmp_path, encoding):
    (tmp_path / "m.json").write_bytes(json.dumps({"notes": "Größe 日本"}, ensure_ascii=False).encode(encoding))
    assert card(tmp_path) == Card(notes="Größe 日本")


def test_an_encoding_of_windows_is_read_and_said(tmp_path):
    (tmp_path / "m.json").write_bytes('{"notes": "Größe"}'.encode("cp1252"))
    found = card(tmp_path)
    assert found.notes == "Größe" and found.problems == ("m.json is not in UTF-8; some letters may be wrong.",)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"{", "m.json is no JSON"),
        (b"", "m.json is no JSON"),
        (b"[1]", "m.json is no JSON object"),
        (b"[" * 200_000, "m.json is no JSON"),
        (b'{"a": ' + b"1" * 10_000 + b"}", "m.json is no JSON"),
        (b"\x00\x01\xff", "m.json is no JSON"),
        (b" " * (MAX_BYTES + 1), "m.json is far too large"),
    ],
)
def test_what_is_no_card_is_said_and_the_rest_counts(tmp_path, data, sentence):
    write(tmp_path, "m.json", data)
    write(tmp_path, "m.civitai.info", INFO)
    found = card(tmp_path)
    (said,) = found.problems
    assert said.startswith(sentence) and found.base_model == "SDXL 1.0"


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("description", 7),
        ("notes", ["a"]),
        ("vae", {"a": 1}),
        ("preferred weight", "much"),
        ("preferred weight", 1e999),
        ("preferred weight", True),
        ("preferred weight", float("nan")),
        ("clip skip", 99),
        ("clip skip", [2]),
    ],
)
def test_a_fact_of_a_wrong_kind_is_left_out_alone(tmp_path, key, value):
    write(tmp_path, "m.json", {**FACTS, key: value})
    found = card(tmp_path)
    (said,) = found.problems
    assert said.startswith(f"In m.json '{key}' is no ")
    assert found.activation_text == "mix girl, film grain"


@pytest.mark.parametrize(
    "change", [{"trainedWords": "a"}, {"trainedWords": [1, "a"]}, {"model": 3}, {"modelId": "x"}, {"baseModel": 1}]
)
def test_the_same_of_civitais(tmp_path, change):
    write(tmp_path, "m.civitai.info", {**INFO, **change})
    found = card(tmp_path)
    assert len(found.problems) == 1 and next(iter(change)) in found.problems[0]
    assert found.description.startswith("Better hands.")


def test_numbers_that_programs_write_as_text_count(tmp_path):
    write(tmp_path, "m.json", {"preferred weight": "0.5", "clip skip": "2"})
    assert (card(tmp_path).preferred_weight, card(tmp_path).clip_skip, card(tmp_path).problems) == (0.5, 2, ())


def test_a_folder_a_pipe_and_a_dead_link_are_no_sidecars(tmp_path):
    (tmp_path / "m.json").mkdir()
    os.mkfifo(tmp_path / "m.txt")
    (tmp_path / "m.civitai.info").symlink_to(tmp_path / "nowhere")
    assert card(tmp_path) == Card()


@pytest.mark.parametrize(
    ("html", "words"),
    [
        ("<script>alert(1)</script>a<style>b</style>", "a"),
        ("a<img src=x onerror=alert(1)>b", "ab"),
        ("&lt;b&gt; stays letters", "<b> stays letters"),
        ("a<br>b<p>c</p><h3>d</h3>", "a\nb\nc\n\nd"),
        ("<p>open <b>tags", "open tags"),
        ("a < b", "a < b"),
        ("", ""),
    ],
)
def test_html_becomes_words(html, words):
    assert plain(html) == words


def test_half_characters_never_get_out():
    assert clean("a\ud800b") == "a\ufffdb"
    clean(json.loads('"\\udfff"')).encode()


def test_the_preview_is_a1111s_first(tmp_path):
    for name in ("m.gif", "m.jpg", "m.preview.png", "other.png"):
        (tmp_path / name).write_bytes(b"x")
    assert Folder(tmp_path).beside("m").preview.path.name == "m.preview.png"
    (tmp_path / "m.png").write_bytes(b"x")
    assert Folder(tmp_path).beside("m").preview.path.name == "m.png"
    assert Folder(tmp_path).beside("n").preview is None
