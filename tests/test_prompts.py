"""Styles and dynamic prompts from a request to the picture's text: applied and drawn once, when it is accepted."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from webui.app import House
from webui.core import infotext
from webui.core.errors import InvalidField, NotAllowed, NotFound, TooMany, UnknownName
from webui.core.frozen import FrozenMap
from webui.core.job import LOCAL_OWNER, Identity, Level
from webui.core.prompt.dynamic import Template
from webui.core.prompt.styles import Style
from webui.core.request import GenerationRequest
from webui.engine.wordings import Wordings
from webui.images.metadata import read
from webui.prompt_files.styles import StyleFiles
from webui.prompt_files.wildcards import FileWildcards
from webui.prompts import Prompts
from webui.seals import Seals
from webui.service import Service

GUEST = Identity("guest-1", Level.VISITOR)
STYLES = 'name,prompt,negative_prompt\nPhoto,"photo of {prompt}, 35mm",drawing\nBlue,__colour__ light,\n'


@pytest.fixture
def at_home(house: House) -> House:
    """The house with two styles and a wildcard."""
    house.paths.style_files[0].write_text(STYLES, "utf-8")
    folder = house.paths.wildcards[0]
    folder.mkdir(parents=True)
    (folder / "colour.txt").write_text("red\nblue\ngreen\n", "utf-8")
    return house


def run(house: House, talk: Callable[[Service], Coroutine[Any, Any, None]]) -> None:
    async def whole() -> None:
        async with house.running() as service:
            await asyncio.wait_for(talk(service), 60)

    asyncio.run(whole())


def accepted(house: House, values: dict[str, Any], who: Identity = LOCAL_OWNER) -> GenerationRequest:
    async def ask() -> GenerationRequest:
        # As submitting does, without a place in the line.
        return await house.service._accepted(values, who)

    return asyncio.run(ask())


def test_styles_are_put_on_both_prompts(at_home: House) -> None:
    request = accepted(at_home, {"prompt": "cat", "negative_prompt": "bad", "styles": ["photo"], "seed": 1})
    assert (request.prompt, request.styles) == ("cat", ("photo",))
    assert request.texts_of(0) == request.templates == ("photo of cat, 35mm", "bad, drawing")
    assert request.drawn is not None
    assert request.drawn.all_prompts == ()


def test_an_unknown_style_is_refused_with_a_near_name(at_home: House) -> None:
    with pytest.raises(UnknownName, match="Photo") as caught:
        accepted(at_home, {"prompt": "cat", "styles": ["Phota"]})
    assert caught.value.field == "styles"


def test_a_plain_prompt_has_nothing_drawn(at_home: House) -> None:
    for prompt in ("a {masterpiece} cat", "[a|b] (c:1.2)", '{"caption": "x"}'):
        assert accepted(at_home, {"prompt": prompt}).drawn is None


def test_each_picture_draws_from_its_own_seed(at_home: House) -> None:
    values = {"prompt": "{a|b|c|d} __colour__", "negative_prompt": "{x|y}", "n_iter": 4, "batch_size": 2}
    request = accepted(at_home, {**values, "seed": 10})
    texts = [request.texts_of(index) for index in range(8)]
    assert len(set(texts)) > 3
    # The next seed's picture is the same alone.
    alone = accepted(at_home, {**values, "seed": 13, "n_iter": 1, "batch_size": 1})
    assert alone.texts_of(0) == texts[3]
    assert accepted(at_home, {**values, "seed": 10}) == request


def test_variations_of_a_picture_have_its_words(at_home: House) -> None:
    request = accepted(at_home, {"prompt": "{a|b|c|d}", "seed": 4, "subseed_strength": 0.1, "n_iter": 6})
    assert len({request.texts_of(index) for index in range(6)}) == 1


def test_it_can_be_switched_off(at_home: House) -> None:
    request = accepted(at_home, {"prompt": "{a|b} __colour__", "dynamic_prompts": False})
    assert request.drawn is None
    assert request.texts_of(0)[0] == "{a|b} __colour__"


def test_a_style_may_draw(at_home: House) -> None:
    request = accepted(at_home, {"prompt": "cat", "styles": ["Blue"], "seed": 1})
    assert request.templates[0] == "cat, __colour__ light"
    assert request.texts_of(0)[0] in {f"cat, {colour} light" for colour in ("red", "blue", "green")}


def test_comments_are_no_options(at_home: House) -> None:
    for seed in range(8):
        request = accepted(at_home, {"prompt": "{a\n# |b\n|c} d # {e|f}", "seed": seed})
        assert request.texts_of(0)[0].split() in (["a", "d"], ["c", "d"])
    kept = accepted(at_home, {"prompt": "{a # |b}", "enable_prompt_comments": False})
    assert kept.texts_of(0)[0].strip() in ("a #", "b")


@pytest.mark.parametrize("dynamic", [True, False])
def test_comments_are_taken_out_once_and_never_of_what_is_drawn(at_home: House, dynamic: bool) -> None:
    (at_home.paths.wildcards[0] / "hex.txt").write_text("a #ff0000 red\n", "utf-8")
    asked = {"prompt": "__hex__ hat # {x|y}", "dynamic_prompts": dynamic, "steps": 1}
    shown = f"{'a #ff0000 red' if dynamic else '__hex__'} hat"

    async def talk(service: Service) -> None:
        job = await service.submit(asked, LOCAL_OWNER)
        request = job.picture_request
        assert request.prompt == asked["prompt"]
        assert request.texts_of(0)[0].strip() == shown
        read = Wordings(request, 1, emphasis=True).prompt(request.texts_of(0)[0])
        assert [text.strip() for text in read.texts] == [shown]
        async for _ in service.follow(LOCAL_OWNER, job.id):
            pass
        [picture] = service.job(job.id, LOCAL_OWNER).pictures
        again = await service.submit(service.parse_infotext(picture.infotext).values, LOCAL_OWNER)
        texts = again.picture_request.texts_of(0)
        read = Wordings(again.picture_request, 1, emphasis=True).prompt(texts[0])
        assert [text.strip() for text in read.texts] == [shown]
        # With comments as words nothing that was drawn without them counts.
        kept = await service.submit({**request.to_json(), "enable_prompt_comments": False}, LOCAL_OWNER)
        assert kept.picture_request.texts_of(0)[0].startswith(f"{shown} # ")

    run(at_home, talk)


# Combinations


@pytest.mark.parametrize(
    ("prompt", "batch_size", "expected"),
    [
        ("{a|b|c} {d|e}", 1, (6, 1)),
        ("{a|b|c} {d|e}", 4, (2, 3)),
        ("{a|b|c} __colour__", 8, (3, 3)),
        ("{a|b|c|d|e|f|g}", 4, (7, 1)),
        ("plain", 2, (5, 2)),
    ],
)
def test_combinations_become_batches(at_home: House, prompt: str, batch_size: int, expected: tuple[int, int]) -> None:
    values = {"prompt": prompt, "combinatorial": True, "batch_size": batch_size, "n_iter": 5}
    request = accepted(at_home, values)
    n_iter, size = expected
    assert n_iter * size == request.pictures
    if prompt != "plain":
        assert len({request.texts_of(index) for index in range(request.pictures)}) == request.pictures
    assert request.batch_size <= batch_size


def test_both_prompts_are_combined(at_home: House) -> None:
    request = accepted(at_home, {"prompt": "{a|b}", "negative_prompt": "{x|y}", "combinatorial": True})
    texts = {request.texts_of(index) for index in range(request.pictures)}
    assert texts == {("a", "x"), ("a", "y"), ("b", "x"), ("b", "y")}


def test_too_many_combinations_are_refused(at_home: House) -> None:
    with pytest.raises(InvalidField, match="100 pictures") as caught:
        accepted(at_home, {"prompt": "{a|b|c} " * 5 + "{a|b}" * 3, "combinatorial": True})
    assert caught.value.field == "combinatorial"
    with pytest.raises(InvalidField):
        accepted(at_home, {"prompt": "{a|b}" * 3000, "combinatorial": True})


def test_a_number_that_fills_no_whole_batches_is_filled_up(at_home: House) -> None:
    options = "|".join(f"o{number}" for number in range(101))
    request = accepted(at_home, {"prompt": f"{{{options}}}", "combinatorial": True, "batch_size": 4})
    assert (request.n_iter, request.batch_size) == (26, 4)
    assert request.texts_of(101) == request.texts_of(0)
    assert "made again" in request.notes[0]


def test_a_guest_cannot_make_more_than_a_guest_may(at_home: House) -> None:
    most = at_home.settings.current.max_pictures_visitor
    options = "|".join(f"o{number}" for number in range(most + 1))
    with pytest.raises(TooMany):
        accepted(at_home, {"prompt": f"{{{options}}}", "combinatorial": True}, GUEST)


def test_what_a_guest_may_not_make_is_neither_drawn_nor_hashed(at_home: House, monkeypatch: pytest.MonkeyPatch) -> None:
    most = at_home.settings.current.max_pictures_visitor
    drawn: list[str] = []
    hashed: list[GenerationRequest] = []
    monkeypatch.setattr(Template, "draw", lambda self, seed, number=0: drawn.append("x") or "x")
    monkeypatch.setattr("webui.acceptance.accepted_hashes", lambda request, *_: hashed.append(request) or FrozenMap())
    options = "|".join(f"<lora:{number}:1>" for number in range(most + 1))
    for values in ({"n_iter": most + 1}, {"combinatorial": True}):
        with pytest.raises(TooMany):
            accepted(at_home, {"prompt": f"{{{options}}}", **values}, GUEST)
    assert (drawn, hashed) == ([], [])
    # The number of batches means nothing where the combinations say it.
    few = {"prompt": "{a|b}", "combinatorial": True, "n_iter": most + 1}
    assert accepted(at_home, few, GUEST).pictures == 2
    accepted(at_home, {"prompt": "{a|b}"}, GUEST)
    assert drawn and hashed


# Stored requests


def test_a_stored_request_keeps_its_words(at_home: House) -> None:
    values = {"prompt": "__colour__", "styles": ["Photo"], "seed": 3, "n_iter": 4}
    request = accepted(at_home, values)
    stored = json.loads(request.dumps())
    assert GenerationRequest.from_json(stored) == request
    (at_home.paths.wildcards[0] / "colour.txt").write_text("black\n", "utf-8")
    at_home.paths.style_files[0].write_text(STYLES.replace("35mm", "film"), "utf-8")
    assert accepted(at_home, stored).drawn == request.drawn


@pytest.mark.parametrize("changed", [{"prompt": "{x|y}"}, {"seed": 4}, {"n_iter": 3}, {"styles": []}])
def test_a_stored_request_that_was_changed_is_drawn_anew(at_home: House, changed: dict[str, Any]) -> None:
    request = accepted(at_home, {"prompt": "{a|b}", "styles": ["Photo"], "seed": 3, "n_iter": 2})
    again = accepted(at_home, {**request.to_json(), **changed})
    assert again.drawn is not None
    assert again.drawn != request.drawn
    assert len(again.drawn.all_prompts) == again.pictures


@pytest.mark.parametrize("changed", ["template", "all_prompts", "notes"])
def test_texts_that_were_not_drawn_here_do_not_count(at_home: House, changed: str) -> None:
    request = accepted(at_home, {"prompt": "a {red|blue} cat", "seed": 3, "n_iter": 2})
    assert request.drawn is not None
    said = {"template": "dog", "all_prompts": ["dog", "dog"], "notes": ["dog"]}
    stored = request.to_json()
    stored["drawn"] = {**stored["drawn"], changed: said[changed]}
    assert accepted(at_home, stored) == request


def test_stored_words_count_after_a_restart_and_in_no_other_house(tmp_path: Path) -> None:
    (tmp_path / "blocked").mkdir()
    request = GenerationRequest(prompt="{a|b}", seed=3, n_iter=2)
    paths = [tmp_path / "a", tmp_path / "a", tmp_path / "b", tmp_path / "blocked", tmp_path / "blocked"]
    first, again, other, *blocked = [
        Prompts(StyleFiles([tmp_path / "styles.csv"]), FileWildcards(lambda: ()), Seals(path)) for path in paths
    ]

    def counts(of: Prompts, to: Prompts) -> bool:
        made = of.completed(request.to_json(), GenerationRequest.from_json)
        anew: list[str] = []
        to._drawn = lambda one: anew.append("") or one  # type: ignore[method-assign,func-returns-value]
        to.completed(made.to_json(), GenerationRequest.from_json)
        return not anew

    assert counts(first, again)
    assert not counts(first, other)
    assert (tmp_path / "a").stat().st_mode & 0o077 == 0
    # Where no key can be kept, words are drawn all the same.
    assert not counts(*blocked)
    assert counts(blocked[0], blocked[0])


@pytest.mark.parametrize(
    "drawn",
    [7, [], {"template": 1}, {"strange": ""}, {"all_prompts": "ab"}, {"all_prompts": ["x" * 30_000]}, {"notes": [1]}],
)
def test_rubbish_in_place_of_texts_is_refused(at_home: House, drawn: Any) -> None:
    with pytest.raises(InvalidField) as caught:
        accepted(at_home, {"prompt": "x", "drawn": drawn})
    assert caught.value.field == "drawn"


def test_a_request_from_before_there_were_dynamic_prompts_is_text(at_home: House) -> None:
    stored = accepted(at_home, {"prompt": "cat"}).to_json()
    stored = {name: value for name, value in stored.items() if name not in ("dynamic_prompts", "styles", "drawn")}
    assert accepted(at_home, {**stored, "prompt": "{a|b}"}).drawn is None


def test_a_pictures_file_keeps_its_own_words_alone(at_home: House) -> None:
    request = accepted(at_home, {"prompt": "{a|b|c|d|e|f} cat", "seed": 3, "n_iter": 50, "batch_size": 2})
    for index in (0, 7, 99):
        record = json.loads(json.dumps(request.record_of(index)))
        read = GenerationRequest.from_json(record)
        assert read.texts_of(index) == request.texts_of(index)
        assert json.dumps(record).count(" cat") == 3, "as typed, as template, and as this picture has it"
        # Sent back, all are drawn anew, which gives the same as long as the files are the same.
        assert accepted(at_home, record) == request
    alone = accepted(at_home, {"prompt": "{a|b|c|d|e|f} cat", "seed": 3})
    assert GenerationRequest.from_json(alone.record_of(0)) == alone


# Bad input


def test_what_cannot_be_drawn_is_said_in_the_jobs_notes(at_home: House) -> None:
    folder = at_home.paths.wildcards[0]
    (folder / "self.txt").write_text("__self__\n", "utf-8")

    async def talk(service: Service) -> None:
        job = await service.submit({"prompt": "{a|b} __self__ __../secret__ __colou__", "seed": 1}, LOCAL_OWNER)
        notes = " ".join(service.notes(service.job(job.id, LOCAL_OWNER)))
        assert "'self' leads back to itself" in notes
        assert "would lead out of the wildcards' folder" in notes
        assert "Did you mean 'colour'?" in notes

    run(at_home, talk)


def test_too_much_is_refused_with_a_sentence(at_home: House) -> None:
    (at_home.paths.wildcards[0] / "long.txt").write_text("x" * 15_000 + "\n", "utf-8")
    for prompt in ("__long__ __long__", "${a=!__long__}${a}${a}"):
        with pytest.raises(InvalidField, match="longer than 20,000"):
            accepted(at_home, {"prompt": prompt})
    with pytest.raises(InvalidField, match="too long"):
        accepted(at_home, {"prompt": "x" * 19_990, "styles": ["Photo"]})


# The picture


def test_the_picture_says_what_was_drawn_and_from_what(at_home: House) -> None:
    values = {"prompt": "a __colour__ cat", "negative_prompt": "bad", "styles": ["Photo"], "seed": 5, "n_iter": 2}

    async def talk(service: Service) -> None:
        job = await service.submit({**values, "steps": 1}, LOCAL_OWNER)
        async for _ in service.follow(LOCAL_OWNER, job.id):
            pass
        done = service.job(job.id, LOCAL_OWNER)
        for picture in done.pictures:
            parsed = infotext.parse(picture.infotext)
            prompt, negative_prompt = done.picture_request.texts_of(picture.index)
            assert (parsed.prompt, parsed.negative_prompt) == (prompt, negative_prompt)
            assert parsed.unknown["Template"] == "photo of a __colour__ cat, 35mm"
            assert "Negative Template" not in parsed.unknown
            found = service.parse_infotext(picture.infotext)
            assert found.values["styles"] == ("Photo",)
            assert found.prompt == prompt.removeprefix("photo of ").removesuffix(", 35mm")
            again = await service.submit({**found.values, "n_iter": 1}, LOCAL_OWNER)
            assert again.picture_request.texts_of(0) == (prompt, negative_prompt)
            record = read(service.picture_file(picture.id, LOCAL_OWNER)).request
            assert record is not None
            assert GenerationRequest.from_json(record).texts_of(picture.index) == (prompt, negative_prompt)

    run(at_home, talk)


def test_a_read_prompt_is_not_drawn_again(at_home: House) -> None:
    line = "Steps: 20, Sampler: Euler, CFG scale: 7, Seed: 1, Size: 512x512"
    assert at_home.service.parse_infotext(f"{{a|b}} x\n{line}").values["dynamic_prompts"] is False
    assert "dynamic_prompts" not in at_home.service.parse_infotext(f"{{a}} x\n{line}").values
    assert "dynamic_prompts" not in at_home.service.parse_infotext("{a|b} x").values


# Changes


def test_only_the_owner_changes_styles(at_home: House) -> None:
    prompts = at_home.service.prompts
    for change in (lambda: prompts.save_style(Style("A", "a"), GUEST), lambda: prompts.remove_style("Photo", GUEST)):
        with pytest.raises(NotAllowed):
            change()
    assert prompts.save_style(Style(" A ", "a"), LOCAL_OWNER) == Style("A", "a", "", "styles.csv")
    assert prompts.styles().find("A")
    prompts.remove_style("A", LOCAL_OWNER)
    with pytest.raises(NotFound):
        prompts.remove_style("A", LOCAL_OWNER)


@pytest.mark.parametrize("name", ["", "  ", "#x", "x" * 201, "a\nb"])
def test_a_style_needs_a_name(at_home: House, name: str) -> None:
    with pytest.raises(InvalidField):
        at_home.service.prompts.save_style(Style(name, "a"), LOCAL_OWNER)


def test_wildcards_of_extensions_are_found(at_home: House, tmp_path: Path) -> None:
    theirs = at_home.paths.extensions[-1] / "old-extension" / "wildcards"
    theirs.mkdir(parents=True)
    (theirs / "shape.txt").write_text("ball\n", "utf-8")
    assert "shape" in at_home.service.prompts.wildcards().names
