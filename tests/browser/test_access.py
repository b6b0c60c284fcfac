"""The gate as a browser meets it: policy, cookies, the one-time address, the sign-in page, a stranger's page."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page

from tests.conftest import SHAM_NAME, make_sham
from tests.web.helpers import TINY, Site, finished, serving
from webui.core.registry import Tab
from webui.web.access import identity_of
from webui.web.identity import Sharing

pytestmark = pytest.mark.browser

# What escaping might one day let through.
INJECTIONS = (
    "<img src=x onerror='window.ran = 1'>",
    "<svg onload='window.ran = 1'></svg>",
    "<iframe srcdoc='<script>parent.ran = 1</script>'></iframe>",
    "<a id=trap href='javascript:window.ran = 1'>x</a>",
)


@pytest.fixture
def shared(tmp_path: Path) -> Iterator[Site]:
    make_sham(tmp_path / "models" / "Stable-diffusion" / SHAM_NAME)
    with serving(tmp_path, Sharing(share=True)) as site:
        yield site


def fresh(browser: Browser, address: str) -> tuple[Page, list[str]]:
    """A page in a new context, and what its console complained of."""
    page = browser.new_context().new_page()
    complaints: list[str] = []

    def note(message: ConsoleMessage) -> None:
        # The last preview may be gone by the time that the page asks for it.
        if message.type == "error" and "/preview?" not in message.location["url"]:
            complaints.append(f"{message.text} {message.location['url']}")

    page.on("console", note)
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.goto(address)
    return page, complaints


def level(page: Page) -> str:
    return str(page.evaluate("async () => (await (await fetch('/api/v1/status')).json()).you.level"))


def test_the_page_breaks_no_rule_of_its_policy_and_injected_scripts_do_not_run(shared: Site, browser: Browser) -> None:
    page, complaints = fresh(browser, shared.url)
    page.wait_for_selector("#dk_worker[data-mood=ok]")
    assert complaints == []
    for html in INJECTIONS:
        page.evaluate("html => document.body.insertAdjacentHTML('beforeend', html)", html)
    page.evaluate("document.getElementById('trap').click()")
    page.evaluate("const s = document.createElement('script'); s.textContent = 'ran = 1'; document.body.append(s)")
    page.wait_for_timeout(300)
    assert page.evaluate("window.ran") is None
    assert any("Content Security Policy" in text for text in complaints)
    page.context.close()


def test_the_one_time_address_in_a_browser(shared: Site, browser: Browser) -> None:
    address = f"{shared.url}/enter/{shared.access.keys.new_entrance()}"
    owner, complaints = fresh(browser, address)
    owner.click("text=Open Darkroom as its owner")
    owner.wait_for_selector("#dk_worker[data-mood=ok]")
    assert owner.url == f"{shared.url}/" and level(owner) == "owner"
    assert owner.evaluate("document.cookie") == ""
    assert complaints == []
    guest, _ = fresh(browser, address)
    assert "spent" in guest.inner_text("h1")
    guest.click("text=Go on as a guest")
    guest.wait_for_selector("#dk_worker[data-mood=ok]")
    assert level(guest) == "visitor"
    owner.reload()
    assert level(owner) == "owner"
    for page in (owner, guest):
        page.context.close()


def test_a_page_that_is_no_longer_its_owners_drops_what_it_showed(shared: Site, browser: Browser) -> None:
    page, _ = fresh(browser, f"{shared.url}/enter/{shared.access.keys.new_entrance()}")
    page.click("text=Open Darkroom as its owner")
    page.wait_for_selector("#dk_worker[data-mood=ok]")
    page.fill("#txt2img_prompt textarea", "the owner's own")
    page.click("#txt2img_generate")
    page.wait_for_selector("#txt2img_results[data-state=done]")
    page.context.clear_cookies()
    page.evaluate("darkroom.shell.refresh()")
    page.wait_for_selector("#dk_notices :text('This page is shared now')")
    assert level(page) == "visitor"
    page.wait_for_selector("#txt2img_results[data-state=empty]")
    assert page.locator("#txt2img_gallery img").count() == 0
    page.click("#txt2img_generate")
    page.wait_for_selector("#txt2img_results[data-state=done]")
    page.context.close()


def test_a_guest_whom_the_server_no_longer_knows_drops_what_was_shown_but_once(shared: Site, browser: Browser) -> None:
    page, _ = fresh(browser, shared.url)
    page.wait_for_selector("#dk_worker[data-mood=ok]")
    page.fill("#txt2img_prompt textarea", "a blue square")
    page.click("#txt2img_generate")
    page.wait_for_selector("#txt2img_results[data-state=done]")
    page.context.clear_cookies()
    page.evaluate("darkroom.shell.refresh()")
    page.wait_for_selector("#dk_notices :text('does not know this browser any more')")
    page.wait_for_selector("#txt2img_results[data-state=empty]")
    assert page.input_value("#txt2img_prompt textarea") == "a blue square"
    # A browser that keeps no cookies would be another guest again and again: it is not to reload for ever.
    page.evaluate("window.same = true")
    page.context.clear_cookies()
    page.evaluate("darkroom.shell.refresh()")
    page.wait_for_timeout(1000)
    assert page.evaluate("window.same") is True
    page.context.close()


def test_a_strangers_page_shows_nothing_of_others(shared: Site, browser: Browser) -> None:
    owner = shared.owner()
    done = finished(owner, owner.post("/api/v1/jobs", json={**TINY, "prompt": "the owner's glass heron"}).json()["id"])
    page, complaints = fresh(browser, shared.url)
    page.wait_for_selector("#dk_worker[data-mood=ok]")
    assert not page.locator("#tab_settings, [role=tab]:has-text('Settings')").first.is_visible()
    assert "heron" not in page.content() and done["pictures"][0]["id"] not in page.content()
    page.fill("#txt2img_prompt textarea", "a blue square")
    page.click("#txt2img_generate")
    page.wait_for_selector("#txt2img_results[data-state=done]")
    assert complaints == []
    (mine,) = [job for job in owner.get("/api/v1/jobs?everyone=1").json()["jobs"] if not job["mine"]]
    assert mine["request"]["prompt"] == "a blue square"
    page.context.close()


def test_signing_in(tmp_path: Path, browser: Browser) -> None:
    make_sham(tmp_path / "models" / "Stable-diffusion" / SHAM_NAME)
    with serving(tmp_path, Sharing(accounts={"ann": "secret"})) as site:
        page, _ = fresh(browser, site.url)
        assert page.url == f"{site.url}/signin"
        page.fill("[name=name]", "ann")
        page.fill("[name=password]", "wrong")
        page.click("button")
        assert "not right" in page.inner_text("[role=alert]")
        page.fill("[name=name]", "ann")
        page.fill("[name=password]", "secret")
        page.click("button")
        page.wait_for_selector("#dk_worker[data-mood=ok]")
        assert level(page) == "user"
        # Who is no longer signed in is asked for the name, and not left before a page that does nothing.
        page.context.clear_cookies()
        page.evaluate("darkroom.shell.refresh()")
        page.wait_for_url("**/signin*")
        page.context.close()


def test_another_sites_page_can_neither_ask_nor_show_this_one(tmp_path: Path, browser: Browser, shared: Site) -> None:
    """The other site is a server on another port of this machine, which browsers count as the same site."""
    with serving(tmp_path / "other", Sharing(), page=False) as other:
        page = browser.new_context().new_page()
        page.goto(f"{other.url}/favicon.ico")
        ask = "url => fetch(url, {method: 'POST', mode: 'no-cors', body: '{}'}).then(() => 'sent', () => 'failed')"
        page.evaluate(ask, f"{shared.url}/api/v1/jobs")
        read = "url => fetch(url).then(answer => answer.text(), error => 'refused')"
        assert page.evaluate(read, f"{shared.url}/api/v1/status") == "refused"
        page.context.close()
    assert shared.owner().get("/api/v1/jobs?everyone=1").json()["jobs"] == []


def test_an_extensions_tab_with_handlers_in_python_works_behind_the_gate(tmp_path: Path, browser: Browser) -> None:
    def who(name: str, request: gr.Request) -> str:
        return f"{name} is {identity_of(request).level}"

    with gr.Blocks(analytics_enabled=False) as blocks, gr.Tab("Mine", elem_id="tab_mine"):
        name, said = gr.Textbox("Ann", elem_id="name"), gr.Textbox(elem_id="said")
        gr.Button("Ask", elem_id="ask").click(who, name, said)
        gr.Button("Now", elem_id="now").click(who, name, said, queue=False)
        gr.Button("Here", elem_id="here").click(None, name, said, js="(name) => name + ' is here'")
    tabs = [Tab("Mine", "x:y", "tab_mine", 10)]
    with serving(tmp_path, Sharing(share=True), blocks=blocks, tabs=tabs) as site:
        page, complaints = fresh(browser, site.url)
        for button, words in (("#ask", "Ann is visitor"), ("#here", "Ann is here"), ("#now", "Ann is visitor")):
            page.click(button)
            page.wait_for_function("words => document.querySelector('#said textarea').value === words", arg=words)
        assert [text for text in complaints if "darkroom" not in text.casefold()] == []
        page.context.close()
