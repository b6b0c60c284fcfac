"""What a prompt says before it runs: texts, chunks, changes over the steps, extra networks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from tests import shams
from tests.engine.adapters.made import as_kohya, lora, write
from tests.test_loras import TO_K, made
from webui.app import House
from webui.core.errors import UnknownName
from webui.core.job import LOCAL_OWNER
from webui.prompt_preview import NetworkSeen, Preview, differing


@pytest.fixture
def folder(house: House) -> Path:
    """The house's folder of LoRAs, with one for its checkpoint and one for SDXL."""
    place = house.paths.model_folders.loras[0]
    place.mkdir(parents=True, exist_ok=True)
    write(place / "ink.safetensors", made(house))
    write(place / "large.safetensors", lora({TO_K: (96, 2048)}, as_kohya("lora_unet"))[0])
    return place


def seen(house: House, prompt: str, **values: Any) -> Preview:
    return house.service.prompting.previews.of({"prompt": prompt, **values})


def test_a_prompt_is_told_as_it_runs(house: House) -> None:
    told = seen(house, "a {b|b} c # remark", negative_prompt="(d:1.2)", seed=3)
    assert (told.prompt.text, told.negative_prompt.text) == ("a b c", "(d:1.2)")
    assert (told.prompt.tokens, told.prompt.limit, told.negative_prompt.tokens) == (3, 75, 1)
    assert (told.networks, told.notes, told.pictures) == ((), (), 1)


def test_chunks_end_where_the_encoder_ends_them(house: House) -> None:
    told = seen(house, ", ".join(["a"] * 45)).prompt
    (encoder,) = told.encoders
    assert (encoder.name, encoder.left) == ("CLIP-L", 0)
    assert [(chunk.tokens, chunk.room) for chunk in encoder.chunks] == [(75, 75), (14, 75)]
    assert encoder.chunks[1].text == ", a , a , a , a , a , a , a"
    broken = seen(house, "A BREAK a").prompt
    assert [chunk.text for chunk in broken.encoders[0].chunks] == ["a", "a"]
    assert (broken.tokens, broken.limit) == (76, 150)


def test_changes_are_told_by_their_share_of_the_steps(house: House) -> None:
    told = seen(house, "[a cat:a dog:0.5] AND a hat :0.3", steps=20).prompt
    first, second = told.parts
    assert [(one.until, one.text, one.differs) for one in first.stretches] == [
        (0.5, "a cat", "cat"),
        (1.0, "a dog", "dog"),
    ]
    assert (first.weight, second.weight, second.stretches[0].text) == (1.0, 0.3, "a hat")
    # A sampler that asks twice a step makes 20 calls of 10 steps.
    by_steps = seen(house, "[a cat:a dog:5]", steps=10, sampler_name="Heun").prompt
    assert by_steps.parts[0].stretches[0].until == 0.25


def test_the_text_that_takes_most_is_counted(house: House) -> None:
    assert seen(house, "[a:b c d:0.5]").prompt.tokens == 3
    changing = seen(house, "a cat AND [a hat:a big hat:0.5] :0.5").prompt
    assert (changing.longest_part, changing.longest_words) == (2, "big")
    one = seen(house, "[a:b c d:0.5]").prompt
    assert (one.longest_part, one.longest_words) == (1, "b c d")
    plain = seen(house, "a b c").prompt
    assert (plain.longest_part, plain.longest_words) == (0, "")
    assert seen(house, "(a)").prompt.tokens == 1
    assert seen(house, "(a)", emphasis="None").prompt.tokens == 3


def test_networks_are_found_missing_or_for_another_model(house: House, folder: Path) -> None:
    told = seen(house, "cat <lora:INK:0.8><lora:inkk><lora:large:1><hypernet:x:1>").networks
    assert told[0] == NetworkSeen("<lora:INK:0.8>", "lora", "INK", "ink")
    assert (told[1].file, told[1].problem, told[1].like) == ("", "Not found.", "ink")
    assert told[2].problem.startswith("Cannot be used with sham: it is for Stable Diffusion XL")
    assert "only <lora:…>" in told[3].problem


