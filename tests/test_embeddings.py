"""Embeddings from a prompt to the accepted request and the picture's text: found, hashed, counted, never in the way."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import save_file

from tests.conftest import SHAM_NAME, make_sham
from tests.engine.adapters.made import as_kohya, lora
from tests.engine.embeddings.made_embeddings import vectors
from tests.engine.helpers import STARTER
from webui.app import House
from webui.core import infotext
from webui.core.errors import InvalidField, ModelProblem
from webui.core.job import LOCAL_OWNER
from webui.core.model_folders import LAYOUTS
from webui.core.paths import Paths
from webui.core.request import GenerationRequest
from webui.core.said_texts import with_texts_of
from webui.engine.checkpoints.counting import Counted


@pytest.fixture
def sham(paths: Paths) -> Path:
    """The checkpoint in form only, with the starter's tokenizer, to which no letter is unknown."""
    made = make_sham(paths.model_folders.checkpoints[0] / SHAM_NAME)
    shutil.copytree(STARTER / "tokenizer", made / "tokenizer", dirs_exist_ok=True)
    return made


def width_of(house: House) -> int:
    """Of the text encoder of the house's checkpoint."""
    return int(house.service._catalogue.default().parts["text_encoder"].form.facts["width"])


@pytest.fixture
def folder(house: House) -> Path:
    """The house's folder of embeddings, with two for its checkpoint and one for SDXL."""
    place = house.paths.model_folders.embeddings[0]
    place.mkdir(parents=True, exist_ok=True)
    save_file({"emb_params": vectors(3, width_of(house))}, place / "ink.safetensors")
    save_file({"emb_params": vectors(2, width_of(house), 1)}, place / "bad, hands: 5.safetensors")
    save_file({"clip_l": vectors(4, 768), "clip_g": vectors(4, 1280)}, place / "large.safetensors")
    return place


def accepted(house: House, values: dict[str, Any]) -> GenerationRequest:
    async def ask() -> GenerationRequest:
        return await house.service._accepted(values, LOCAL_OWNER)

    return asyncio.run(ask())


def digest(house: House, name: str) -> str:
    found = house.service._catalogue.embeddings.find(name)
    assert found is not None and found.facts is not None
    return found.facts.digest


def test_a_request_holds_the_hash_of_each_and_says_it_in_the_picture(house: House, folder: Path) -> None:
    request = accepted(house, {"prompt": "a (INK:1.2) nobody", "negative_prompt": "bad, hands: 5", "seed": 1})
    ink, hands = digest(house, "ink"), digest(house, "bad, hands: 5")
    assert dict(request.embedding_hashes) == {"ink": ink, "bad, hands: 5": hands}
    text = infotext.write(request)
    assert f'TI hashes: "bad hands 5: {hands[:12]}, ink: {ink[:12]}"' in text
    assert infotext.parse(text).unknown["TI hashes"] == f"bad hands 5: {hands[:12]}, ink: {ink[:12]}"
    assert infotext.parse(text).prompt == request.prompt
    assert "TI hashes" not in house.service.parse_infotext(text).unknown
    other = house.service.parse_infotext(text.replace(ink[:12], "0123456789ab"))
    assert other.unknown["TI hashes"] == "ink: 0123456789ab"
    assert GenerationRequest.from_json(json.loads(request.dumps())) == request
    assert accepted(house, request.to_json()) == request
    assert "TI hashes" not in infotext.write(accepted(house, {"prompt": "a red circle", "seed": 1}))


def test_each_picture_says_those_of_its_own_texts(house: House, folder: Path) -> None:
    save_file({"emb_params": vectors(1, width_of(house), 3)}, folder / "chalk.safetensors")
    house.service._catalogue.embeddings.refresh()
    request = accepted(house, {"prompt": "{ink|chalk}", "combinatorial": True, "batch_size": 2, "seed": 1})
    assert list(request.embedding_hashes) == ["chalk", "ink"]
    said = [infotext.write(with_texts_of(request, index)[0]) for index in range(2)]
    assert "TI hashes: ink: " in said[0].replace('"', "") and "chalk" not in said[0].partition("TI hashes")[2]
    assert "TI hashes: chalk: " in said[1].replace('"', "")


