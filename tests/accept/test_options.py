"""Acceptance of samplers' and schedules' options: what counts is kept, what does not is not said, texts mean them."""

from __future__ import annotations

from typing import Any

import pytest

from webui.core import infotext
from webui.core.errors import InvalidField, InvalidRequest
from webui.core.fields import Field
from webui.core.request import GenerationRequest
from webui.core.sampler_fields import ENDS, OPTIONS, SAMPLER_ROWS, setting_of
from webui.core.settings import Settings
from webui.plugins import installed

PICTURE = "x\nSteps: 4, CFG scale: 7, Seed: 1, Size: 64x64"

# A value of each, a sampler and a schedule that it counts for, and what A1111 writes.
COUNTS: dict[str, tuple[Any, str, str, str]] = {
    "eta": (0.5, "Euler a", "Automatic", "Eta: 0.5"),
    "eta_ddim": (1.0, "DDIM", "Automatic", "Eta DDIM: 1"),
    "s_churn": (4.0, "Euler", "Karras", "Sigma churn: 4"),
    "s_tmin": (0.3, "Heun", "Automatic", "Sigma tmin: 0.3"),
    "s_tmax": (9.5, "DPM2", "Automatic", "Sigma tmax: 9.5"),
    "s_noise": (1.003, "DPM++ SDE", "Automatic", "Sigma noise: 1.003"),
    "sigma_min": (0.1, "Euler", "Karras", "Schedule min sigma: 0.1"),
    "sigma_max": (10.0, "DPM++ 2M", "Automatic", "Schedule max sigma: 10"),
    "rho": (5.0, "DPM++ 2M", "Automatic", "Schedule rho: 5"),
    "beta_dist_alpha": (0.5, "Euler", "Beta", "Beta schedule alpha: 0.5"),
    "beta_dist_beta": (0.7, "Euler", "Beta", "Beta schedule beta: 0.7"),
    "always_discard_next_to_last_sigma": (True, "Euler", "Automatic", "Discard penultimate sigma: True"),
    "sgm_noise_multiplier": (True, "LCM", "Automatic", "SGM noise multiplier: True"),
    "uni_pc_variant": ("bh2", "UniPC", "Automatic", "UniPC variant: bh2"),
    "uni_pc_skip_type": ("logSNR", "UniPC", "Uniform", "UniPC skip type: logSNR"),
    "uni_pc_order": (2, "UniPC", "Karras", "UniPC order: 2"),
    "uni_pc_lower_order_final": (False, "UniPC", "Automatic", "UniPC lower order final: False"),
}
each_option = pytest.mark.parametrize("row", SAMPLER_ROWS, ids=[row.name for row in SAMPLER_ROWS])


def options_of(request: GenerationRequest) -> dict[str, Any]:
    """Its options that are no defaults."""
    return {name: value for name, row in OPTIONS.items() if (value := getattr(request, name)) != row.default}


@each_option
def test_an_option_is_kept_said_and_read_again_where_it_counts(accepted: Any, read: Any, row: Field) -> None:
    value, sampler, scheduler, said = COUNTS[row.name]
    made = accepted(sampler_name=sampler, scheduler=scheduler, **{row.name: value})
    assert options_of(made) == {row.name: value}
    text = infotext.write(made, version="Darkroom 1")
    assert said in text.split(", ")[3:] or f", {said}, " in text
    assert accepted(**read(text)) == made
    assert accepted(**made.to_json()) == made, "sent back as it is, it is the same"
    theirs = f"{PICTURE}, Sampler: {sampler}, Schedule type: {scheduler}, {said}, Version: v1.10.1"
    assert read(theirs)[row.name] == value


@each_option
def test_an_option_is_nothing_to_what_does_not_read_it(accepted: Any, row: Field) -> None:
    value, *_ = COUNTS[row.name]
    made = accepted(sampler_name="DPM fast", scheduler="Uniform", **{row.name: value})
    counts = {"eta", "s_noise", "sgm_noise_multiplier"}
    assert options_of(made) == ({row.name: value} if row.name in counts else {})
    assert (row.infotext in dict(infotext.parse(infotext.write(made)).pairs)) == (row.name in counts)


@each_option
def test_a_setting_is_the_default_of_new_requests_and_a_request_has_its_own(
    accepted: Any, read: Any, row: Field
) -> None:
    value, sampler, scheduler, _ = COUNTS[row.name]
    settings = {setting_of(row.name): value}
    assert options_of(accepted(settings, sampler_name=sampler, scheduler=scheduler)) == {row.name: value}
    own = accepted(settings, sampler_name=sampler, scheduler=scheduler, **{row.name: row.default})
    assert options_of(own) == {}
    # A picture that does not say it was made without, whatever the settings are here.
    theirs = f"{PICTURE}, Sampler: {sampler}, Schedule type: {scheduler}, Version: v1.10.1"
    assert options_of(accepted(settings, **read(theirs))) == {}
    assert Settings.model_fields[setting_of(row.name)].default == row.default


