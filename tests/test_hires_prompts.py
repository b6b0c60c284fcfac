"""The prompts of a second pass: styled and drawn as those of the first, kept with the request, said of the picture."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.test_prompts import accepted, at_home
from webui.app import House
from webui.core import infotext
from webui.core.errors import InvalidField
from webui.core.frozen import FrozenMap
from webui.core.job import LOCAL_OWNER
from webui.core.request import GenerationRequest
from webui.core.said_texts import with_texts_of

__all__ = ["at_home"]


def second(request: GenerationRequest, index: int) -> tuple[str, str]:
    """What the second pass is told of a picture."""
    return request.with_hires_texts.texts_of(index)


def test_without_prompts_of_its_own_it_has_the_firsts(at_home: House) -> None:
    values: dict[str, Any] = {"prompt": "{a|b|c} cat", "seed": 3, "n_iter": 4, "enable_hr": True}
    request = accepted(at_home, values)
    assert request.hires_drawn is None and request.with_hires_texts is request


def test_its_own_get_the_styles_and_are_drawn_from_the_same_seeds(at_home: House) -> None:
    own = {"enable_hr": True, "hr_prompt": "__colour__ dog"}
    request = accepted(
        at_home, {"prompt": "cat", "negative_prompt": "bad", "styles": ["Photo"], "n_iter": 5, "seed": 3, **own}
    )
    assert request.hires is not None and request.hires.hr_prompt == "__colour__ dog"
    alone = accepted(
        at_home, {"prompt": "__colour__ dog", "negative_prompt": "bad", "styles": ["Photo"], "n_iter": 5, "seed": 3}
    )
    texts = [second(request, index) for index in range(5)]
    assert texts == [alone.texts_of(index) for index in range(5)] and len(set(texts)) > 1
    assert [request.texts_of(index) for index in range(5)] == [("photo of cat, 35mm", "bad, drawing")] * 5


def test_where_it_has_one_of_the_two_the_other_is_the_firsts(at_home: House) -> None:
    values = {"prompt": "{a|b|c} cat", "negative_prompt": "bad", "seed": 3, "n_iter": 6, "enable_hr": True}
    for combinatorial in (False, True):
        request = accepted(at_home, {**values, "hr_negative_prompt": "worse", "combinatorial": combinatorial})
        texts = [second(request, index) for index in range(request.pictures)]
        assert texts == [(request.texts_of(index)[0], "worse") for index in range(request.pictures)]
        assert len({prompt for prompt, _ in texts}) == 3


def test_comments_are_taken_out(at_home: House) -> None:
    request = accepted(at_home, {"prompt": "cat", "enable_hr": True, "hr_prompt": "dog # not this"})
    assert second(request, 0)[0].strip() == "dog"


def test_it_is_the_same_when_it_is_sent_back_also_after_the_wildcard_changed(at_home: House) -> None:
    values = {"prompt": "__colour__ cat", "seed": 3, "n_iter": 4, "enable_hr": True, "hr_prompt": "__colour__ dog"}
    request = accepted(at_home, values)
    (at_home.paths.wildcards[0] / "colour.txt").write_text("white\n", "utf-8")
    assert accepted(at_home, request.to_json()) == request
    changed = request.to_json()
    changed["hires"]["hr_prompt"] = "__colour__ horse"
    assert second(accepted(at_home, changed), 0)[0].endswith(" horse")


def test_a_picture_says_what_it_was_told(at_home: House) -> None:
    values = {
        "prompt": "red cat",
        "seed": 3,
        "n_iter": 3,
        "enable_hr": True,
        "hr_prompt": "{blue|green|grey} dog",
        "steps": 1,
    }

    async def whole() -> None:
        async with at_home.running() as service:
            job = await service.submit(values, LOCAL_OWNER)
            async for _ in service.follow(LOCAL_OWNER, job.id):
                pass
            done = service.job(job.id, LOCAL_OWNER)
            texts = [second(done.picture_request, picture.index)[0] for picture in done.pictures]
            assert len(set(texts)) > 1
            for text, picture in zip(texts, done.pictures, strict=True):
                assert f"Hires prompt: {text}" in picture.infotext

    asyncio.run(whole())


def test_what_its_prompt_names_is_looked_for_too(at_home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def hashes(request: GenerationRequest, *_: object) -> FrozenMap[str]:
        seen.append(request.templates[0])
        return FrozenMap({f"lora {len(seen)}": "0" * 64})

    monkeypatch.setattr("webui.acceptance.accepted_hashes", hashes)
    made = accepted(at_home, {"prompt": "<lora:first:1> cat", "enable_hr": True, "hr_prompt": "<lora:second:1> dog"})
    assert seen == ["<lora:first:1> cat", "<lora:second:1> dog"] and set(made.lora_hashes) == {"lora 1", "lora 2"}


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"hr_prompt": "{a|b|c} " * 5000}, "hr_prompt"),
        ({"hr_negative_prompt": "{a|b|c} " * 5000}, "hr_negative_prompt"),
    ],
)
def test_what_is_wrong_with_one_is_said_of_it(at_home: House, values: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidField) as caught:
        accepted(at_home, {"prompt": "cat", "enable_hr": True, **values})
    assert caught.value.field == field


def test_notes_of_both_passes_are_told(at_home: House) -> None:
    request = accepted(at_home, {"prompt": "__first__", "enable_hr": True, "hr_prompt": "__second__"})
    assert any("first" in note for note in request.notes) and any("second" in note for note in request.notes)


def test_a_text_that_is_read_gives_back_what_was_typed(at_home: House) -> None:
    values = {"prompt": "cat", "negative_prompt": "bad", "styles": ["Photo"], "seed": 3, "steps": 2}
    own = {"enable_hr": True, "hr_prompt": "{blue|green} dog"}
    request = accepted(at_home, {**values, **own})
    parsed = at_home.service.parse_infotext(infotext.write(with_texts_of(request, 0)[0])).values
    assert parsed["styles"] == ("Photo",) and parsed["hr_prompt"] in ("blue dog", "green dog")
    again = accepted(at_home, parsed)
    assert (again.texts_of(0), second(again, 0)) == (request.texts_of(0), second(request, 0))
    # A style on one of them alone was typed.
    alone = with_texts_of(request.but(prompt="cat", styles=(), drawn=None), 0)[0]
    parsed = at_home.service.parse_infotext(infotext.write(alone)).values
    assert parsed["styles"] == () and parsed["hr_prompt"].startswith("photo of")
