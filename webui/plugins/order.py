"""In which order extensions are loaded and called: by folder, except where they say before or after whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from webui.plugins.manifest import Manifest

Cycles = Mapping[str, tuple[str, ...]]
"""Of each extension that cannot be put into the order: all that wait for one another with it, itself included."""


def in_order(manifests: Sequence[Manifest]) -> tuple[list[Manifest], Cycles]:
    """The extensions in the order of their calls, and those of cycles, which have none.

    manifests: by folder, no two of one name. What an extension requires comes before it; `before` and `after` that name
    an extension which is not there mean nothing.
    """
    waits = _predecessors(manifests)
    left, placed, cycles = list(manifests), list[Manifest](), dict[str, tuple[str, ...]]()
    while left:
        known = {_key(manifest.name) for manifest in left}
        ready = next((one for one in left if not waits[_key(one.name)] & known), None)
        if ready is not None:
            placed.append(ready)
            left.remove(ready)
            continue
        cycle = _cycle(_key(left[0].name), waits, known)
        names = tuple(one.name for one in left if _key(one.name) in cycle)
        cycles.update(dict.fromkeys(names, names))
        left = [one for one in left if one.name not in names]
    return placed, cycles


def _predecessors(manifests: Sequence[Manifest]) -> dict[str, set[str]]:
    """For each extension those that come before it."""
    waits = {_key(one.name): {_key(name) for name in (*one.after, *one.requires)} for one in manifests}
    for one in manifests:
        for name in map(_key, one.before):
            if name in waits:
                waits[name].add(_key(one.name))
    return waits


def _cycle(start: str, waits: Mapping[str, set[str]], known: set[str]) -> set[str]:
    """The names of a cycle that one meets on the way back from `start`, where everybody waits for somebody."""
    path = [start]
    while (before := min(waits[path[-1]] & known)) not in path:
        path.append(before)
    return set(path[path.index(before) :])


def _key(name: str) -> str:
    # - and _ count as the same in names of extensions.
    return name.replace("-", "_")
