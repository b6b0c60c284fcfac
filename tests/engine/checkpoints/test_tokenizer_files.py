"""Tokenizers that do not ship: where they are found, how they are fetched, and what is said when they are nowhere."""

import http.server
import logging
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from tests.engine.tiny_flow import PIECES, SCORES, tokenizer, write_tokenizer
from webui.core.errors import ModelProblem
from webui.engine.checkpoints.catalogue import Checkpoint
from webui.engine.checkpoints.sentencepiece_files import read_sentencepiece
from webui.engine.checkpoints.tokenizer_files import T5, KnownTokenizer, local_tokenizer, tokenizer_for

TEXT = "a red circle, far"
NUMBERS = tokenizer().encode(TEXT).ids
CACHED = "hub/models--google--t5-v1_1-xxl"


@pytest.fixture
def checkpoint(tmp_path, monkeypatch):
    """A checkpoint whose person has neither a tokenizer nor a network."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE", "HF_ENDPOINT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    models = tmp_path / "models"
    return Checkpoint("m", models / "Stable-diffusion" / "m", "flux", models_dir=models)


@pytest.fixture
def hub(monkeypatch, checkpoint):
    """A hub on this machine: `answers` by path, `asked` for what."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self):
            hub.asked.append(self.path)
            body = hub.answers.get(self.path)
            self.send_response(404 if body is None else 200)
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *args):
            pass

    hub = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.answers, hub.asked = {}, []
    thread = threading.Thread(target=hub.serve_forever, args=(0.02,))
    thread.start()
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{hub.server_port}/")
    yield hub
    hub.shutdown()
    thread.join()
    hub.server_close()


def ids(found):
    return found.encode(TEXT).ids


def message(*fields):
    """A message of protobuf's: numbers, bytes and floats by their fields' numbers."""
    data = b""
    for number, value in fields:
        if isinstance(value, float):
            data += bytes([number << 3 | 5]) + struct.pack("<f", value)
        elif isinstance(value, int):
            data += varint(number << 3) + varint(value)
        else:
            data += varint(number << 3 | 2) + varint(len(value)) + value
    return data


def varint(value):
    data = b""
    while value > 127:
        data, value = data + bytes([value & 127 | 128]), value >> 7
    return data + bytes([value])


def spiece(kind=1):
    """The tests' tokenizer as sentencepiece writes it: 3 is what controls, 2 what is unknown."""
    kinds = {"<pad>": 3, "</s>": 3, "<unk>": 2}
    pieces = [
        (1, message((1, piece.encode()), (2, score), (3, kinds.get(piece, 1))))
        for piece, score in zip(PIECES, SCORES, strict=True)
    ]
    return message(*pieces, (2, message((3, kind), (40, 2))), (3, message((1, b"identity"))))


def test_the_checkpoint_s_own_comes_first_then_the_person_s_then_the_cache(checkpoint, tmp_path):
    assert local_tokenizer(checkpoint, "tokenizer_2", T5) is None
    places = [
        tmp_path / "home" / CACHED / "snapshots" / "1",
        tmp_path / "models" / "tokenizers" / "t5",
        checkpoint.path / "tokenizer_2",
    ]
    for place in places:
        made = tokenizer()
        # Each can be told from the others by a token of its own.
        made.add_tokens([place.name])
        place.mkdir(parents=True)
        made.save(str(place / "tokenizer.json"))
        assert tokenizer_for(checkpoint, "tokenizer_2", T5).token_to_id(place.name) is not None
    assert tokenizer_for(checkpoint, "tokenizer_3", T5).token_to_id("t5") is not None


def test_of_the_cache_the_revision_called_main_counts(checkpoint, tmp_path):
    for name in ("old", "main one", "newest"):
        made = tokenizer()
        made.add_tokens([name])
        folder = tmp_path / "home" / CACHED / "snapshots" / name
        folder.mkdir(parents=True)
        made.save(str(folder / "tokenizer.json"))
    refs = tmp_path / "home" / CACHED / "refs"
    refs.mkdir()
    (refs / "main").write_text("main one")
    assert tokenizer_for(checkpoint, "tokenizer_2", T5).token_to_id("main one") is not None


