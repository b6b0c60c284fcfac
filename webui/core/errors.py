"""Errors that are sentences for the person who can act; each knows its HTTP status and exit code."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import PurePosixPath
from typing import Any, Self

MOST_UNKNOWN = 20
"""So many unknown names of one request are told; it may hold thousands, and each is compared with all known ones."""


@dataclass(frozen=True, slots=True)
class Fault:
    """One of several things that are wrong with a request; see Problem for its parts."""

    type: str
    detail: str
    field: str | None = None
    remedies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong, as a value: the body of an HTTP answer, of a failed job's row and of its event.

    `remedies` are short sentences, each something the reader can do. `field` is the request field that caused it.
    Where several things are wrong with a request, `errors` has them all; the other members are those of the first.
    """

    type: str
    title: str
    detail: str
    status: int = 500
    field: str | None = None
    remedies: tuple[str, ...] = ()
    report: str | None = None
    errors: tuple[Fault, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The problem as JSON-ready data (RFC 9457 names)."""
        errors = [{**asdict(fault), "remedies": list(fault.remedies)} for fault in self.errors]
        return {**asdict(self), "remedies": list(self.remedies), "errors": errors}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Self:
        """The problem that `to_json` described, or an earlier version's without `errors`."""
        faults = (Fault(**{**fault, "remedies": tuple(fault["remedies"])}) for fault in data.get("errors", ()))
        return cls(**{**data, "remedies": tuple(data.get("remedies", ())), "errors": tuple(faults)})


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

    def lines(self) -> list[str]:
        """This error for a terminal: its sentence, and its remedies below."""
        return [self.detail, *(f"  - {way}" for way in self.remedies)]


def _rebuild(kind: type[DarkroomError], detail: str, field: str | None, remedies: tuple[str, ...]) -> DarkroomError:
    error = kind.__new__(kind)
    DarkroomError.__init__(error, detail, field=field, remedies=remedies)
    return error


class InvalidField(DarkroomError):
    """A value of a request or a setting is outside what its row allows."""

    type = "invalid-field"
    title = "A value cannot be taken"
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


class InvalidRequest(InvalidField):
    """Several things are wrong with a request; its sentence is the first one's."""

    type = "invalid-request"
    title = "Several values cannot be taken"

    def __init__(self, errors: Iterable[DarkroomError]) -> None:
        self.errors = tuple(errors)
        first = self.errors[0]
        super().__init__(first.detail, field=first.field, remedies=first.remedies)

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (self.errors,))

    def problem(self) -> Problem:
        """See DarkroomError; with each of the errors."""
        faults = (Fault(error.type, error.detail, error.field, error.remedies) for error in self.errors)
        return replace(super().problem(), errors=tuple(faults))

    def lines(self) -> list[str]:
        """See DarkroomError; of each of the errors."""
        return [line for error in self.errors for line in error.lines()]


class Faults:
    """Gathers what is wrong with a request, so that all of it can be told at once."""

    def __init__(self) -> None:
        self._found: list[DarkroomError] = []

    def add(self, error: DarkroomError) -> None:
        """Take an error in, or each of several."""
        self._found.extend(error.errors if isinstance(error, InvalidRequest) else (error,))

    @contextmanager
    def gathered(self) -> Iterator[None]:
        """Take in what the block says is wrong with the request; every other error goes through."""
        try:
            yield
        except DarkroomError as error:
            if error.status != InvalidField.status:
                raise
            self.add(error)

    def raise_found(self) -> None:
        """Raise the error that was found, all in one when there are several; nothing when there are none."""
        if len(self._found) == 1:
            raise self._found[0]
        if self._found:
            raise InvalidRequest(self._found)


@contextmanager
def fields_named(names: Mapping[str, str]) -> Iterator[None]:
    """What the block says is wrong with a field, said of another one. names: the fields' names, by those it has."""
    try:
        yield
    except DarkroomError as error:
        for one in (error, *(error.errors if isinstance(error, InvalidRequest) else ())):
            one.field = names.get(one.field or "", one.field)
        raise


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
    title = "A model file cannot be used"
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


class ExtensionProblem(DarkroomError):
    """An extension's code failed, or answered with what cannot be taken; the sentence names it."""

    type = "extension"
    title = "An extension failed"


def first_line(error: BaseException) -> str:
    """What any error says of itself, in one line that everybody may read: not the path that an OSError carries."""
    said = (isinstance(error, OSError) and error.strerror) or str(error)
    return next(iter(said.strip().splitlines()), type(error).__name__)[:300]


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name most like `name`, without regard to case, or None when none is near.

    Of a file's name the part without folder and ending counts as well as the whole.
    """
    names = list(known)
    by_folded = {PurePosixPath(k).stem.casefold(): k for k in reversed(names)} | {k.casefold(): k for k in names}
    found = difflib.get_close_matches(name[:200].casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[found[0]] if found else None


def _short(name: str) -> str:
    return name if len(name) <= 60 else name[:57] + "..."