def test_what_a_job_would_note_is_noted_before_it(house: House, folder: Path) -> None:
    told = seen(
        house, "cat <lora:ink:abc><lora:ink:1:start=0.9:stop=0.1><lora:ink:1:1:8:3><lora:ink:1:foo=3><lora:ink>"
    )
    one, *others, right = told.networks
    assert one.note == (
        "'abc' is no weight of the text encoders of the LoRA ink: one is a number from -1000 to 1000. So 1 is used."
    )
    assert right.note == ""
    assert told.notes == (one.note, *(other.note for other in others))
    for note, words in zip(told.notes[1:], ["starts at 0.9", "'3' of the LoRA ink means", "'foo=3' of"], strict=True):
        assert words in note
    assert [network.problem for network in told.networks] == [""] * 5
    negative = seen(house, "cat", negative_prompt="bad <lora:ink:1> # <lora:other>")
    assert negative.notes == (
        "In the negative prompt <lora:ink:1> is text, as in A1111; a LoRA belongs into the prompt.",
    )
    assert negative.networks == ()


def test_a_file_that_a_job_has_found_broken_is_not_ticked(house: House, folder: Path) -> None:
    adapters = house.service._catalogue.adapters
    ink = adapters.find("ink")
    assert ink is not None
    adapters.keep_broken(ink, "ink.safetensors is damaged.")
    assert seen(house, "cat <lora:ink>").networks[0].problem == "ink.safetensors is damaged."


def test_without_a_checkpoint_the_rest_is_told(house: House) -> None:
    told = seen(house, "[a:b:0.5]", checkpoint="there is none").prompt
    assert (told.tokens, told.limit, told.encoders) == (0, 0, ())
    assert len(told.parts[0].stretches) == 2
    with pytest.raises(UnknownName):
        seen(house, "cat", styles=["no such style"])


def test_batches_and_variations_draw_as_the_job_does(house: House) -> None:
    prompts = house.service.prompts
    asked = {"prompt": "{a|b|c|d|e|f|g|h}", "seed": 5, "batch_size": 4}
    request = prompts.previewed(asked, 4)
    assert (request.pictures, request.n_iter) == (4, 1)
    varied = prompts.previewed({**asked, "subseed_strength": 0.5}, 4)
    assert [varied.seed_of(number) for number in range(4)] == [5] * 4
    assert [request.seed_of(number) for number in range(4)] == [5, 6, 7, 8]
    assert prompts.previewed({**asked, "combinatorial": True}, 1).pictures == 8


def test_a_very_long_prompt_is_read(house: House) -> None:
    told = seen(house, "[" * 5000 + "a|b" + "]" * 5000, steps=150)
    assert len(told.prompt.parts[0].stretches) <= 60


@pytest.mark.parametrize(
    ("texts", "own"),
    [
        (["a cat", "a cat"], ["a cat", "a cat"]),
        (["a red hat", "a blue hat", "a hat"], ["red", "blue", ""]),
        (["a a", "a a a"], ["", "a"]),
        (["x, y", "z"], ["x, y", "z"]),
        (["", "b"], ["", "b"]),
    ],
)
def test_what_differs_is_what_stands_between_the_common_words(texts: list[str], own: list[str]) -> None:
    assert differing(texts) == own


def test_embeddings_are_found_and_take_their_places(house: House) -> None:
    folder = house.paths.model_folders.embeddings[0]
    folder.mkdir(parents=True, exist_ok=True)
    (part,) = (p for p in house.service._catalogue.default().parts.values() if p.role == "text_encoder")
    width = int(part.form.facts["width"])
    save_file({"emb_params": np.zeros((3, width), np.float32)}, folder / "b.safetensors")
    save_file({"emb_params": np.zeros((1, width + 8), np.float32)}, folder / "c.safetensors")
    # To the sham all letters but one are the same.
    told = seen(house, "a b a")
    assert told.prompt.tokens == 5
    assert told.prompt.encoders[0].chunks[0].text == "a b a"
    found, other = told.networks
    assert found == NetworkSeen("b", "embedding", "b", "b")
    assert (other.name, "read as words" in other.problem) == ("c", True)


def test_encoders_that_are_told_one_chunk_say_what_they_leave(house: House) -> None:
    shams.write_flux_house(house.paths.models)
    house.service.refresh_checkpoints(LOCAL_OWNER)
    told = seen(house, "cat, " * 60, checkpoint="flux-dev.safetensors").prompt
    (clip,) = told.encoders
    assert (clip.name, clip.left, told.tokens) == ("CLIP-L", 120 - 75, 120)
    assert [(chunk.tokens, chunk.room) for chunk in clip.chunks] == [(75, 75)]
    assert clip.chunks[0].text.startswith("cat , cat ,")