def test_sentencepiece_s_own_file_gives_the_same_numbers(checkpoint):
    folder = checkpoint.path / "tokenizer_2"
    folder.mkdir(parents=True)
    (folder / "spiece.model").write_bytes(spiece())
    found = tokenizer_for(checkpoint, "tokenizer_2", T5)
    assert ids(found) == NUMBERS and len(set(NUMBERS)) > 6
    assert found.token_to_id("<extra_id_99>") == len(PIECES) and found.token_to_id("<extra_id_0>") == len(PIECES) + 99
    # A special token in the text is itself.
    assert found.encode("a</s>", add_special_tokens=False).ids == [PIECES.index("\u2581a"), 1]


@pytest.mark.parametrize("data", [spiece(kind=2), spiece()[:-3], b"", b"\xff" * 40, b"{}"])
def test_what_is_no_unigram_model_is_told(data):
    with pytest.raises(ModelProblem, match="no sentencepiece model"):
        read_sentencepiece(data, Path("t/spiece.model"))


def test_what_is_nowhere_is_fetched_once_and_kept(checkpoint, hub, caplog):
    path = "/google-t5/t5-base/resolve/main/tokenizer.json"
    hub.answers[path] = tokenizer().to_str().encode()
    with caplog.at_level(logging.INFO):
        assert ids(tokenizer_for(checkpoint, "tokenizer_2", T5)) == NUMBERS
    kept = checkpoint.models_dir / "tokenizers" / "t5" / "tokenizer.json"
    assert "fetching it from http://127.0.0.1" in caplog.text and str(kept) in caplog.text
    assert [file.name for file in kept.parent.iterdir()] == ["tokenizer.json"]
    assert kept.stat().st_mode & 0o444 == 0o444
    assert ids(tokenizer_for(checkpoint, "tokenizer_2", T5)) == NUMBERS
    assert hub.asked == [path]


def test_counting_fetches_nothing(checkpoint, hub):
    assert local_tokenizer(checkpoint, "tokenizer_2", T5) is None and hub.asked == []


@pytest.mark.parametrize("answer", [None, b"<html>Sign in</html>", b"{}"])
def test_a_hub_without_it_leaves_nothing_behind(checkpoint, hub, answer):
    hub.answers["/google-t5/t5-base/resolve/main/tokenizer.json"] = answer
    with pytest.raises(ModelProblem, match="could not be fetched"):
        tokenizer_for(checkpoint, "tokenizer_2", T5)
    assert not (checkpoint.models_dir / "tokenizers").exists()


def test_another_model_s_tokenizer_is_not_kept(checkpoint, hub):
    other = KnownTokenizer("other", "Other", "a/b/tokenizer.json", numbers={"</s>": 7})
    hub.answers["/a/b/resolve/main/tokenizer.json"] = tokenizer().to_str().encode()
    with pytest.raises(ModelProblem, match="another model"):
        tokenizer_for(checkpoint, "tokenizer", other)
    assert not (checkpoint.models_dir / "tokenizers").exists()
    write_tokenizer(checkpoint.models_dir / "tokenizers" / "other")
    with pytest.raises(ModelProblem, match="is not the tokenizer of Other"):
        tokenizer_for(checkpoint, "tokenizer", other)


def test_without_a_network_it_is_said_which_file_goes_where(checkpoint):
    with pytest.raises(ModelProblem, match="HF_HUB_OFFLINE") as problem:
        tokenizer_for(checkpoint, "tokenizer_2", T5)
    connect, put = problem.value.remedies
    assert "https://huggingface.co/google-t5/t5-base/resolve/main/tokenizer.json" in connect
    assert str(checkpoint.models_dir / "tokenizers" / "t5" / "tokenizer.json") in put


@pytest.mark.parametrize("name", ["tokenizer.json", "spiece.model"])
def test_a_damaged_file_is_told_and_one_put_right_is_read_again(checkpoint, name):
    path = checkpoint.models_dir / "tokenizers" / "t5" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"no such thing")
    with pytest.raises(ModelProblem, match=f"t5/{name} is no"):
        tokenizer_for(checkpoint, "tokenizer_2", T5)
    path.write_bytes(spiece() if name == "spiece.model" else tokenizer().to_str().encode())
    assert ids(tokenizer_for(checkpoint, "tokenizer_2", T5)) == NUMBERS


def test_the_web_process_counts_without_torch():
    code = "import sys, webui.engine.checkpoints.t5_tokens; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
