"""LoRAs from a prompt to the accepted request and the picture's text: found, hashed, refused where they do not fit."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from tests.engine.adapters.made import as_kohya, lora, write
from webui.app import House
from webui.core import infotext
from webui.core.errors import InvalidField, InvalidRequest
from webui.core.job import LOCAL_OWNER
from webui.core.request import GenerationRequest
from webui.core.said_texts import with_texts_of
from webui.engine.adapters.facts import tensor_hash

TO_K = "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k"


@pytest.fixture
def folder(house: House) -> Path:
    """The house's folder of LoRAs, with one for its checkpoint and one for SDXL."""
    place = house.paths.model_folders.loras[0]
    place.mkdir(parents=True, exist_ok=True)
    write(place / "ink.safetensors", made(house))
    write(place / "large.safetensors", lora({TO_K: (96, 2048)}, as_kohya("lora_unet"))[0])
    return place


def made(house: House, seed: int = 0) -> dict[str, Any]:
    """The tensors of a LoRA for the house's checkpoint."""
    (part,) = (p for p in house.service._catalogue.default().parts.values() if p.role == "denoiser")
    width = part.form.facts["context_width"]
    tensors: dict[str, Any] = lora({TO_K: (96, width)}, as_kohya("lora_unet"), seed=seed)[0]
    return tensors


def accepted(house: House, values: dict[str, Any]) -> GenerationRequest:
    async def ask() -> GenerationRequest:
        return await house.service._accepted(values, LOCAL_OWNER)

    return asyncio.run(ask())


def test_a_request_holds_the_hash_of_each_and_says_it_in_the_picture(house: House, folder: Path) -> None:
    request = accepted(house, {"prompt": "red circle <lora:ink:0.8><lora:nobody>", "seed": 1})
    digest = tensor_hash(folder / "ink.safetensors")
    assert dict(request.lora_hashes) == {"ink": digest}
    assert request.prompt == "red circle <lora:ink:0.8><lora:nobody>"
    assert f'Lora hashes: "ink: {digest[:12]}"' in infotext.write(request)
    assert GenerationRequest.from_json(json.loads(request.dumps())) == request
    assert accepted(house, request.to_json()) == request
    assert "Lora hashes" not in infotext.write(accepted(house, {"prompt": "red circle", "seed": 1}))


def test_one_behind_a_sign_that_was_drawn_is_in_no_comment(house: House, folder: Path) -> None:
    place = house.paths.wildcards[0]
    place.mkdir(parents=True)
    (place / "hex.txt").write_text("#ff0000 red\n", "utf-8")
    request = accepted(house, {"prompt": "a __hex__ hat <lora:ink> # <lora:large>", "seed": 1})
    assert list(request.lora_hashes) == ["ink"]
    said, _ = with_texts_of(request, 0)
    assert 'Lora hashes: "ink: ' in infotext.write(said)


def test_another_file_under_the_name_is_no_substitute(house: House, folder: Path) -> None:
    request = accepted(house, {"prompt": "red circle <lora:ink>", "seed": 1})
    write(folder / "ink.safetensors", made(house, seed=5))
    house.service._catalogue.adapters.refresh()
    with pytest.raises(Exception, match="The LoRA ink that this request was made with") as caught:
        accepted(house, request.to_json())
    assert caught.value.field == "prompt"  # type: ignore[attr-defined]
    assert accepted(house, {"prompt": request.prompt, "seed": 1}).lora_hashes != request.lora_hashes


def test_each_that_does_not_fit_is_refused_at_once(house: House, folder: Path) -> None:
    (folder / "cut.safetensors").write_bytes((folder / "ink.safetensors").read_bytes()[:-50])
    with pytest.raises(InvalidRequest) as caught:
        accepted(house, {"prompt": "red circle <lora:large><lora:ink><lora:cut>"})
    large, cut = (error.detail for error in caught.value.errors)
    assert large.startswith("The LoRA large cannot be used with ") and large.endswith("it is for Stable Diffusion XL.")
    assert cut.startswith("The LoRA cut cannot be used. cut.safetensors is cut off")
    with pytest.raises(InvalidField, match="it is for Stable Diffusion XL"):
        accepted(house, {"prompt": "red circle <lora:large>"})


