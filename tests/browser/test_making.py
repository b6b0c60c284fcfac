"""From a typed prompt to a picture: states, the verbs, a reload in the middle, errors."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, Serve, ready
from tests.browser.helpers import GENERATE, NEGATIVE, PROMPT, SLOW, generate, set_number, state, tab
from webui.core.errors import OutOfMemory
from webui.jobs.executors.fake import FakeExecutor, Fault

pytestmark = pytest.mark.browser


def test_a_prompt_becomes_a_picture_with_its_infotext(serve: Serve, open_page: Open) -> None:
    server = serve(FakeExecutor(SLOW, capacity=1))
    page = open_page(server)
    state(page, "empty")
    page.fill(NEGATIVE, "text, watermark")
    generate(page, "a red circle", "running")
    expect(page.locator(".dk-step")).to_have_text(re.compile(r"Step \d+ of 20"))
    expect(page).to_have_title(re.compile(r"\d+ % · Darkroom"))
    expect(page.locator("#txt2img_livepreview")).to_be_visible()
    server.hurry()
    state(page, "done")
    expect(page).to_have_title("Darkroom")
    info = page.locator("#html_info_txt2img")
    expect(info).to_contain_text("a red circle")
    expect(info).to_contain_text("Without: text, watermark")
    for row in ("Seed", "Size", "128 × 128", "Steps", "CFG scale", "Sampler", "Model", "darkroom-starter"):
        expect(info).to_contain_text(row)
    image = page.locator("#txt2img_gallery img")
    page.wait_for_function("document.querySelector('#txt2img_gallery img').naturalWidth === 128")
    assert "a red circle" in (image.get_attribute("alt") or "")
    expect(page.locator("#txt2img_livepreview")).to_be_hidden()
    expect(page.locator("#txt2img_news")).to_have_text("1 picture is ready")
    page.wait_for_selector("#txt2img_download[download$='.png']")
    with page.expect_download() as download:
        page.click("#txt2img_download")
    assert re.fullmatch(r"00001-\d+\.png", download.value.suggested_filename)


def test_nothing_moves_between_the_states(serve: Serve, open_page: Open) -> None:
    fault = Fault(at=12, prompt="too large", error=OutOfMemory("It needs 11 GB and the card has 8 GB."))
    server = serve(FakeExecutor(SLOW, capacity=1, fault=fault))
    page = open_page(server)
    parts = [PROMPT, "#txt2img_generate_box", "#txt2img_tools", "#txt2img_settings", "#txt2img_seed", ".dk-stage"]

    def places() -> list[object]:
        return [page.locator(part).bounding_box() for part in parts]

    before = places()
    generate(page, "a red circle", "running")
    assert places() == before
    server.hurry()
    state(page, "done")
    assert places() == before
    generate(page, "too large", "error")
    assert places() == before


def test_a_reload_in_the_middle_loses_nothing(serve: Serve, open_page: Open) -> None:
    server = serve(FakeExecutor(SLOW, capacity=1))
    page = open_page(server)
    generate(page, "a green star", "running")
    page.reload()
    ready(page)
    state(page, "running")
    expect(page.locator("#txt2img_livepreview")).to_be_visible()
    expect(page.locator(PROMPT)).to_have_value("a green star")
    server.hurry()
    state(page, "done")
    page.reload()
    ready(page)
    state(page, "done")
    expect(page.locator("#html_info_txt2img")).to_contain_text("a green star")


def test_generate_queues_another_while_one_runs(serve: Serve, open_page: Open) -> None:
    server = serve(FakeExecutor(SLOW, capacity=1))
    page = open_page(server)
    generate(page, "one", "running")
    expect(page.locator(GENERATE)).to_have_text("Queue another")
    page.fill(PROMPT, "two")
    page.click(GENERATE)
    page.wait_for_function("[...darkroom.jobs.all.values()].length === 2")
    expect(page.locator("#dk_notices")).to_contain_text("Queued, next in line")
    server.hurry()
    page.wait_for_function("[...darkroom.jobs.all.values()].every((job) => job.state === 'done')")
    expect(page.locator(GENERATE)).to_have_text("Generate")
    expect(page.locator("#html_info_txt2img")).to_contain_text("two")


def test_a_waiting_job_shows_its_place_and_can_leave(serve: Serve, open_page: Open) -> None:
    server = serve()
    page = open_page(server)
    page.request.post(f"{server.url}/api/v1/queue/pause", headers={"Origin": server.url})
    generate(page, "later", "waiting")
    expect(page.locator(".dk-left")).to_have_text("Next in line")
    expect(page.locator("#txt2img_interrupt")).to_have_text("Leave the queue")
    expect(page.locator("#txt2img_skip")).to_be_hidden()
    page.click("#txt2img_interrupt")
    state(page, "empty")
    expect(page.locator(GENERATE)).to_have_text("Generate")


def test_a_paused_queue_is_said_beside_the_picture_and_its_owner_can_resume_it(serve: Serve, open_page: Open) -> None:
    server = serve()
    page = open_page(server)
    generate(page, "at once")
    page.request.post(f"{server.url}/api/v1/queue/pause", headers={"Origin": server.url})
    generate(page, "later", "waiting")
    expect(page.locator(".dk-step")).to_have_text("The queue is paused")
    expect(page.locator(".dk-left")).to_have_text("Next in line")
    expect(page.locator("#dk_worker")).to_contain_text("Queue paused")
    page.locator(".dk-running").get_by_role("button", name="Resume").click()
    state(page, "done")
    expect(page.locator("#html_info_txt2img")).to_contain_text("later")


def test_a_paused_queue_is_said_beside_a_running_job_too(serve: Serve, open_page: Open) -> None:
    server = serve(FakeExecutor(SLOW, capacity=1))
    page = open_page(server)
    generate(page, "runs on", "running")
    resume = page.locator(".dk-running").get_by_role("button", name="Resume")
    expect(resume).to_be_hidden()
    expect(page.locator(".dk-paused")).to_be_hidden()
    page.request.post(f"{server.url}/api/v1/queue/pause", headers={"Origin": server.url})
    expect(page.locator(".dk-paused")).to_have_text("The queue is paused")
    expect(page.locator(".dk-step")).to_contain_text("Step")
    resume.click()
    expect(resume).to_be_hidden()
    expect(page.locator(".dk-paused")).to_be_hidden()
    assert server.house and not server.house.queue.paused
    server.hurry()
    state(page, "done")


BAR = """(shares) => {
    const bar = document.querySelector("#txt2img_results > [role=progressbar]");
    return shares.map(([share, wait, moving]) => {
        bar.told -= wait;
        bar.toggleAttribute("data-moving", moving);
        darkroom.bar(bar, share);
        return getComputedStyle(bar.firstElementChild).transitionDuration;
    });
}"""


def test_the_bar_glides_between_slow_steps_and_never_backwards(page: Page) -> None:
    # Share of 0 to 1, milliseconds since the last, whether nothing was known before.
    told = [(0.1, 9000, False), (0.2, 9000, False), (0.3, 10, False), (0.4, 9000, False), (0.1, 9000, False)]
    assert page.evaluate(BAR, told)[1:] == ["0.25s", "0s", "0.25s", "0s"]
    assert page.evaluate(BAR, [(0.2, 9000, True)]) == ["0s"]


def test_jobs_that_run_together_say_so(serve: Serve, open_page: Open) -> None:
    server = serve(FakeExecutor(SLOW, capacity=3))
    page = open_page(server)
    generate(page, "one", "running")
    expect(page.locator(".dk-which")).not_to_contain_text("together")
    page.click(GENERATE)
    expect(page.locator(".dk-which")).to_contain_text("together with 1 other job")
    expect(page.locator(".dk-which")).to_have_attribute("title", re.compile("share the device"))
    page.request.post(f"{server.url}/api/v1/jobs", data={"prompt": "three"}, headers={"Origin": server.url})
    expect(page.locator(".dk-which")).to_contain_text("together with 2 other jobs")
    server.hurry()
    state(page, "done")


STEPS = """(estimates) => {
    const job = { id: "made-up", state: "running", created: 1, request: {}, pictures: [] };
    darkroom.jobs.adopt(job);
    return estimates.map((seconds, index) => {
        const step = { step: index + 1, steps: 20, batch: 1, batches: 1 };
        darkroom.jobs.take("step", { job: "made-up", ...step, seconds_left: seconds });
        return darkroom.jobs.left(darkroom.jobs.all.get("made-up"));
    });
}"""


def test_the_time_left_is_said_once_it_can_be_believed_and_does_not_jump(page: Page) -> None:
    # A first step that is slow, as all first steps are; later one estimate that is far out.
    said = page.evaluate(STEPS, [None, 190, 80, 40, 38, 36, 90, 34])
    assert said[:4] == [None] * 4
    assert said[4] == pytest.approx(39.4, abs=0.5)
    assert all(abs(one - other) < 18 for one, other in pairwise(said[4:]))
    assert said[-1] < 50


def test_what_is_waited_for_is_said_in_its_own_words(page: Page) -> None:
    page.evaluate(
        """() => {
            darkroom.jobs.adopt({ id: "made-up", state: "queued", created: 1, request: { prompt: "" }, pictures: [] });
            darkroom.jobs.take("loading", { job: "made-up", what: "Waiting for memory. Big is loaded after Small." });
        }"""
    )
    state(page, "loading")
    expect(page.locator(".dk-step")).to_have_text("Waiting for memory")
    expect(page.locator(".dk-left")).to_have_text("Big is loaded after Small.")
    expect(page.locator("#dk_worker span")).to_have_text("Waiting for memory")


def test_a_deleted_picture_leaves_the_results_and_undo_brings_it_back(page: Page) -> None:
    generate(page, "a red circle")
    set_number(page, "batch_size", 2)
    generate(page, "two blue circles")
    expect(page.locator("#txt2img_gallery img")).to_have_count(2)
    seeds = page.evaluate("darkroom.jobs.current().pictures.map((picture) => picture.seed)")
    tab(page, "gallery")
    for left in (1, 0):
        page.click("#gallery_detail >> text='Delete'")
        expect(page.locator("#dk_notices").get_by_role("button", name="Undo")).to_have_count(2 - left)
        assert page.evaluate("darkroom.jobs.current().pictures.length") == 1
    tab(page, "txt2img")
    expect(page.locator("#html_info_txt2img")).to_contain_text("a red circle")
    expect(page.locator("#txt2img_gallery img")).to_have_count(1)
    for left in (1, 0):
        page.locator("#dk_notices").get_by_role("button", name="Undo").first.click()
        expect(page.locator("#txt2img_gallery img")).to_have_count(2 - left)
        expect(page.locator("#html_info_txt2img")).to_contain_text("two blue circles")
    assert page.evaluate("darkroom.jobs.current().pictures.map((picture) => picture.seed)") == seeds


def test_interrupt_finishes_the_picture_and_pressed_again_stops_at_the_step(serve: Serve, open_page: Open) -> None:
    server = serve(FakeExecutor(SLOW, capacity=1))
    page = open_page(server)
    set_number(page, "batch_count", 3)
    generate(page, "a long one", "running")
    page.click("#txt2img_interrupt")
    expect(page.locator("#txt2img_interrupt")).to_have_text("Stop now")
    expect(page.locator(".dk-left")).to_have_text("Stops after this picture")
    page.click("#txt2img_interrupt")
    state(page, "interrupted")
    expect(page.locator(".dk-caption")).to_have_text(re.compile(r"Stopped at step \d+"))
    assert page.locator("#txt2img_gallery img").count() == 1


def test_a_preview_that_is_gone_already_leaves_the_last_one_standing(serve: Serve, open_page: Open) -> None:
    server = serve(FakeExecutor(SLOW, capacity=1))
    page = open_page(server)
    generate(page, "a red circle", "running")
    preview = page.locator("#txt2img_livepreview")
    expect(preview).to_be_visible()
    page.route("**/preview?*", lambda route: route.fulfill(status=404))
    with page.expect_response(lambda answer: "/preview?" in answer.url and answer.status == 404):
        pass
    page.wait_for_timeout(300)
    expect(preview).to_be_visible()
    assert page.evaluate("document.getElementById('txt2img_livepreview').naturalWidth") > 0
    page.unroute("**/preview?*")
    server.hurry()
    state(page, "done")
    expect(preview).to_be_hidden()


def test_skip_goes_on_with_the_next_batch(serve: Serve, open_page: Open) -> None:
    server = serve(FakeExecutor(SLOW, capacity=1))
    page = open_page(server)
    set_number(page, "batch_count", 2)
    generate(page, "two pictures", "running")
    expect(page.locator(".dk-which")).to_contain_text("Picture 1 of 2")
    page.click("#txt2img_skip")
    expect(page.locator(".dk-which")).to_contain_text("Picture 2 of 2")
    expect(page.locator(".dk-sofar img")).to_have_count(1)
    server.hurry()
    state(page, "done")
    expect(page.locator("#txt2img_gallery img")).to_have_count(2)


def test_generate_forever_goes_on_until_it_is_switched_off(page: Page) -> None:
    page.fill(PROMPT, "again and again")
    page.click("#txt2img_generate_forever")
    expect(page.locator("#txt2img_generate_forever")).to_have_attribute("aria-pressed", "true")
    page.wait_for_function("[...darkroom.jobs.all.values()].filter((job) => job.state === 'done').length >= 2")
    page.click("#txt2img_generate_forever")
    page.wait_for_function("!darkroom.jobs.active()")
    made = page.evaluate("darkroom.jobs.all.size")
    page.wait_for_timeout(600)
    assert page.evaluate("darkroom.jobs.all.size") == made


def test_a_failed_job_says_why_and_can_be_tried_again(serve: Serve, open_page: Open) -> None:
    error = OutOfMemory(
        "This picture needs 11 GB and the card has 8 GB.",
        remedies=["Make it smaller", "Wait", "Lower it", "Take another"],
    )
    server = serve(FakeExecutor(SLOW, capacity=1, fault=Fault(at=15, error=error, times=1)))
    page = open_page(server)
    generate(page, "too large", "running")
    expect(page.locator("#txt2img_livepreview")).to_be_visible()
    server.hurry()
    state(page, "error")
    expect(page.locator("#txt2img_livepreview")).to_be_visible()
    assert page.evaluate("getComputedStyle(document.getElementById('txt2img_livepreview')).opacity") == "0.28"
    place = page.locator(".dk-error")
    expect(place.get_by_role("heading")).to_have_text("Out of memory")
    expect(place).to_contain_text("This picture needs 11 GB and the card has 8 GB.")
    for remedy in error.remedies:
        expect(place).to_contain_text(remedy)
    expect(page.locator(PROMPT)).to_have_value("too large")
    place.get_by_role("button", name="Try again").click()
    state(page, "done")


@pytest.mark.parametrize("prompt", ["<img src=x onerror='window.hit=1'>", "</textarea><script>window.hit=1</script>"])
def test_a_prompt_is_never_markup(page: Page, prompt: str) -> None:
    generate(page, prompt)
    expect(page.locator("#html_info_txt2img")).to_contain_text(prompt)
    for name in ("gallery", "queue"):
        page.click(f"#tab_{name}-button")
        expect(page.locator(f"#tab_{name}")).to_contain_text(prompt)
    assert page.evaluate("window.hit") is None
