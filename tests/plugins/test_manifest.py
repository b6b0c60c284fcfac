"""extension.toml is read, and what is wrong with it is said to its author."""

from __future__ import annotations

from pathlib import Path

import pytest

from webui.core.errors import DarkroomError
from webui.plugins.manifest import read_manifest

GOOD = 'name = "my-sampler"\nversion = "0.1"\napi = "1"\n'


def test_title_defaults_to_the_name(tmp_path: Path) -> None:
    (tmp_path / "extension.toml").write_text(GOOD + 'author = "Ä"\n', "utf-8")
    manifest = read_manifest(tmp_path)
    assert (manifest.title, manifest.author, manifest.package) == ("my-sampler", "Ä", "darkroom_extension_my_sampler")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "lacks name, version, api"),
        ("name = ", "cannot be read"),
        (GOOD.replace('"1"', "1"), "api must be text"),
        (GOOD.replace('"1"', '"2"'), "version 2 of the contract; this Darkroom speaks 1"),
        (GOOD.replace("my-sampler", "../up"), "small letters"),
        (GOOD.replace("my-sampler", "My"), "small letters"),
        (GOOD + 'titel = "x"\n', "unknown key 'titel'. Did you mean 'title'"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "extension.toml").write_text(text, "utf-8")
    with pytest.raises(DarkroomError, match=expected):
        read_manifest(tmp_path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "extension.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(DarkroomError, match="cannot be read"):
        read_manifest(tmp_path)
