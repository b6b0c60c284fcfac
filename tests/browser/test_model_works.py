"""The tab of works on models: two checkpoints merged and the result picked, a stop, refusals, a look, guests."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.conftest import Open, Serve, ready
from tests.browser.helpers import tab
from tests.browser.server import PageServer
from tests.engine.helpers import write_checkpoint
from tests.jobs.works_stub import Stubborn
from tests.jobs.workshop import write_models
from webui.app import workshop
from webui.core.paths import Paths
from webui.core.settings import SettingsStore
from webui.jobs.executors.base import Verb
from webui.web.identity import Sharing

pytestmark = pytest.mark.browser

CARD = "#modelworks_list .dk-work"
MADE = "0.7(one) + 0.3(two).safetensors"


def works_server(serve: Serve, home: Path, *, ballast: int = 0, **options: object) -> PageServer:
    write_models(home, ballast=ballast)
    paths = Paths(data_dir=home)
    return serve(others=[workshop(paths, SettingsStore(paths.settings))], **options)


def choose(page: Page, field: str, name: str) -> None:
    page.click(f"{field} input")
    page.click(f"{field} [role=option]:has-text('{name}')")


def merge(page: Page) -> None:
    tab(page, "modelmerger")
    choose(page, "#modelmerger_primary_model_name", "one.safetensors")
    choose(page, "#modelmerger_secondary_model_name", "two.safetensors")
    page.click("#modelmerger_merge")


def test_two_checkpoints_are_merged_and_the_result_is_picked(tmp_path: Path, serve: Serve, open_page: Open) -> None:
    page = open_page(works_server(serve, tmp_path / "data", ballast=30))
    merge(page)
    expect(page.locator(f"{CARD} .dk-work-what")).to_have_text(MADE)
    expect(page.locator(f"{CARD} .dk-state")).to_contain_text("%")
    tab(page, "queue")
    row = page.locator("#queue_list .dk-row")
    expect(row).to_contain_text(MADE)
    expect(row).to_contain_text("Merge · you")
    expect(row.locator(".dk-state")).to_contain_text("Done in")
    expect(page.locator("#dk_notices")).to_contain_text(f"{MADE} is ready")
    tab(page, "modelmerger")
    expect(page.locator(CARD)).to_contain_text(str(tmp_path / "data" / "models" / "Stable-diffusion" / MADE))
    page.click(f"{CARD} button")
    page.wait_for_function("name => darkroom.models.chosen().startsWith(name)", arg=MADE)
    assert page.input_value("#setting_sd_model_checkpoint input").startswith(MADE)
    assert page.get_attribute("#txt2img_results", "data-state") == "empty", "a work is no picture"


def test_a_work_is_stopped_and_leaves_nothing(tmp_path: Path, serve: Serve, open_page: Open) -> None:
    page = open_page(works_server(serve, tmp_path / "data", ballast=150))
    merge(page)
    page.wait_for_function("darkroom.jobs.working()?.progress?.fraction > 0")
    page.click(f"{CARD} button")
    expect(page.locator(f"{CARD} .dk-state")).to_have_text("Stopped")
    left = list((tmp_path / "data" / "models" / "Stable-diffusion").iterdir())
    assert sorted(path.name for path in left) == ["one.safetensors", "two.safetensors"]


def test_a_work_that_does_not_stop_is_left_to_itself(tmp_path: Path, serve: Serve, open_page: Open) -> None:
    shop = Stubborn()
    page = open_page(serve(others=[shop]))
    tab(page, "modelmerger")
    page.click("#tab_modelworks_get-button")
    page.fill("#modelget_address textarea, #modelget_address input", "https://example.org/new.safetensors")
    page.click("#modelget_get")
    # What it said of its progress may have come before the page knew of the job.
    page.wait_for_function("darkroom.jobs.working()?.state === 'running'")
    with page.expect_response(lambda answer: answer.request.method == "DELETE"):
        page.click(f"{CARD} button:text-is('Stop')")
    expect(page.locator(f"{CARD} .dk-state")).to_have_text("Stopping")
    assert shop.told[-1] is Verb.STOP_NOW
    page.click(f"{CARD} button:text-is('Leave it')")
    expect(page.locator(f"{CARD} .dk-state")).to_have_text("Stopped")
    expect(page.locator(f"{CARD} button")).to_have_text("Run again")


def test_refusals_stand_at_their_fields(tmp_path: Path, serve: Serve, open_page: Open) -> None:
    page = open_page(works_server(serve, tmp_path / "data"))
    tab(page, "modelmerger")
    page.click("#modelmerger_merge")
    expect(page.locator("#modelmerger_primary_model_name .dk-field-error")).to_contain_text("needs A")
    choose(page, "#modelmerger_primary_model_name", "one.safetensors")
    page.click("#modelmerger_merge")
    expect(page.locator("#modelmerger_interp_method .dk-field-error")).to_contain_text("takes A and B")
    assert page.locator("#modelworks_forms .dk-field-error").count() == 1
    page.click("#modelmerger_interp_method label:has-text('No interpolation')")
    expect(page.locator("#modelmerger_interp_description")).to_contain_text("A alone")
    page.click("#tab_modelworks_get-button")
    page.fill("#modelget_address textarea, #modelget_address input", "word")
    page.click("#modelget_look")
    told = page.locator("#tab_modelworks_get .dk-field-error")
    expect(told).to_contain_text("neither an address")
    expect(page.locator(".dk-field-error + #modelget_buttons")).to_be_visible()
    page.fill("#modelget_address textarea, #modelget_address input", "")
    page.click("#modelget_look")
    expect(told).to_contain_text("Say what to get")
    expect(told).to_have_count(1)


@pytest.mark.parametrize("width", [1440, 390])
def test_a_refusal_covers_nothing_that_it_asks_for(tmp_path: Path, serve: Serve, open_page: Open, width: int) -> None:
    page = open_page(works_server(serve, tmp_path / "data"), width)

    def covers_nothing(note: str, *needed: str) -> None:
        expect(page.locator(note)).to_be_visible()
        box = page.locator(note).bounding_box()
        for place in needed:
            other = page.locator(place).bounding_box()
            assert box and other
            assert other["y"] >= box["y"] + box["height"] or other["y"] + other["height"] <= box["y"], place

    tab(page, "modelmerger")
    page.click("#modelmerger_merge")
    covers_nothing(
        "#modelmerger_primary_model_name .dk-field-error",
        "#modelmerger_primary_model_name input",
        "#modelmerger_interp_method label:has-text('Weighted')",
    )
    choose(page, "#modelmerger_primary_model_name", "one.safetensors")
    page.click("#modelmerger_merge")
    covers_nothing(
        "#modelmerger_interp_method .dk-field-error",
        *(f"#modelmerger_interp_method label:has-text('{name}')" for name in ("Weighted", "difference", "No inter")),
        "#modelmerger_interp_description",
    )
    page.click("#tab_modelworks_convert-button")
    choose(page, "#modelconvert_checkpoint", "one.safetensors")
    page.click("#modelconvert_convert")
    told = page.locator("#modelconvert_name .dk-field-error")
    expect(told).to_contain_text("one.safetensors is there already")
    expect(told).to_contain_text("tick “Replace what has this name”")
    covers_nothing("#modelconvert_name .dk-field-error", "#modelconvert_overwrite", "#modelconvert_name input")
    page.check("#modelconvert_overwrite input")
    page.click("#modelconvert_convert")
    expect(told).to_have_count(0)


def test_models_that_the_method_does_not_take_cannot_be_chosen_and_are_not_sent(
    tmp_path: Path, serve: Serve, open_page: Open
) -> None:
    page = open_page(works_server(serve, tmp_path / "data"))
    tab(page, "modelmerger")
    b, c = (f"#modelmerger_{name}_model_name" for name in ("secondary", "tertiary"))
    expect(page.locator(f"{b} input")).to_be_enabled()
    expect(page.locator(f"{c} input")).to_be_disabled()
    page.click("#modelmerger_interp_method label:has-text('Add difference')")
    expect(page.locator(f"{c} input")).to_be_enabled()
    choose(page, "#modelmerger_primary_model_name", "one.safetensors")
    choose(page, b, "two.safetensors")
    choose(page, c, "one.safetensors")
    page.click("#modelmerger_interp_method label:has-text('No interpolation')")
    for field in (b, c):
        expect(page.locator(f"{field} input")).to_be_disabled()
        assert page.input_value(f"{field} input"), "it comes back with its method"
    page.fill("#modelmerger_custom_name textarea, #modelmerger_custom_name input", "new")
    with page.expect_request("**/models/merge") as sent:
        page.click("#modelmerger_merge")
    body = sent.value.post_data_json
    assert (body["secondary_model_name"], body["tertiary_model_name"]) == ("", "")
    expect(page.locator(f"{CARD} .dk-state")).to_contain_text("Done in")


def test_a_name_that_is_taken_is_told_at_the_name_with_the_ways_out(
    tmp_path: Path, serve: Serve, open_page: Open
) -> None:
    page = open_page(works_server(serve, tmp_path / "data"))
    tab(page, "modelmerger")
    choose(page, "#modelmerger_primary_model_name", "one.safetensors")
    choose(page, "#modelmerger_secondary_model_name", "two.safetensors")
    page.fill("#modelmerger_custom_name textarea, #modelmerger_custom_name input", "two")
    page.click("#modelmerger_merge")
    told = page.locator("#modelmerger_custom_name .dk-field-error")
    expect(told).to_contain_text("two.safetensors is there already.")
    expect(told).to_contain_text("Choose another name, or tick “Replace what has this name”.")
    expect(page.locator("#dk_notices > *")).to_have_count(0)


def test_pictures_do_not_push_works_out_of_their_list(serve: Serve, open_page: Open) -> None:
    shop = Stubborn()
    server = serve(others=[shop])
    page = open_page(server)
    server.do(shop.done.set)
    page.evaluate("darkroom.api('POST', 'models/download', { address: 'https://example.org/new.safetensors' })")
    page.wait_for_function("[...darkroom.jobs.all.values()].some((job) => job.state === 'done')")
    page.evaluate("""async () => {
        for (let n = 0; n < 22; n += 1) await darkroom.api('POST', 'jobs', { prompt: 'red', steps: 1 });
        for (let n = 0; n < 80; n += 1) darkroom.jobs.adopt({ id: `p${n}`, state: 'done', request: { prompt: '' } });
    }""")
    tab(page, "modelmerger")
    expect(page.locator(CARD)).to_have_count(1)
    page.reload()
    ready(page)
    tab(page, "modelmerger")
    expect(page.locator(CARD)).to_have_count(1)


def test_what_one_file_cannot_hold_is_told_with_the_way_out(tmp_path: Path, serve: Serve, open_page: Open) -> None:
    server = works_server(serve, tmp_path / "data")
    folder = write_checkpoint(tmp_path / "data" / "models" / "Stable-diffusion" / "own")
    page = open_page(server)
    tab(page, "modelmerger")
    choose(page, "#modelmerger_primary_model_name", "own")
    choose(page, "#modelmerger_secondary_model_name", "own")
    page.click("#modelmerger_merge")
    told = page.locator("#modelmerger_checkpoint_format .dk-field-error")
    expect(told).to_contain_text("own cannot be one file: its text encoder has a vocabulary of its own")
    expect(told).to_contain_text("Write it as a folder (diffusers)")
    page.click("#modelmerger_checkpoint_format label:has-text('Folder (diffusers)')")
    page.click("#modelmerger_merge")
    expect(page.locator(f"{CARD} .dk-state")).to_contain_text("Done in")
    made = folder.with_name("0.7(own) + 0.3(own)")
    assert (made / "tokenizer" / "vocab.json").read_bytes() == (folder / "tokenizer" / "vocab.json").read_bytes()


def test_only_what_a_work_takes_can_be_picked(tmp_path: Path, serve: Serve, open_page: Open) -> None:
    server = works_server(serve, tmp_path / "data")
    folder = tmp_path / "data" / "models" / "Stable-diffusion"
    write_checkpoint(folder / "own")
    shutil.rmtree(write_checkpoint(folder / "headless") / "unet")
    page = open_page(server)
    tab(page, "modelmerger")
    page.click("#tab_modelworks_convert-button")
    page.click("#modelconvert_checkpoint input")
    options = page.locator("#modelconvert_checkpoint [role=option]")
    for name, count in (("one.safetensors", 1), ("own", 1), ("headless", 0)):
        expect(options.filter(has_text=name)).to_have_count(count)
    page.keyboard.press("Escape")
    page.click("#tab_modelworks_prune-button")
    page.click("#modelprune_checkpoint input")
    options = page.locator("#modelprune_checkpoint [role=option]")
    expect(options).to_have_count(3)  # the first stands for nothing
    expect(options.filter(has_text=".safetensors")).to_have_count(2)
    page.keyboard.press("Escape")
    expect(page.locator("#modelprune_none")).to_be_hidden()
    for name in ("one", "two"):
        (folder / f"{name}.safetensors").unlink()
    page.click("#modelworks_refresh")
    expect(page.locator("#modelprune_none")).to_contain_text("only .safetensors and .ckpt files")
    expect(page.locator("#modelprune_none")).to_be_visible()


def test_guests_do_not_see_the_tab(tmp_path: Path, serve: Serve, open_page: Open) -> None:
    page = open_page(works_server(serve, tmp_path / "data", sharing=Sharing(share=True)))
    expect(page.locator("#tab_queue-button")).to_be_visible()
    expect(page.locator("#tab_modelmerger-button")).to_be_hidden()


@pytest.mark.parametrize("width", [1440, 1120, 390])
def test_names_and_refusals_of_a_merge_have_the_width_of_the_form(
    tmp_path: Path, serve: Serve, open_page: Open, width: int
) -> None:
    page = open_page(works_server(serve, tmp_path / "data"), width)
    tab(page, "modelmerger")
    page.click("#modelmerger_merge")
    refusal = page.locator("#modelmerger_primary_model_name .dk-field-error")
    expect(refusal).to_be_visible()
    form = page.locator("#modelworks_forms").bounding_box()
    assert form
    for name in ("primary", "secondary", "tertiary"):
        field = page.locator(f"#modelmerger_{name}_model_name .wrap-inner").bounding_box()
        assert field and field["width"] > 0.95 * form["width"]
    said, line = refusal.locator("span").first.evaluate(
        "node => [node.getBoundingClientRect().height, parseFloat(getComputedStyle(node).lineHeight)]"
    )
    assert said <= (2 if width > 400 else 4) * line + 1
