"""The order of extensions: by folder, but for what they say; those that wait for one another have none."""

from __future__ import annotations

from webui.plugins.manifest import Manifest
from webui.plugins.order import in_order


def one(name: str, **said: tuple[str, ...]) -> Manifest:
    return Manifest(name=name, version="1", api="1", **said)  # type: ignore[arg-type]


def names(*manifests: Manifest) -> list[str]:
    return [manifest.name for manifest in in_order(manifests)[0]]


def test_folders_order_what_says_nothing() -> None:
    assert names(one("a"), one("b"), one("c")) == ["a", "b", "c"]


def test_before_after_and_requires_come_first_and_move_no_more_than_they_must() -> None:
    assert names(one("a", after=("c",)), one("b"), one("c")) == ["b", "c", "a"]
    assert names(one("a"), one("b"), one("c", before=("a",))) == ["b", "c", "a"]
    assert names(one("a", requires=("my-b",)), one("my_b")) == ["my_b", "a"]
    assert names(one("a", after=("absent",), before=("gone",)), one("b")) == ["a", "b"]


def test_a_cycle_has_no_order_and_leaves_the_others_theirs() -> None:
    order, cycles = in_order([one("a", after=("b",)), one("b", after=("a",)), one("c", after=("a",)), one("d")])
    assert [manifest.name for manifest in order] == ["d", "c"]
    assert cycles == {"a": ("a", "b"), "b": ("a", "b")}
