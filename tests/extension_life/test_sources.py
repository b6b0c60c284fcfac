"""A person's words about where an extension is."""

from __future__ import annotations

from pathlib import Path

import pytest

from webui.core.errors import InvalidField
from webui.extension_life.sources import Source, parse_source

COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://github.com/a/b", Source("git", "https://github.com/a/b")),
        (" https://github.com/a/b/ ", Source("git", "https://github.com/a/b")),
        ("https://github.com/a/b@v1.2", Source("git", "https://github.com/a/b", "v1.2")),
        ("https://example.org/a/b.git@feature/x", Source("git", "https://example.org/a/b.git", "feature/x")),
        (f"git+https://example.org/b@{COMMIT}", Source("git", "https://example.org/b", COMMIT)),
        ("git@example.org:a/b.git@main", Source("git", "git@example.org:a/b.git", "main")),
        ("ssh://git@example.org:22/a/b", Source("git", "ssh://git@example.org:22/a/b")),
        ("https://example.org/b.zip?x=1", Source("archive", "https://example.org/b.zip?x=1")),
        ("https://github.com/a/b/archive/main.tar.gz", Source("archive", "https://github.com/a/b/archive/main.tar.gz")),
        ("http://127.0.0.1:8000/b.zip", Source("archive", "http://127.0.0.1:8000/b.zip")),
        ("pypi:my-thing==1.2", Source("package", "my-thing", "1.2")),
        ("pypi:my-thing", Source("package", "my-thing")),
        ("my_thing==1.2", Source("package", "my_thing", "1.2")),
    ],
)
def test_each_kind_is_known_by_its_form(text: str, expected: Source) -> None:
    assert parse_source(text) == expected
    assert parse_source(expected.words) == expected
    assert Source.from_json(expected.to_json()) == expected


def test_what_lies_on_this_machine(tmp_path: Path) -> None:
    (tmp_path / "a.zip").touch()
    (tmp_path / "notes.txt").touch()
    bare = tmp_path / "bare.git"
    bare.mkdir()
    (bare / "HEAD").touch()
    assert parse_source(str(tmp_path)) == Source("folder", str(tmp_path))
    assert parse_source(str(tmp_path), "v1") == Source("git", tmp_path.as_uri(), "v1")
    assert parse_source(str(tmp_path / "a.zip")) == Source("archive", str(tmp_path / "a.zip"))
    assert parse_source(str(bare)).kind == "git"
    with pytest.raises(InvalidField, match="no archive"):
        parse_source(str(tmp_path / "notes.txt"))
    with pytest.raises(InvalidField, match="is not there"):
        parse_source(str(tmp_path / "gone"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "x" * 2000,
        "a\nb",
        "--upload-pack=touch /tmp/x",
        "ext::sh -c touch% /tmp/x",
        "http://github.com/a/b",
        "git://example.org/a.git",
        "git+ext://x",
        "https://name:secret@github.com/a/b",
        "https://-oProxyCommand=x/a.git",
        "ssh://-oProxyCommand=x/a.git",
        "http://example.org/a.zip",
        "https://example.org/page",
        "https://github.com/a/b@--upload-pack=x",
        "https://github.com/a/b@a..b",
        "pypi:",
        "pypi:--index-url=x",
        "pypi:a==1; os_name",
        "pypi:a>=1",
        "what is this",
    ],
)
def test_what_may_do_something_else_is_refused(text: str) -> None:
    with pytest.raises(InvalidField) as caught:
        parse_source(text)
    assert "secret" not in str(caught.value)
