"""Fetching from servers that misbehave: what is listed is whole and what was announced, or there is a sentence."""

import hashlib
import os
import shutil
import socket
from collections import namedtuple
from dataclasses import replace

import pytest
import torch
from filelock import FileLock

from tests.engine.shelf import Told
from tests.engine.work.download.conftest import WEIGHTS, answer, file, redirect
from webui.core.errors import Conflict, DarkroomError, InvalidField, ModelProblem, NotAllowed, NotFound, StorageProblem
from webui.core.model_work import Download
from webui.engine.work.base import Stopped
from webui.engine.work.download import stream
from webui.engine.work.download.fetch import FetchFiles, fetch
from webui.engine.work.download.found import Found, RemoteFile
from webui.engine.work.download.hosts import Guard, _Connections, is_private_name
from webui.engine.work.download.tokens import TokenFile
from webui.engine.work.download.web import WebProblem, check_address
from webui.engine.work.files import hidden

SHA = hashlib.sha256(WEIGHTS).hexdigest()


def found(server, *typed, path="/m.safetensors", size=len(WEIGHTS), sha=SHA, name="m.safetensors"):
    remote = RemoteFile(server.url + path, name, size, sha)
    return Found(name, "checkpoint", (remote,), typed=(server.url, *typed))


def run(tmp_path, what, told=None, name="m.safetensors", tokens=None, overwrite=False):
    told = told or Told()
    target = tmp_path / "models" / name
    return fetch(Download(overwrite=overwrite), FetchFiles(what, target, tokens), told.progress, told.should_stop)


def listed(tmp_path):
    folder = tmp_path / "models"
    return sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")) if folder.exists() else []


def left(tmp_path):
    return list((tmp_path / "models").rglob(".*"))


def test_a_file_is_there_whole_with_its_progress(tmp_path, server):
    server.routes["/m.safetensors"] = file()
    told = Told()
    path = run(tmp_path, found(server), told)
    assert path.read_bytes() == WEIGHTS and told.said[-1][0] == 1.0 and left(tmp_path) == []
    with pytest.raises(Conflict, match="there already"):
        run(tmp_path, found(server))
    run(tmp_path, found(server), overwrite=True)


@pytest.mark.parametrize("sha", [SHA, ""])
def test_a_connection_that_ends_early_goes_on_where_it_ended(tmp_path, server, sha):
    server.routes["/m.safetensors"] = file(cut=[100_000, 50_000])
    assert run(tmp_path, found(server, sha=sha)).read_bytes() == WEIGHTS
    assert server.sent("/m.safetensors", "Range") == [None, "bytes=100000-", "bytes=150000-"]
    assert server.sent("/m.safetensors", "If-Range") == [None, '"one"', '"one"']


def test_a_stopped_one_goes_on_in_another_process_unless_the_file_has_changed(tmp_path, server):
    server.routes["/m.safetensors"] = file(cut=[200_000])
    with pytest.raises(Stopped, match="kept for a week"):
        run(tmp_path, found(server), Told(stop_after=0.2))
    assert listed(tmp_path) == [] and left(tmp_path)
    server.routes["/m.safetensors"] = file()
    run(tmp_path, found(server))
    assert server.sent("/m.safetensors", "Range")[-1].startswith("bytes=")
    (tmp_path / "models" / "m.safetensors").unlink()

    server.routes["/m.safetensors"] = file(cut=[200_000])
    with pytest.raises(Stopped):
        run(tmp_path, found(server, sha=""), Told(stop_after=0.2))
    changed = bytearray(WEIGHTS)
    changed[-1] ^= 1
    server.routes["/m.safetensors"] = file(bytes(changed), etag='"two"')
    assert run(tmp_path, found(server, sha="")).read_bytes() == bytes(changed), "no piece of the old one is in it"


def test_a_server_without_ranges_or_strong_etags_begins_anew(tmp_path, server):
    server.routes["/m.safetensors"] = file(cut=[100_000], ranges=False)
    assert run(tmp_path, found(server)).read_bytes() == WEIGHTS
    server.routes["/n.safetensors"] = file(cut=[100_000], etag='W/"weak"')
    assert run(tmp_path, found(server, path="/n.safetensors", sha=""), name="n.safetensors").read_bytes() == WEIGHTS
    assert server.sent("/n.safetensors", "Range") == [None, None]


def test_one_that_never_comes_whole_is_given_up_and_kept(tmp_path, server):
    server.routes["/m.safetensors"] = file(cut=[100_000] + [0] * 20)
    with pytest.raises(WebProblem, match=r"100,000 bytes have come") as error:
        run(tmp_path, found(server))
    assert "goes on from there" in error.value.remedies[0] and listed(tmp_path) == []