@pytest.mark.parametrize("hashes", [5, {"ink": 5}, ["ink"], {"a" * 501: ""}])
def test_hashes_that_are_none_are_refused(house: House, hashes: Any) -> None:
    with pytest.raises(InvalidField, match="lora_hashes must be names with hashes"):
        accepted(house, {"prompt": "red circle", "lora_hashes": hashes})


def read(house: House, prompt: str, hashes: str, more: str = "") -> Any:
    return house.service.parse_infotext(
        f'{prompt}\nSteps: 4, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 64x64, {more}Lora hashes: "{hashes}"'
    )


def test_a_read_text_names_loras_as_their_files_are_called_here(house: House, folder: Path) -> None:
    (folder / "deep").mkdir()
    write(folder / "deep" / "Brush, wet.safetensors", made(house, seed=3))
    ink, brush = (
        tensor_hash(path)[:12] for path in (folder / "ink.safetensors", folder / "deep/Brush, wet.safetensors")
    )
    told = "a <lora:old ink:0.5:1>, <LYCO:My Brush> <lora:gone:1> <other:old ink:1> old ink <lora:ink:2>"
    parsed = read(house, told, f"old ink: {ink}, My Brush: {brush.upper()}, gone: 0123456789ab")
    assert parsed.prompt == "a <lora:ink:0.5:1>, <LYCO:Brush, wet> <lora:gone:1> <other:old ink:1> old ink <lora:ink:2>"
    assert parsed.unknown["Lora hashes"] == "gone: 0123456789ab"
    assert ("Lora hashes", f"old ink: {ink}, My Brush: {brush.upper()}, gone: 0123456789ab") in parsed.pairs
    # One that has the name and other weights is another.
    again = read(house, "<lora:Brush wet><lora:large>", f"Brush wet: {brush}, large: {ink}")
    assert again.prompt == "<lora:Brush, wet><lora:ink>"
    assert "Lora hashes" not in again.unknown
    assert read(house, "<lora:ink>", f"ink: {brush[:11]}").unknown["Lora hashes"] == f"ink: {brush[:11]}"


def test_a_read_second_prompt_is_told_too_and_own_names_stay(house: House, folder: Path) -> None:
    ink = tensor_hash(folder / "ink.safetensors")[:12]
    parsed = read(house, "<lora:INK:1>", f"INK: {ink}, was: {ink}", 'Hires prompt: "<lora:was:1>", Hires upscale: 2, ')
    assert parsed.prompt == "<lora:INK:1>"
    assert parsed.values["hr_prompt"] == "<lora:ink:1>"
    made_here = accepted(house, {"prompt": "red circle <lora:ink:0.8>", "seed": 1})
    found = house.service.parse_infotext(infotext.write(made_here))
    assert not {"Lora hashes", "TI hashes"} & found.unknown.keys()
    assert found.prompt == made_here.prompt


def test_of_several_with_one_title_the_folder_is_said(house: House, folder: Path) -> None:
    (folder / "deep").mkdir()
    write(folder / "deep" / "ink.safetensors", made(house, seed=3))
    digits = tensor_hash(folder / "deep" / "ink.safetensors")[:12]
    assert read(house, "<lora:was:1>", f"was: {digits}").prompt == "<lora:deep/ink:1>"


def test_no_more_is_read_for_a_text_than_there_is_room_for(
    house: House, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        write(folder / f"other {number}.safetensors", made(house, seed=number + 4))
    digits = tensor_hash(folder / "ink.safetensors")[:12]
    catalogue = house.service._catalogue.adapters
    size = (folder / "ink.safetensors").stat().st_size
    monkeypatch.setattr("webui.engine.adapters.renamed.MOST_READ", size * 3 // 2)
    # The likeliest is read first.
    assert read(house, "<lora:inkk:1>", f"inkk: {digits}").prompt == "<lora:ink:1>"
    assert [one.title for one in catalogue.all() if catalogue.is_hashed(one)] == ["ink"]
    unheard = read(house, "<lora:something:1>", "something: 0123456789ab")
    assert unheard.unknown["Lora hashes"] == "something: 0123456789ab"
    assert sum(map(catalogue.is_hashed, catalogue.all())) == 2
    # What training wrote says where to look.
    write(folder / "zz.safetensors", made(house, seed=9), {"sshash_model_hash": "f" * 64})
    catalogue.refresh()
    read(house, "<lora:something:1>", "something: ffffffffffff")
    assert [catalogue.is_hashed(one) for one in catalogue.all() if one.title == "zz"] == [True]
