"""The tunnel: what it gives, and a sentence for each way in which it can't be had."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace

import gradio.networking
import gradio.tunneling
import httpx
import pytest
from gradio.exceptions import ChecksumMismatchError, ShareCertificateWriteError

from webui.web.share import NoTunnel, open_tunnel


def offline() -> Exception:
    error = RuntimeError("Could not get share link from Gradio API Server.")
    error.__cause__ = httpx.ConnectError("[Errno -2] Name or service not known")
    return error


FAILURES = [
    (offline(), "can't be reached: its name can't be looked up"),
    (httpx.ConnectError("[Errno 111] Connection refused"), r"can't be fetched: Connection refused\."),
    (httpx.ConnectTimeout("timed out"), r"\(frpc\) can't be fetched: no answer came"),
    (ChecksumMismatchError(), "not the one that Gradio published"),
    (OSError("Cannot set up a share link as this platform is incompatible"), "can't be started here"),
    (PermissionError(13, "Permission denied"), "can't be started here: .*Permission denied"),
    (ShareCertificateWriteError("read-only"), "certificate can't be written"),
    (ValueError("Could not create share URL.\nlogin to server failed"), "refused: Could not create share URL"),
]


@pytest.mark.parametrize(("error", "words"), FAILURES, ids=[type(error).__name__ for error, _ in FAILURES])
def test_each_failure_is_a_sentence(monkeypatch: pytest.MonkeyPatch, error: Exception, words: str) -> None:
    def fail(*_: object) -> str:
        raise error

    monkeypatch.setattr(gradio.networking, "setup_tunnel", fail)
    with pytest.raises(NoTunnel, match=words) as caught:
        open_tunnel(7860)
    assert "The page works on this machine" in caught.value.detail and caught.value.remedies
    assert "rrno" not in caught.value.detail


def test_an_open_tunnel_has_a_name_and_can_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[object, ...]] = []
    process = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    url = "https://0123abcd.gradio.live"

    def succeed(*arguments: object) -> str:
        asked.append(arguments)
        return url

    monkeypatch.setattr(gradio.networking, "setup_tunnel", succeed)
    monkeypatch.setattr(gradio.tunneling, "CURRENT_TUNNELS", [SimpleNamespace(url=url, proc=process)])
    tunnel = open_tunnel(7861)
    assert (tunnel.url, tunnel.host) == (url, "0123abcd.gradio.live")
    assert asked[0][:2] == ("127.0.0.1", 7861)
    tunnel.close()
    assert process.wait(10) != 0
    tunnel.close()
