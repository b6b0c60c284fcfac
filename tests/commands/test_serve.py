"""serve refuses what it could not serve with, before anything is started."""

from __future__ import annotations

from pathlib import Path

import pytest

from webui.cli import main


@pytest.mark.parametrize(("content", "expected"), [(None, "is not there"), ("no certificate", "cannot serve https")])
def test_a_wrong_certificate_is_a_sentence(
    home: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, expected: str
) -> None:
    file = tmp_path / "cert.pem"
    if content:
        file.write_text(content, "utf-8")
    assert main(["--data-dir", str(home), "--tls-certfile", str(file), "--tls-keyfile", str(file)]) == 2
    sentence, way = capsys.readouterr().err.splitlines()
    assert expected in sentence and str(file) in sentence
    assert way.startswith("  - ")
