"""An extension from a git repository: the commit that a ref means, and that commit's files, without its history."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from webui.core.errors import InvalidField, NotFound
from webui.extension_life.content import LIMITS, unpack
from webui.extension_life.run import Outcome, ProgramProblem, run
from webui.extension_life.sources import Source, check_wanted
from webui.extension_life.task import Task

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_ENVIRONMENT = {
    # Nobody is there to answer a question; what a person has configured (proxies, credentials) stays in force.
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_ASKPASS": "",
    "SSH_ASKPASS": "",
    "GCM_INTERACTIVE": "never",
    "GIT_LFS_SKIP_SMUDGE": "1",
    "LC_ALL": "C",
}
_NOT_SO = ("-c", "protocol.ext.allow=never", "-c", "core.hooksPath=", "-c", "core.fsmonitor=false", "-c", "gc.auto=0")
"""What a repository or its server could else have run here."""

_NO_NETWORK = ("could not resolve host", "couldn't connect", "failed to connect", "network is unreachable", "timed out")
_PRIVATE = (
    "host key verification failed",
    "could not read username",
    "authentication failed",
    "permission denied",
    "terminal prompts disabled",
    "403",
)
_ABSENT = ("not found", "does not exist", "does not appear to be a git repository", "no such")


def resolve(source: Source, task: Task, folder: Path) -> str:
    """The full commit that the source means now. Raises ProgramProblem, NotFound, InvalidField."""
    wanted = check_wanted(source.wanted)
    if _COMMIT.fullmatch(wanted):
        return wanted
    names = ["HEAD"] if not wanted else [f"refs/tags/{wanted}^{{}}", f"refs/tags/{wanted}", f"refs/heads/{wanted}"]
    outcome = _git(["ls-remote", "--", source.address, *names], source, task, folder)
    found: dict[str, str] = {}
    for line in outcome.output.splitlines():
        commit, _, name = line.partition("\t")
        found[name] = commit
    for name in names:
        commit = found.get(name, "")
        if _COMMIT.fullmatch(commit):
            return commit
    if not wanted:
        raise NotFound(f"{source.address} has no commit yet.", field="source")
    raise InvalidField(
        f"{source.address} has no branch or tag '{wanted[:80]}'.",
        field="ref",
        remedies=("Write a branch, a tag or all 40 characters of a commit",),
    )


def fetch(source: Source, target: Path, task: Task) -> str:
    """Put the files of the source's commit into the new folder `target`; the commit. Raises as `resolve`, and
    BadContent. Works in `<target>.git` beside it, which it removes.
    """
    work = target.with_name(f"{target.name}.git")
    work.mkdir()
    try:
        task.say("Asking for the commit")
        commit = resolve(source, task, work)
        task.say(f"Fetching {commit[:10]}")
        _git(["init", "--quiet", "--template=", "."], source, task, work)
        _get(source, commit, task, work)
        packed = work / "files.tar"
        _git(["archive", "--format=tar", "-o", str(packed), commit], source, task, work)
        task.say("Unpacking")
        unpack(packed, target, check=task.check)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return commit


def _get(source: Source, commit: str, task: Task, work: Path) -> None:
    common = ["fetch", "--quiet", "--no-tags", "--no-recurse-submodules"]
    outcome = _ask([*common, "--depth", "1", "--", source.address, commit], task, work)
    if not outcome.ok:
        # Some servers give single commits only when a branch or tag points at them.
        refs = ["+refs/heads/*:refs/heads/*", "+refs/tags/*:refs/tags/*"]
        _git([*common, "--update-head-ok", "--", source.address, *refs], source, task, work)
    if not _ask(["cat-file", "-e", f"{commit}^{{commit}}"], task, work).ok:
        raise InvalidField(f"{source.address} has no commit {commit[:10]}.", field="ref")


def _git(arguments: list[str], source: Source, task: Task, folder: Path) -> Outcome:
    outcome = _ask(arguments, task, folder)
    if not outcome.ok:
        raise _problem(outcome.said, source)
    return outcome


def _ask(arguments: list[str], task: Task, folder: Path) -> Outcome:
    git = shutil.which("git")
    if git is None:
        raise ProgramProblem(
            "Git is not installed, and extensions from git addresses need it.",
            remedies=("Install git", "Or take the extension's .zip archive"),
        )
    # Twice the limit: the packed history of one commit, and its files as a tar.
    most = 2 * LIMITS.bytes
    return run([git, *_NOT_SO, *arguments], task, folder=folder, environment=_ENVIRONMENT, most_bytes=most)


def _problem(said: str, source: Source) -> Exception:
    low = said.casefold()
    if any(words in low for words in _NO_NETWORK):
        return ProgramProblem(
            f"{source.address} cannot be reached.", remedies=("Look whether this machine has a network", "Try again")
        )
    if any(words in low for words in _PRIVATE):
        return ProgramProblem(
            f"{source.address} is not there, or gives nothing to whom it does not know.",
            remedies=("Correct the address", "Let git's credential helper know your name there, or use ssh://"),
        )
    if any(words in low for words in _ABSENT):
        return NotFound(f"There is no repository at {source.address}.", field="source")
    last = next((line.strip() for line in reversed(said.splitlines()) if line.strip()), "nothing")
    return ProgramProblem(f"Git could not fetch {source.address}. It said: {last[:300]}")