def test_servers_that_lie_about_the_length(tmp_path, server):
    server.routes["/short"] = lambda h: answer(h, 200, WEIGHTS[:5000])
    with pytest.raises(WebProblem, match=r"announced 40.,... bytes and sends 5,000"):
        run(tmp_path, found(server, path="/short"))
    server.routes["/long"] = lambda h: answer(h, 200, WEIGHTS + b"x" * 5000)
    with pytest.raises(WebProblem, match="announced"):
        run(tmp_path, found(server, path="/long"))

    def endless(handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        try:
            while True:
                handler.wfile.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
        except OSError:
            handler.close_connection = True

    server.routes["/endless"] = endless
    with pytest.raises(WebProblem, match="sends more"):
        run(tmp_path, found(server, path="/endless"))

    def wrong_part(handler):
        headers = {"Content-Range": f"bytes 0-9999/{len(WEIGHTS)}", "ETag": '"one"'}
        if handler.headers.get("Range"):
            answer(handler, 206, WEIGHTS[:10000], headers)
        else:
            answer(handler, 200, WEIGHTS[:10000], {"ETag": '"one"'}, len(WEIGHTS))

    server.routes["/wrong"] = wrong_part
    with pytest.raises(WebProblem, match="another part"):
        run(tmp_path, found(server, path="/wrong"))
    assert listed(tmp_path) == []


def test_a_wrong_sum_a_page_a_packed_file_and_a_damaged_one_are_not_kept(tmp_path, server):
    changed = bytearray(WEIGHTS)
    changed[-1] ^= 1
    server.routes["/sum"] = file(bytes(changed))
    with pytest.raises(WebProblem, match="its sum"):
        run(tmp_path, found(server, path="/sum"))
    server.routes["/page"] = lambda h: answer(h, 200, b"<html>", {"Content-Type": "text/html; charset=utf-8"})
    with pytest.raises(WebProblem, match="a page to be read"):
        run(tmp_path, found(server, path="/page"))
    server.routes["/packed"] = lambda h: answer(h, 200, b"x", {"Content-Encoding": "gzip"})
    with pytest.raises(WebProblem, match="packed"):
        run(tmp_path, found(server, path="/packed"))
    server.routes["/cut"] = file(WEIGHTS[:-4])
    with pytest.raises(ModelProblem, match=r"What came as m\.safetensors cannot be used: it is cut off"):
        run(tmp_path, found(server, path="/cut", size=None, sha=""))
    assert listed(tmp_path) == [] and not [p for p in left(tmp_path) if p.suffix in (".safetensors", ".lock")]


class Evil:
    def __reduce__(self):
        return (os.system, ("true",))


def test_a_pickle_that_calls_something_is_not_kept(tmp_path, server):
    torch.save({"state_dict": {"a": torch.ones(2)}, "evil": Evil()}, tmp_path / "evil.ckpt")
    data = (tmp_path / "evil.ckpt").read_bytes()
    server.routes["/evil"] = file(data)
    with pytest.raises(ModelProblem, match="wants to call"):
        run(tmp_path, found(server, path="/evil", size=None, sha="", name="e.ckpt"), name="e.ckpt")
    assert listed(tmp_path) == []


def test_a_full_disk_is_a_sentence_before_and_while_it_comes(tmp_path, server, monkeypatch):
    server.routes["/m.safetensors"] = file()
    room = namedtuple("Room", "free")
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda folder: room(1000))
        with pytest.raises(StorageProblem, match="The disk has 0 MiB free"):
            run(tmp_path, found(server))
    with monkeypatch.context() as patch:

        def full(handle):
            raise OSError(28, "No space left on device")

        patch.setattr(stream.os, "fsync", full)
        with pytest.raises(StorageProblem, match="The disk is full"):
            run(tmp_path, found(server))
    assert listed(tmp_path) == []
    run(tmp_path, found(server))


def test_redirects_lead_to_the_web_and_to_no_private_network(tmp_path, server, other):
    server.routes["/m.safetensors"] = redirect("/real.safetensors", 307)
    server.routes["/real.safetensors"] = file()
    run(tmp_path, found(server))
    other.routes["/m.safetensors"] = file()
    server.routes["/private"] = redirect(other.url + "/m.safetensors")
    with pytest.raises(NotAllowed, match=r"private network, which nobody asked for"):
        run(tmp_path, found(server, path="/private"), name="n.safetensors")
    assert other.seen == []
    for target in ("file:///etc/passwd", "ftp://x.org/a", "http://[::1", "gopher://127.0.0.1/"):
        server.routes["/odd"] = redirect(target)
        with pytest.raises(DarkroomError, match="no address of the web"):
            run(tmp_path, found(server, path="/odd"), name="n.safetensors")
    server.routes["/circle"] = redirect("/circle")
    with pytest.raises(WebProblem, match="in a circle"):
        run(tmp_path, found(server, path="/circle"), name="n.safetensors")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1", "::1",
        "fe80::1%eth0", "fd00::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "2002:7f00:1::",
    ],
)  # fmt: skip
def test_names_that_lead_to_private_addresses_are_refused(monkeypatch, address):
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(family, 1, 6, "", (address, 443))])
    with pytest.raises(NotAllowed, match="private network"):
        Guard(["https://models.example/x"]).addresses("models.example", 443)
    assert Guard(["https://nas.lan/x"]).addresses("nas.lan", 443) == [address]
    with pytest.raises(NotAllowed):
        Guard(["https://nas.lan/x"]).addresses("nas.lan", 22)