def test_what_means_nothing_to_the_checkpoint_is_no_error(house: House, folder: Path) -> None:
    (folder / "cut.safetensors").write_bytes((folder / "ink.safetensors").read_bytes()[:-5])
    house.service._catalogue.embeddings.refresh()
    request = accepted(house, {"prompt": "a large cut ink", "seed": 1})
    assert list(request.embedding_hashes) == ["ink"]


def test_another_file_under_the_name_is_no_substitute(house: House, folder: Path) -> None:
    request = accepted(house, {"prompt": "an ink drawing", "seed": 1})
    save_file({"emb_params": vectors(3, width_of(house), 9)}, folder / "ink.safetensors")
    house.service._catalogue.embeddings.refresh()
    with pytest.raises(ModelProblem, match=r"The embedding ink that this request was made with .* cannot be found"):
        accepted(house, request.to_json())
    assert accepted(house, {"prompt": request.prompt, "seed": 1}).embedding_hashes != request.embedding_hashes
    (folder / "ink.safetensors").unlink()
    house.service._catalogue.embeddings.refresh()
    with pytest.raises(ModelProblem, match="cannot be found"):
        accepted(house, request.to_json())
    # What the prompt no longer says is not asked for.
    assert not accepted(house, request.to_json() | {"prompt": "a drawing"}).embedding_hashes


def test_a_file_that_was_renamed_is_found_by_its_hash(house: House, folder: Path) -> None:
    request = accepted(house, {"prompt": "an ink drawing", "seed": 1})
    (folder / "ink.safetensors").rename(folder / "other.safetensors")
    house.service._catalogue.embeddings.refresh()
    assert accepted(house, request.to_json()) == request


@pytest.mark.parametrize("hashes", [5, {"ink": 5}, ["ink"]])
def test_hashes_that_are_none_are_refused(house: House, hashes: Any) -> None:
    with pytest.raises(InvalidField, match="embedding_hashes must be names with hashes"):
        accepted(house, {"prompt": "red circle", "embedding_hashes": hashes})


def test_the_counter_counts_vectors(house: House, folder: Path) -> None:
    count = house.service.count_tokens
    plain, _ = count("a drawing")
    assert count("a ink drawing") == (plain + 3, 75)
    assert count(Counted("bad, hands: 5", negative=True)) == (2, 75)
    assert count("a drawing large") == (plain + 1, 75)
    assert count("[ink:drawing:0.5]")[0] == max(3, count("drawing")[0])
    place = house.paths.model_folders.loras[0]
    place.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Any] = lora({"x.to_k": (8, 8)}, as_kohya("lora_unet"))[0]
    bundled = {"bundle_emb.blot.emb_params": vectors(7, width_of(house))}
    save_file(tensors | bundled, place / "carrier.safetensors")
    house.service._catalogue.adapters.refresh()
    assert count("a blot drawing <lora:carrier:1>") == (plain + 7, 75)


def test_folders_of_other_programs_and_of_the_flag_are_searched(tmp_path: Path) -> None:
    text = "comfyui:\n  base_path: there\n  embeddings: |\n    one\n    two\n"
    (tmp_path / "paths.yaml").write_text(text)
    for kind, path, expected in (
        ("embeddings_dir", tmp_path / "mine", ["mine"]),
        ("a1111_home", tmp_path / "a", ["a/models/embeddings", "a/embeddings"]),
        ("comfy_home", tmp_path / "c", ["c/models/embeddings"]),
        ("comfy_file", tmp_path / "paths.yaml", ["there/one", "there/two"]),
    ):
        assert LAYOUTS[kind](path).embeddings == tuple(tmp_path / one for one in expected)
    assert tmp_path / "i/models/sd-1/embedding" in LAYOUTS["invoke_home"](tmp_path / "i").embeddings
