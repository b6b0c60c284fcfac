"""Errors that are sentences for the person who can act; each knows its HTTP status and exit code."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, as a value: the body of an HTTP answer, of a failed job's row and of its event.

    `remedies` are short sentences, each something the reader can do. `field` is the request field that caused it.
    """

    type: str
    title: str
    detail: str
    status: int = 500
    field: str | None = None
    remedies: tuple[str, ...] = ()
    report: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The problem as JSON-ready data (RFC 9457 names)."""
        return {**asdict(self), "remedies": list(self.remedies)}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The problem that `to_json` described."""
        return cls(**{**data, "remedies": tuple(data.get("remedies", ()))})


class DarkroomError(Exception):
    """The base of all errors that are meant to be read by a person."""

    type = "error"
    title = "Something went wrong"
    status = 500
    exit_code = 1

    def __init__(self, detail: str, *, field: str | None = None, remedies: Iterable[str] = ()) -> None:
        super().__init__(detail)
        self.detail = detail
        self.field = field
        self.remedies = tuple(remedies)

    def __reduce__(self) -> tuple[Any, ...]:
        # Subclasses have constructors of their own; errors still cross process borders whole.
        return (_rebuild, (type(self), self.detail, self.field, self.remedies))

    def problem(self) -> Problem:
        """This error as a value."""
        return Problem(self.type, self.title, self.detail, self.status, self.field, self.remedies)


def _rebuild(kind: type[DarkroomError], detail: str, field: str | None, remedies: tuple[str, ...]) -> DarkroomError:
    error = kind.__new__(kind)
    DarkroomError.__init__(error, detail, field=field, remedies=remedies)
    return error


class InvalidField(DarkroomError):
    """A value of a request or a setting is outside what its row allows."""

    type = "invalid-field"
    title = "A value is out of range"
    status = 422
    exit_code = 2


class UnknownName(InvalidField):
    """A name that no row, model or setting carries; the sentence suggests the nearest."""

    type = "unknown-name"
    title = "Unknown name"

    def __init__(self, kind: str, name: str, known: Iterable[str], *, field: str | None = None) -> None:
        names = list(known)
        near = nearest(name, names)
        if near:
            hint = f" Did you mean '{near}'?"
        elif names:
            shown = ", ".join(names[:12])
            hint = f" Known: {shown}{' and more' if len(names) > 12 else ''}."
        else:
            hint = ""
        super().__init__(
            f"Unknown {kind} '{_short(name)}'.{hint}", field=field, remedies=[f"Use '{near}'"] if near else []
        )


class NotFound(DarkroomError):
    """The thing that was asked for is not there, or is not this person's to know of."""

    type = "not-found"
    title = "Not found"
    status = 404


class NotAllowed(DarkroomError):
    """The asker's rights do not reach this."""

    type = "not-allowed"
    title = "Not allowed"
    status = 403


class TooMany(DarkroomError):
    """A limit on waiting jobs, followers or requests is reached."""

    type = "too-many"
    title = "Too many at once"
    status = 429


class Conflict(DarkroomError):
    """The state of the thing does not admit this (a finished job cannot be interrupted)."""

    type = "conflict"
    title = "Not possible now"
    status = 409


class ModelProblem(DarkroomError):
    """A checkpoint is missing, damaged or of a kind that cannot be read."""

    type = "model"
    title = "The checkpoint cannot be used"
    status = 422


class BadPicture(DarkroomError):
    """A file that should be a picture is none, is damaged, or is larger than anybody needs."""

    type = "bad-picture"
    title = "The picture cannot be read"
    status = 422
    exit_code = 2


class OutOfMemory(DarkroomError):
    """The device or the machine has not enough memory for this job."""

    type = "out-of-memory"
    title = "Out of memory"


class BadNumbers(DarkroomError):
    """The model answered with values that are not numbers (NaN or infinity)."""

    type = "bad-numbers"
    title = "The picture came out empty"


class StorageProblem(DarkroomError):
    """A folder cannot be written, a disk is full, or a file of ours is damaged."""

    type = "storage"
    title = "The disk said no"
    status = 507


class TransientStorageProblem(StorageProblem):
    """A full disk or a file in use: the very same write succeeds as soon as there is room."""

    type = "storage-full"


class WorkerProblem(DarkroomError):
    """The process that makes pictures could not start, or died too often with this job."""

    type = "worker"
    title = "The worker stopped"


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, without regard to case, or None when none is near."""
    by_folded = {k.casefold(): k for k in known}
    found = difflib.get_close_matches(name[:200].casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def _short(name: str) -> str:
    return name if len(name) <= 60 else name[:57] + "..."
