"""Acceptance of how noise is drawn: drawn variation seeds, the settings' defaults, what other programs leave unsaid."""

from __future__ import annotations

from typing import Any

import pytest

from webui import accept
from webui.core import infotext
from webui.core.errors import InvalidField
from webui.core.registry import Registry
from webui.engine.checkpoints.catalogue import Catalogue

FROM_A1111 = "x\nSteps: 4, Sampler: Euler a, CFG scale: 7, Seed: 1, Size: 64x64"


def test_a_variation_seed_is_drawn_where_it_is_used(accepted: Any) -> None:
    made = [accepted(subseed_strength=0.1) for _ in range(3)]
    assert all(one.subseed >= 0 for one in made) and len({one.subseed for one in made}) > 1
    assert accepted(**made[0].to_json()) == made[0], "sent back as it is, it is the same"
    assert accepted().subseed == -1 and accepted(subseed=7, subseed_strength=1).subseed == 7


def test_the_settings_are_the_defaults_and_a_request_has_its_own(accepted: Any) -> None:
    settings = {"randn_source": "NV", "eta_noise_seed_delta": 31337}
    made = accepted(settings, sampler_name="Euler a")
    assert (made.randn_source, made.eta_noise_seed_delta) == ("NV", 31337)
    made = accepted(settings, sampler_name="Euler a", randn_source="gpu", eta_noise_seed_delta=0)
    assert (made.randn_source, made.eta_noise_seed_delta) == ("GPU", 0)


def test_the_steps_seed_is_moved_for_those_samplers_alone_that_say_so(accepted: Any) -> None:
    assert accepted(sampler_name="Euler", eta_noise_seed_delta=31337).eta_noise_seed_delta == 0
    assert "ENSD" not in infotext.write(accepted({"eta_noise_seed_delta": 5}, sampler_name="DPM++ 2M"))
    assert "ENSD: 5" in infotext.write(accepted({"eta_noise_seed_delta": 5}, sampler_name="Euler a"))


def test_what_draws_its_noise_itself_takes_a_place_of_torch_and_no_more(accepted: Any) -> None:
    made = accepted({"randn_source": "NV", "eta_noise_seed_delta": 31337}, checkpoint="sana")
    assert (made.randn_source, made.eta_noise_seed_delta) == ("CPU", 0)
    assert accepted({"randn_source": "GPU"}, checkpoint="sana").randn_source == "GPU"
    with pytest.raises(InvalidField, match="source cannot be NV: sana draws its noise itself") as refused:
        accepted(checkpoint="sana", randn_source="NV")
    assert refused.value.field == "randn_source" and refused.value.remedies == ("Use 'CPU'",)
    with pytest.raises(InvalidField, match="sana has no Variation strength, so it cannot be set") as refused:
        accepted(checkpoint="sana", subseed_strength=0.5)
    assert refused.value.field == "subseed_strength"


def test_a_text_means_what_it_leaves_unsaid(catalogue: Catalogue, registry: Registry, accepted: Any) -> None:
    def read(text: str) -> dict[str, Any]:
        return accept.canonical(infotext.parse(text), registry, catalogue).values

    plain = {"subseed_strength": 0.0, "seed_resize_from_w": 0, "seed_resize_from_h": 0, "eta_noise_seed_delta": 0}
    assert read(FROM_A1111).items() >= (plain | {"randn_source": "NV"}).items(), "its GPU is a CUDA card"
    assert read(f"{FROM_A1111}, RNG: CPU, Version: v1.10.1")["randn_source"] == "CPU"
    assert "randn_source" not in read("only a prompt")
    assert read(f"{FROM_A1111}, Version: Darkroom 0.1.0")["randn_source"] == "CPU", "before it was always said"
    for source in ("CPU", "GPU", "NV"):
        made = accepted(
            sampler_name="Euler a", randn_source=source, subseed=3, subseed_strength=0.5, seed=1,
            seed_resize_from_w=64, seed_resize_from_h=72, eta_noise_seed_delta=9,
        )  # fmt: skip
        assert accepted(**read(infotext.write(made, version="Darkroom 1"))) == made
