"""Every name that A1111 gives a checkpoint finds it."""

import hashlib
import re

import pytest

from webui.core.errors import UnknownName
from webui.engine.checkpoints.aliases import Aliases
from webui.engine.checkpoints.catalogue import Catalogue, Checkpoint

PATH = "people/portrait (v2).safetensors"
HASH = "0123456789" + "ab" * 27


def checkpoint(name, sha="", legacy="", kind="single", tmp=None):
    return Checkpoint(name, tmp, "sd1", kind, hash=sha, legacy_hash=legacy)


@pytest.mark.parametrize(
    "text",
    [
        f"{PATH} [0123456789]",
        PATH,
        PATH.upper(),
        "people\\portrait (v2).safetensors",
        "/people/portrait (v2).safetensors",
        "people/portrait (v2)",
        "people_portrait (v2)",
        "portrait (v2).safetensors",
        "portrait (v2)",
        "portrait (v2) [0123456789]",
        f"{PATH} [0badc0ffee]",
        f"portrait (v2) [{HASH}]",
        f"{PATH} [feedbeef]",
        f" {PATH} ",
        "0123456789",
        "0123456789AB",
        HASH,
        "feedbeef",
        "renamed since [0123456789]",
        "renamed since [feedbeef]",
    ],
)
def test_it_answers_to(text):
    wanted = checkpoint(PATH, HASH, "feedbeef")
    aliases = Aliases([checkpoint("a.safetensors", "f" * 64), wanted, checkpoint("z", "e" * 64, kind="diffusers")])
    assert aliases.find(text) is wanted


@pytest.mark.parametrize(
    "text", ["", "portrait", "012345678", "0123456789ff", "people", "[0123456788]", "[", "safetensors"]
)
def test_it_does_not_answer_to(text):
    assert Aliases([checkpoint(PATH, HASH, "feedbeef")]).find(text) is None


def test_of_two_with_one_stem_the_first_by_name_is_meant_and_the_hash_tells_them_apart():
    one, two = checkpoint("a/m.safetensors", "1" * 64), checkpoint("b/m.ckpt", "2" * 64)
    aliases = Aliases([one, two])
    assert aliases.find("m") is one
    assert aliases.find("m.ckpt") is two
    assert aliases.find(f"m [{'2' * 10}]") is two
    assert aliases.find(f"m [{'3' * 10}]") is one


def test_a_name_counts_more_than_another_ones_stem():
    folder, file = checkpoint("m", kind="diffusers"), checkpoint("a/m.safetensors")
    assert Aliases([file, folder]).find("m") is folder


def test_folders_keep_what_looks_like_an_ending():
    folder = checkpoint("xl/model-v1.5", kind="diffusers")
    assert Aliases([folder]).find("model-v1.5") is folder
    assert Aliases([folder]).find("model-v1") is None


@pytest.mark.parametrize(
    "stem",
    [
        "it's",
        'a "b"',
        "x [v2]",
        "x [deadbeef]",
        "模型 é",
        "ﬁ ß",
        "n" * 238,
        "[0123456789]",
        ".5 dots...",
        "%41 & <b>",
        "a{b}",
    ],
)
def test_odd_names_are_found_by_title_name_and_stem(put, tmp_path, stem):
    put("whole", tmp_path / f"x{stem}.safetensors")
    catalogue = Catalogue((tmp_path,))
    (found,) = catalogue.all()
    for text in (found.title, found.name, f"x{stem}", found.hash[:10]):
        assert catalogue.get(text) == found


def test_a_real_files_hashes_find_it(put, tmp_path):
    path = put("whole", tmp_path / "a.safetensors")
    data = path.read_bytes()
    catalogue = Catalogue((tmp_path,))
    assert catalogue.get(hashlib.sha256(data).hexdigest()).path == path
    assert catalogue.get(hashlib.sha256(data[0x100000:0x110000]).hexdigest()[:8]).path == path
    assert re.fullmatch(r"a\.safetensors \[[0-9a-f]{10}\]", catalogue.get("a").title)


def test_nothing_is_taken_for_what_it_only_resembles(put, tmp_path):
    put("whole", tmp_path / "portrait.safetensors")
    with pytest.raises(UnknownName, match=r"Did you mean 'portrait\.safetensors'"):
        Catalogue((tmp_path,)).get("portrait.safe")
