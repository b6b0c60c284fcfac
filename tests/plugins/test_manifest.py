"""extension.toml is read, and what is wrong with it is said to its author."""

from __future__ import annotations

from pathlib import Path

import pytest

from webui.core.errors import DarkroomError
from webui.plugins import manifest as contract
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
        (GOOD.replace('"1"', '"2"'), "version 2 of the contract, and this Darkroom speaks 1.0: update Darkroom"),
        (GOOD.replace('"1"', '"1.1"'), "version 1.1 of the contract, and this Darkroom speaks 1.0: update Darkroom"),
        (GOOD.replace('"1"', '"0.9"'), "version 0.9 of the contract; this Darkroom speaks 1: look for a newer"),
        (GOOD.replace('"1"', '"1.x"'), "api is '1.x'; it must be"),
        (GOOD.replace("my-sampler", "../up"), "small letters"),
        (GOOD.replace("my-sampler", "My"), "small letters"),
        (GOOD.replace('"1"', "{ a = 1 }"), "api must be text"),
        (GOOD.replace("my-sampler", "a" * 61), "at most 60 small letters"),
        (GOOD + 'titel = "x"\n', "unknown key 'titel'. Did you mean 'title'"),
        (GOOD + f'title = "{"x" * 2001}"\n', "longer than 2,000"),
        (GOOD + f"# {'x' * 70_000}\n", "longer than 64 kB"),
        (GOOD + "x = " + "[" * 5000 + "]" * 5000 + "\n", "cannot be read"),
        (GOOD + 'requires = "other"\n', "requires must be a list of texts"),
        (GOOD + "requires = [1]\n", "requires must be a list of texts"),
        (GOOD + 'requires = ["../other"]\n', "no extension's name"),
        (GOOD + 'after = ["my_sampler"]\n', "after names the extension itself"),
        (GOOD + f"before = {[f'a{n}' for n in range(51)]}\n", "50 texts"),
        (GOOD + 'permissions = ["netwrok"]\n', "Did you mean 'network'"),
        (GOOD + 'permissions = ["everything"]\n', "There are network, files"),
        (GOOD + 'dependencies = ["not a requirement"]\n', "pip cannot read"),
        (GOOD + 'dependencies = ["--index-url http://x"]\n', "pip cannot read"),
        (GOOD + 'dependencies = ["a @ https://example.org/a.whl"]\n', "an address"),
        (GOOD + 'links = ["https://example.org"]\n', "a table of addresses"),
        (GOOD + '[links]\nhome = "javascript:alert(1)"\n', "begins with https"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, text: str, expected: str) -> None:
    (tmp_path / "extension.toml").write_text(text, "utf-8")
    with pytest.raises(DarkroomError, match=expected):
        read_manifest(tmp_path)


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    (tmp_path / "extension.toml").write_text(
        'version = 2\napi = ""\ntitel = "x"\nrequires = "a"\npermissions = ["netwrok"]\n'
    )
    with pytest.raises(DarkroomError) as told:
        read_manifest(tmp_path)
    assert told.value.detail == (
        "In its extension.toml, version must be text in quotes. "
        "Its extension.toml has an unknown key 'titel'. Did you mean 'title'? "
        'In its extension.toml, requires must be a list of texts, as in requires = ["..."]. '
        "In its extension.toml, permissions has 'netwrok', which is none. Did you mean 'network'? "
        "Its extension.toml lacks name, api."
    )
    (tmp_path / "extension.toml").write_text(GOOD + "".join(f"a{number} = 1\n" for number in range(12)))
    with pytest.raises(DarkroomError, match=r"'a9'\. 2 more are wrong\.$"):
        read_manifest(tmp_path)


def test_what_may_be_said_besides(tmp_path: Path) -> None:
    (tmp_path / "extension.toml").write_text(
        GOOD
        + 'dependencies = ["einops>=0.8; python_version > \'3\'"]\nrequires = ["other"]\n'
        + 'permissions = ["network", "network"]\n'
        + 'contributes = ["a sampler"]\nbefore = ["b"]\nafter = ["a"]\n[links]\nhome = "https://example.org"\n',
        "utf-8",
    )
    manifest = read_manifest(tmp_path)
    assert manifest.dependencies == ("einops>=0.8; python_version > '3'",)
    assert (manifest.requires, manifest.permissions, manifest.contributes) == (("other",), ("network",), ("a sampler",))
    assert (manifest.before, manifest.after, manifest.links) == (("b",), ("a",), {"home": "https://example.org"})


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    (tmp_path / "extension.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(DarkroomError, match="cannot be read"):
        read_manifest(tmp_path)


@pytest.mark.parametrize(("api", "fits"), [("1", True), ("1.0", True), ("1.2", True), ("1.3", False)])
def test_additions_up_to_our_own_may_be_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, api: str, fits: bool
) -> None:
    monkeypatch.setattr(contract, "MINOR", 2)
    (tmp_path / "extension.toml").write_text(GOOD.replace('"1"', f'"{api}"'), "utf-8")
    if fits:
        assert read_manifest(tmp_path).api == api
    else:
        with pytest.raises(DarkroomError, match=r"speaks 1\.2: update Darkroom"):
            read_manifest(tmp_path)
