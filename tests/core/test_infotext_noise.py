"""What an infotext says of a picture's noise: A1111's keys in its order, and only where they are used."""

from __future__ import annotations

from webui.core import infotext
from webui.core.request import GenerationRequest


def test_noise_is_told_in_a1111s_order_and_where_it_is_used() -> None:
    request_ = GenerationRequest(seed=4, subseed=8, abilities="noise", clip_skip=2, randn_source="GPU")
    assert (
        not {"Variation seed", "ENSD", infotext.RESIZED} & dict(infotext.parse(infotext.write(request_)).pairs).keys()
    )
    used = request_.but(
        subseed_strength=0.25, seed_resize_from_w=512, seed_resize_from_h=768, randn_source="NV",
        eta_noise_seed_delta=31337, vae="a.pt",
    )  # fmt: skip
    text = infotext.write(used, 2)
    assert "Seed: 4, " in text, "variations share the seed"
    assert text.endswith(
        "VAE: a.pt, Variation seed: 10, Variation seed strength: 0.25, Seed resize from: 512x768, ENSD: 31337, RNG: NV"
    )
    assert (
        not {"subseed", "eta_noise_seed_delta"} & infotext.parse(infotext.write(used.but(abilities=""))).values.keys()
    )


def test_a1111s_old_word_for_no_other_size_is_read() -> None:
    parsed = infotext.parse("a\nSteps: 2, Seed: 1, Seed resize from: -1x-1, ENSD: -5")
    assert parsed.values["seed_resize_from_w"] == parsed.values["seed_resize_from_h"] == 0
    assert parsed.unknown == {"ENSD": "-5"}
