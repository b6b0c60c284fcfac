"""Where an extension comes from: a person's words read into one of four kinds, and the pin that says what came."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal, get_args
from urllib.parse import urlsplit

from webui.core.errors import InvalidField
from webui.engine.work.download.web import check_address

Kind = Literal["git", "archive", "folder", "package"]

KINDS: tuple[Kind, ...] = get_args(Kind)
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")

_FORGES = frozenset({"github.com", "gitlab.com", "codeberg.org", "bitbucket.org", "git.sr.ht"})
_SSH = re.compile(r"[\w.-]+@[\w.-]+:[\w./~-]+(@[\w./+-]+)?")
_PACKAGE = re.compile(r"(?P<name>[A-Za-z0-9]([\w.-]*[A-Za-z0-9])?)(==(?P<version>[\w.!+-]+))?")
_REF = re.compile(r"[A-Za-z0-9_][\w./+-]*")
_MOST = 1000
_WAYS = (
    "A git address, as https://github.com/owner/name or ssh://..., with @branch, @tag or @commit behind it",
    "An archive (.zip, .tar.gz, ...): its path or https address",
    "A folder of this machine",
    "A registry's package, as pypi:name==1.2",
)


@dataclass(frozen=True, slots=True)
class Source:
    """Where an extension comes from. wanted: a git ref or a package's version; "" takes the newest."""

    kind: Kind
    address: str
    wanted: str = ""

    @property
    def words(self) -> str:
        """The source as a person may write it."""
        match self.kind:
            case "git":
                address = self.address if _is_repository(self.address) else f"git+{self.address}"
                return f"{address}@{self.wanted}" if self.wanted else address
            case "package":
                return f"pypi:{self.address}" + (f"=={self.wanted}" if self.wanted else "")
            case _:
                return self.address

    def to_json(self) -> dict[str, str]:
        """The source as JSON-ready data."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Source:
        """The source that `to_json` described; raises KeyError or ValueError for anything else."""
        if data["kind"] not in KINDS:
            raise ValueError(data["kind"])
        return cls(data["kind"], str(data["address"]), str(data["wanted"]))


def parse_source(text: str, wanted: str = "") -> Source:
    """What a person has written or pasted, as a source; `wanted` in place of what stands behind the address.

    Raises InvalidField with the forms that there are.
    """
    text = text.strip()
    if not text or len(text) > _MOST or not text.isprintable():
        raise _unreadable("That names no extension.")
    if text.lower().startswith("pypi:"):
        return _package(text[5:], wanted)
    if "://" in text or _SSH.fullmatch(text):
        return _remote(text, wanted)
    path = Path(text).expanduser()
    if path.is_absolute() or text.startswith((".", "~")) or path.exists():
        return _local(path, wanted)
    if "==" in text:
        return _package(text, wanted)
    raise _unreadable(f"'{text[:80]}' names no extension.")


def check_wanted(wanted: str) -> str:
    """A branch, tag or commit that may be handed to git; raises InvalidField."""
    if wanted and (not _REF.fullmatch(wanted) or ".." in wanted or len(wanted) > 200):
        raise InvalidField(f"'{wanted[:80]}' is no branch, tag or commit.", field="ref")
    return wanted


def _remote(text: str, wanted: str) -> Source:
    plain = text.removeprefix("git+")
    if not text.startswith("git+") and plain.startswith(("https://", "http://")) and _is_archive(_path(plain)):
        return Source("archive", check_address(plain))
    address, ref = _split_ref(plain)
    ref = check_wanted(wanted or ref)
    scheme = urlsplit(address).scheme if "://" in address else "ssh"
    if scheme == "file":
        return Source("git", address, ref)
    if scheme not in ("https", "ssh"):
        raise InvalidField(
            f"{scheme}:// is not taken: nobody vouches for what comes that way.",
            field="source",
            remedies=("Use https://, or ssh://",),
        )
    if "://" in address:
        _checked(address)
    if not (text.startswith("git+") or _is_repository(address)):
        raise _unreadable(f"{address[:200]} may be a page, a file or a repository.", "Write git+ before a git address")
    return Source("git", address.rstrip("/"), ref)


def _is_repository(address: str) -> bool:
    """Whether an address is one of git by its form."""
    if not address.startswith("https://"):
        return True
    parts = urlsplit(address)
    return parts.hostname in _FORGES or parts.path.endswith(".git")


def _path(address: str) -> str:
    return address.partition("?")[0].partition("#")[0]


def _split_ref(address: str) -> tuple[str, str]:
    """The address, and what stands behind an @ in its path."""
    start = address.find("://") + 3 if "://" in address else address.find(":")
    slash = address.find("/", start) if "://" in address else start
    at = address.find("@", slash) if slash >= 0 else -1
    return (address, "") if at < 0 else (address[:at], address[at + 1 :])


def _checked(address: str) -> str:
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        host = None
    if not host or host.startswith("-"):
        raise _unreadable("That is no address.")
    if parts.password or (parts.username and parts.scheme != "ssh"):
        raise InvalidField(
            f"The address at {host} holds a name or password, which would end in lists and logs.",
            field="source",
            remedies=("Let git's own credential helper know it, or use ssh://",),
        )
    return address


def _local(path: Path, wanted: str) -> Source:
    path = path.absolute()
    if not path.exists():
        raise InvalidField(f"{path} is not there.", field="source", remedies=("Correct the path",))
    if path.is_dir():
        # A bare repository, or one of which a person wants a certain commit.
        if wanted or (path / "HEAD").is_file():
            return Source("git", path.as_uri(), check_wanted(wanted))
        return Source("folder", str(path))
    if not _is_archive(path.name):
        raise _unreadable(f"{path.name[:80]} is no archive: they end in {', '.join(ARCHIVES)}.")
    return Source("archive", str(path))


def _package(text: str, wanted: str) -> Source:
    found = _PACKAGE.fullmatch(text.strip())
    version = wanted or (found["version"] or "" if found else "")
    if found is None or (version and not re.fullmatch(r"[\w.!+-]+", version)):
        raise _unreadable(f"'{text[:80]}' names no package with one version.")
    return Source("package", found["name"], version)


def _is_archive(path: str) -> bool:
    return path.lower().endswith(ARCHIVES)


def _unreadable(sentence: str, *ways: str) -> InvalidField:
    return InvalidField(sentence, field="source", remedies=ways or _WAYS)