def test_schedules_take_their_options_where_they_are_walked(accepted: Any) -> None:
    both = {"rho": 5.0, "sigma_min": 0.1}
    assert options_of(accepted(sampler_name="Euler", scheduler="Uniform", **both)) == {}
    assert options_of(accepted(sampler_name="Euler", scheduler="Exponential", **both)) == {"sigma_min": 0.1}
    assert options_of(accepted(sampler_name="DDIM", scheduler="Karras", **both)) == both
    assert options_of(accepted(sampler_name="UniPC", scheduler="Karras", uni_pc_skip_type="logSNR")) == {}
    drops = {"always_discard_next_to_last_sigma": True}
    assert options_of(accepted(sampler_name="DPM2", **drops)) == {}, "it does so anyway"
    assert options_of(accepted(sampler_name="DDIM", sgm_noise_multiplier=True)) == {}, "it starts so anyway"


def test_the_one_eta_of_a1111s_api_is_ddims_too_unless_that_is_given(accepted: Any, read: Any) -> None:
    assert accepted(sampler_name="DDIM", eta=0.5).eta_ddim == 0.5
    assert accepted(sampler_name="DDIM CFG++", eta=0.5, eta_ddim=0.25).eta_ddim == 0.25
    made = accepted({"eta_ancestral": 0.3, "eta_ddim": 0.4}, sampler_name="DDIM")
    assert (made.eta, made.eta_ddim) == (1.0, 0.4)
    # What a text of another sampler said of eta goes no further than its own kind.
    said = read(f"{PICTURE}, Sampler: Euler a, Eta: 0.5")
    assert options_of(accepted(**said | {"sampler_name": "DDIM"})) == {}


def test_without_fresh_noise_its_seed_counts_for_nothing(accepted: Any) -> None:
    assert accepted(sampler_name="Euler a", eta=0, eta_noise_seed_delta=5).eta_noise_seed_delta == 0


def test_the_only_eta_of_an_old_text_is_its_samplers(read: Any) -> None:
    assert read(f"{PICTURE}, Sampler: DDIM, Eta: 0.5")["eta_ddim"] == 0.5
    assert read(f"{PICTURE}, Sampler: DDIM, Eta: 0.5, Eta DDIM: 0.25")["eta_ddim"] == 0.25
    assert read(f"{PICTURE}, Sampler: Euler a, Eta: 0.5")["eta_ddim"] == 0.0


def test_forges_spelling_of_beta_is_read_and_words_that_are_no_truth_are_left(read: Any) -> None:
    said = read(f"{PICTURE}, Sampler: Euler, Schedule type: Beta, Beta scheduler alpha: 0.5, SGM noise multiplier: yes")
    assert said["beta_dist_alpha"] == 0.5 and said["sgm_noise_multiplier"] is False
    parsed = infotext.parse(f"{PICTURE}, SGM noise multiplier: yes, Eta: 7")
    assert parsed.unknown == {"SGM noise multiplier": "yes", "Eta": "7"}


def test_a_flow_model_takes_what_makes_sense_for_it(accepted: Any) -> None:
    flux = {"checkpoint": "flux-dev", "sampler_name": "Euler a"}
    all_of_it = {"eta": 0.5, "rho": 5.0, "sigma_max": 14.0, "sgm_noise_multiplier": True}
    assert options_of(accepted(**flux, **all_of_it)) == {"eta": 0.5}, "its own levels, whose ends nothing moves"
    assert options_of(accepted(**flux, scheduler="Karras", rho=5.0, sigma_min=0.1)) == {"rho": 5.0, "sigma_min": 0.1}
    for name in ENDS:
        with pytest.raises(InvalidField, match="is 14; the noise of this model ends at 1") as refused:
            accepted(**flux, scheduler="Karras", **{name: 14.0})
        assert refused.value.field == name


@each_option
def test_what_draws_its_noise_itself_has_none_of_them(accepted: Any, row: Field) -> None:
    value, *_ = COUNTS[row.name]
    assert options_of(accepted({setting_of(row.name): value}, checkpoint="sana")) == {}
    with pytest.raises(InvalidField, match=f"sana has no {row.label}, so it cannot be set") as refused:
        accepted(checkpoint="sana", **{row.name: value})
    assert refused.value.field == row.name
    shown = str(row.default).lower() if row.kind == "bool" else f"{row.default:g}" if row.kind != "choice" else None
    assert refused.value.remedies == (f"Use {shown or row.default}",)


def test_all_that_is_wrong_is_told_before_the_job_is_queued(accepted: Any) -> None:
    with pytest.raises(InvalidRequest) as refused:
        accepted(eta=5, steps=151, sigma_min=9, sigma_max=2, sampler_name="Eulr", s_churm=1, rho=0.01)
    fields = {error.field for error in refused.value.errors}
    assert fields == {"eta", "steps", "sigma_min", "sampler_name", "s_churm", "rho"}
    assert len(refused.value.errors) == len(fields)
    with pytest.raises(InvalidField, match="Sigma min is 3; it must be above 0 and below sigma max, which is 2"):
        accepted({"sigma_min": 3}, sigma_max=2)


def test_a_sampler_whose_package_is_missing_is_refused_with_what_to_install(
    accepted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    there: set[str] = set()
    monkeypatch.setattr(installed, "find_spec", lambda name: name if name in there else None)
    with pytest.raises(InvalidField, match=r"LMS \(diffusers\): the package scipy is not installed") as caught:
        accepted(sampler_name="LMSDiscreteScheduler")
    assert caught.value.field == "sampler_name" and "pip install scipy" in caught.value.remedies[0]
    assert accepted(sampler_name="LMS").sampler_name == "LMS", "others need nothing"
    there.add("scipy")
    assert accepted(sampler_name="LMSDiscreteScheduler Karras").sampler_name == "LMS (diffusers)"
