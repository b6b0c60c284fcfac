"""A1111's keys in the prompts: weights of words and networks, elements that change places, undone by the browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.helpers import NEGATIVE, PROMPT
from webui.core.setting_rows import public_settings
from webui.core.settings import Settings
from webui.ui.assets import FOLDER

pytestmark = pytest.mark.browser

UP, DOWN = "Control+ArrowUp", "Control+ArrowDown"


@pytest.fixture(scope="module")
def pure(browser: Browser) -> Iterator[Page]:
    """A page with nothing but the functions."""
    page = browser.new_page()
    page.evaluate("window.darkroom = {}")
    page.add_script_tag(path=FOLDER / "weights.js")
    yield page
    page.close()


def marked(text: str) -> dict[str, Any]:
    """The text with the selection between two |, or the cursor at one."""
    first = text.index("|")
    rest = text.replace("|", "")
    return {"text": rest, "start": first, "end": text.rindex("|") - (1 if text.count("|") > 1 else 0)}


def mark(now: dict[str, Any] | None) -> str | None:
    if now is None:
        return None
    text, start, end = now["text"], int(now["start"]), int(now["end"])
    return f"{text[:start]}|{text[start:end]}|{text[end:]}"


def rules(**changes: Any) -> dict[str, Any]:
    settings = public_settings(Settings.model_validate(changes))
    return {name: value for name, value in settings.items() if name.startswith("keyedit_")}


@pytest.mark.parametrize(
    ("before", "up", "after"),
    [
        ("a r|ed hat", True, "a (|red|:1.1) hat"),
        ("a r|ed hat", False, "a (|red|:0.9) hat"),
        ("|red hat", True, "(|red|:1.1) hat"),
        ("a |red hat|", True, "a (|red hat|:1.1)"),
        ("a |red | hat", True, "a (|red|:1.1)  hat"),
        ("a (r|ed:1.1) hat", True, "a (|red|:1.2) hat"),
        ("a (red|:1.1) hat", False, "a |red| hat"),
        ("a (red:1.|9) hat", True, "a (|red|:2.0) hat"),
        ("(a big|, red:0.9) hat", True, "|a big, red| hat"),
        ("(red:0.1|)", False, "(|red|:0.0)"),
        ("(red:0|)", False, "(|red|:-0.1)"),
        ("(red|:-0.1)", True, "(|red|:0.0)"),
        ("((|red|))", True, "(|red|:1.3)"),
        ("[|red|]", False, "(|red|:0.8)"),
        ("[|red|]", True, "|red|"),
        ("<lora:in|k:0.8>", True, "<|lora:ink|:0.85>"),
        ("a <lora:ink:0.95|> b", True, "a <|lora:ink|:1.0> b"),
        ("<lora:ink|>", False, "<|lora:ink|:0.95>"),
        ("<lora:ink:0.5:1|>", True, "<|lora:ink:0.5|:1.05>"),
        ("<lora:ink:x|>", True, None),
        ("<lora:ink:te=0.5|>", True, None),
        ("<lora:2b|_ink>", True, "<|lora:2b_ink|:1.05>"),
        ("<re|d>", True, "(|<red>|:1.1)"),
        ("a | b", True, None),
        ("|", True, None),
        ("one\ntw|o", True, "one\n(|two|:1.1)"),
        ("(a:b|)", True, "(a:(|b|:1.1))"),
        ("a (r|ed star) x", True, "a (|red star|:1.2) x"),
        ("a ((red s|tar)) x", False, "a (|red star|:1.1) x"),
        ("(a (r|ed star) x:1.2)", True, "(a (|red star|:1.2) x:1.2)"),
        ("a [red s|tar] x", False, "a (|red star|:0.8) x"),
        ("[r|ed:blue:0.5] star", True, "[(|red|:1.1):blue:0.5] star"),
        ("[red:bl|ue:0.5] star", True, "[red:(|blue|:1.1):0.5] star"),
        ("[r|ed:0.5] star", True, "[(|red|:1.1):0.5] star"),
        ("[red:0.5|] star", True, "[(|red|:1.1):0.5] star"),
        ("[red:blue:10|] star", True, "[red:(|blue|:1.1):10] star"),
        ("[(red:1.1):blue:0.5|]", True, "[(red:1.1):(|blue|:1.1):0.5]"),
        (r"miku \(vocal|oid\)", True, r"miku \((|vocaloid|:1.1)\)"),
        (r"(miku \(vocal|oid\):1.2)", True, r"(|miku \(vocaloid\)|:1.3)"),
        (r"(a\) re|d)", True, r"(|a\) red|:1.2)"),
        (r"\[re|d\]", True, r"\[(|red|:1.1)\]"),
        ("(a [r|ed] b)", False, "(a (|red|:0.8) b)"),
        ("([red:bl|ue:0.5]:1.2)", True, "([red:(|blue|:1.1):0.5]:1.2)"),
        ("(re|d, (star:1.2))", True, "(|red, (star:1.2)|:1.2)"),
        ("(red, (st|ar:1.2))", True, "(red, (|star|:1.3))"),
        ("((red:1.1) blue:1.|2)", True, "(|(red:1.1) blue|:1.3)"),
        ("(a [b [c] re|d] e)", False, "(a (|b [c] red|:0.8) e)"),
        ("[red::0.5|]", True, "[(|red|:1.1)::0.5]"),
        ("[(red:1.1):0.5|]", True, "[(|red|:1.2):0.5]"),
        ("[<lora:foo:1>:0.5|]", True, "[(|<lora:foo:1>|:1.1):0.5]"),
        ("[[red:blue:0.3]:green:0.5|]", True, "[[red:blue:0.3]:(|green|:1.1):0.5]"),
        ("<lora:foo(v|2):0.8>", True, "<|lora:foo(v2)|:0.85>"),
        ("<lora:foo[v|2]:0.8>", True, "<|lora:foo[v2]|:0.85>"),
        ("(a <lora:ink:1> re|d:1.2)", True, "(|a <lora:ink:1> red|:1.3)"),
        ("(1|6:9 photo)", True, "((|16|:1.1):9 photo)"),
        ("fe[|]male", True, None),
    ],
)
def test_a_weight_goes_up_and_down_as_in_a1111(pure: Page, before: str, up: bool, after: str | None) -> None:
    now = pure.evaluate("([was, up, rules]) => darkroom.weights.weigh(was, up, rules)", [marked(before), up, rules()])
    assert mark(now) == after


def test_a_text_of_an_alternation_is_a_word(pure: Page) -> None:
    was = {"text": "[cow|horse] in a field", "start": 7, "end": 7}
    now = pure.evaluate("([was, rules]) => darkroom.weights.weigh(was, true, rules)", [was, rules()])
    assert now["text"] == "[cow|(horse:1.1)] in a field"


def test_the_settings_say_by_how_much_and_where_words_end(pure: Page) -> None:
    asked = rules(
        keyedit_precision_attention=0.05,
        keyedit_precision_extra=0.2,
        keyedit_delimiters="-",
        keyedit_delimiters_whitespace=("Tab",),
    )
    for before, after in (
        ("x-a re|d\nhat\ty", "x-(|a red\nhat|:1.05)\ty"),
        ("<lora:ink:1|>", "<|lora:ink|:1.2>"),
    ):
        now = pure.evaluate("([was, rules]) => darkroom.weights.weigh(was, true, rules)", [marked(before), asked])
        assert mark(now) == after


@pytest.mark.parametrize(
    ("before", "left", "after"),
    [
        ("one, t|wo, three", True, "|two|, one, three"),
        ("one, t|wo, three", False, "one, three, |two|"),
        ("one, |two, th|ree, four", True, "|two, three|, one, four"),
        ("one, |two, th|ree, four", False, "one, four, |two, three|"),
        ("on|e, two", True, None),
        ("one, tw|o", False, None),
        ("|", True, None),
        ("one,\n tw|o", True, "|two|,\n one"),
    ],
)
def test_an_element_changes_places(pure: Page, before: str, left: bool, after: str | None) -> None:
    assert mark(pure.evaluate("([was, left]) => darkroom.weights.move(was, left)", [marked(before), left])) == after


def test_keys_in_both_boxes_and_undo(page: Page) -> None:
    for place, name in ((PROMPT, "prompt"), (NEGATIVE, "negative_prompt")):
        box = page.locator(place)
        box.click()
        page.keyboard.type("a cat, a dog")
        page.keyboard.press(UP)
        page.keyboard.press(UP)
        expect(box).to_have_value("a cat, a (dog:1.2)")
        page.wait_for_function(f"darkroom.form.valuesOf('txt2img').{name} === 'a cat, a (dog:1.2)'")
        page.keyboard.press("Control+z")
        expect(box).to_have_value("a cat, a (dog:1.1)")
        page.keyboard.press("Control+z")
        expect(box).to_have_value("a cat, a dog")
        page.keyboard.press("Alt+ArrowLeft")
        expect(box).to_have_value("a dog, a cat")
        page.keyboard.press(DOWN)
        expect(box).to_have_value("(a dog:0.9), a cat")
        page.wait_for_function(f"darkroom.form.valuesOf('txt2img').{name} === '(a dog:0.9), a cat'")


def test_the_settings_are_those_of_the_owner(page: Page) -> None:
    changed = {"keyedit_move": False, "keyedit_precision_attention": 0.2}
    page.evaluate("changed => darkroom.api('PATCH', 'settings', changed).then(darkroom.shell.refresh)", changed)
    page.click(PROMPT)
    page.keyboard.type("a, b")
    page.keyboard.press("Alt+ArrowLeft")
    page.keyboard.press(UP)
    expect(page.locator(PROMPT)).to_have_value("a, (b:1.2)")