def test_what_was_looked_at_is_what_is_connected_to(monkeypatch):
    answers = iter(["93.184.215.14", "127.0.0.1"])
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(2, 1, 6, "", (next(answers), 443))])
    connections, reached = _Connections(Guard([])), []
    monkeypatch.setattr(connections._plain, "connect_tcp", lambda host, *_: reached.append(host))
    connections.connect_tcp("rebinding.example", 443)
    assert reached == ["93.184.215.14"]


def test_private_names_are_told_from_public_ones():
    assert all(map(is_private_name, ("localhost", "nas", "nas.local", "10.0.0.1", "::1", "a.home.arpa")))
    assert not any(map(is_private_name, ("huggingface.co", "93.184.215.14", "local.example.com")))


@pytest.mark.parametrize(
    ("url", "match"),
    [
        ("https://me:secret@models.example/a", "holds a password or token"),
        ("https://models.example/a?token=secret", "holds a password or token"),
        ("http://models.example/a", "without encryption"),
        ("file:///etc/passwd", "no address of the web"),
        ("https://[::1", "no address of the web"),
    ],
)
def test_addresses_that_are_not_taken(url, match):
    with pytest.raises(InvalidField, match=match) as error:
        check_address(url)
    assert "secret" not in str(error.value)


def test_a_token_goes_to_its_own_host_alone_and_into_no_sentence(tmp_path, server, other, caplog):
    caplog.set_level("DEBUG")
    tokens = tmp_path / "state" / "tokens.json"
    host = server.url.removeprefix("http://")
    TokenFile(tokens).put(host, "hf_secret")
    TokenFile(tokens).put(other.url.removeprefix("http://"), "hf_other")
    assert tokens.stat().st_mode & 0o777 == 0o600
    server.routes["/m.safetensors"] = redirect("/again?sig=hidden")
    server.routes["/again"] = redirect(other.url + "/m.safetensors?sig=hidden")
    other.routes["/m.safetensors"] = file()
    run(tmp_path, found(server, other.url), tokens=tokens)
    assert server.sent("/m.safetensors", "Authorization") == ["Bearer hf_secret"]
    assert [h.get("Authorization") for _, _, h in other.seen] == [None]
    other.routes["/m.safetensors"] = lambda h: answer(h, 403)
    server.routes["/gone"] = redirect(other.url + "/m.safetensors?sig=hidden")
    with pytest.raises(NotAllowed) as error:
        run(tmp_path, found(server, other.url, path="/gone"), name="n.safetensors", tokens=tokens)
    with pytest.raises(NotFound):
        run(tmp_path, found(server, path="/nowhere?sig=hidden"), name="n.safetensors", tokens=tokens)
    said = "\n".join([*error.value.lines(), repr(error.value.__cause__), caplog.text])
    assert not any(word in said for word in ("hf_secret", "hf_other", "hidden"))
    TokenFile(tokens).put(host, "")
    assert TokenFile(tokens).get(host) is None


def test_tokens_that_others_may_read_are_not_used(tmp_path):
    tokens = tmp_path / "tokens.json"
    TokenFile(tokens).put("huggingface.co", "hf_secret")
    tokens.chmod(0o644)
    with pytest.raises(StorageProblem, match="Others on this machine may read") as error:
        TokenFile(tokens).get("huggingface.co")
    assert "secret" not in error.value.detail and error.value.remedies[0].startswith("chmod 600")
    tokens.chmod(0o600)
    tokens.write_text('{"huggingface.co": "hf_secret"')
    with pytest.raises(StorageProblem, match="no JSON") as error:
        TokenFile(tokens).get("huggingface.co")
    assert error.value.__cause__ is None
    with pytest.raises(InvalidField, match="one word"):
        TokenFile(tmp_path / "new.json").put("huggingface.co", "two\r\nwords")


def test_servers_that_are_not_there_or_say_nothing(tmp_path, server, monkeypatch):
    gone = replace(
        found(server), files=(RemoteFile("http://127.0.0.1:9/m", "m.safetensors"),), typed=("http://127.0.0.1:9",)
    )
    with pytest.raises(WebProblem, match=r"127\.0\.0\.1:9 could not be asked"):
        run(tmp_path, gone)
    tries = iter([503, 429])

    def busy(handler):
        status = next(tries, None)
        if status:
            answer(handler, status)
        else:
            file()(handler)

    server.routes["/m.safetensors"] = busy
    assert run(tmp_path, found(server)).exists()


def test_two_do_not_fetch_the_same_at_once(tmp_path, server):
    server.routes["/m.safetensors"] = file()
    with pytest.raises(Stopped):
        run(tmp_path, found(server), Told(stop_after=0.0))
    part = next(p for p in left(tmp_path) if p.suffix == ".part")
    with FileLock(part.with_suffix(".lock")), pytest.raises(Conflict, match="being fetched already"):
        run(tmp_path, found(server))
    assert part == hidden(tmp_path / "models" / "x", part.stem.removeprefix(".darkroom-kept-"))


def test_only_files_of_weights_are_fetched(tmp_path, server):
    with pytest.raises(InvalidField, match="no file of weights"):
        run(tmp_path, found(server), name="run.exe")
