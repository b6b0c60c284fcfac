"""The fields of a request that say how its noise is drawn, besides the seed; rows of core/fields.py."""

from __future__ import annotations

from webui.core.field import Field
from webui.core.noise_sources import CHOICES, CPU

MAX_SEED = 2**32 - 1
NOISE = "noise"
"""The ability of all models whose noise the program draws itself, which are those that the loop computes."""

NOISE_ROWS: tuple[Field, ...] = (
    Field(
        "subseed",
        "int",
        "Variation seed",
        "Another seed, whose noise is mixed into the seed's by the strength below; -1 draws one.",
        -1,
        minimum=-1,
        maximum=MAX_SEED,
        infotext="Variation seed",
        elem_id="subseed",
        group="noise",
        flags=("--variation-seed",),
        abilities=(NOISE,),
    ),
    Field(
        "subseed_strength",
        "float",
        "Variation strength",
        "0 is the seed's picture, 1 the variation seed's. Above 0 the pictures of a job share the seed, "
        "and the variation seed counts up.",
        0.0,
        minimum=0.0,
        maximum=1.0,
        step=0.01,
        infotext="Variation seed strength",
        elem_id="subseed_strength",
        group="noise",
        flags=("--variation-strength",),
        abilities=(NOISE,),
    ),
    Field(
        "seed_resize_from_w",
        "int",
        "Resize seed from width",
        "Width of the picture whose noise is to stand in the centre of this one's; 0, as the height, is off.",
        0,
        minimum=0,
        maximum=4096,
        slider=(0, 2048),
        step=8,
        multiple=8,
        elem_id="seed_resize_from_w",
        group="noise",
        abilities=(NOISE,),
    ),
    Field(
        "seed_resize_from_h",
        "int",
        "Resize seed from height",
        "Height of the picture whose noise is to stand in the centre of this one's; 0, as the width, is off.",
        0,
        minimum=0,
        maximum=4096,
        slider=(0, 2048),
        step=8,
        multiple=8,
        elem_id="seed_resize_from_h",
        group="noise",
        abilities=(NOISE,),
    ),
    Field(
        "randn_source",
        "choice",
        "Random number source",
        "Where noise is drawn: CPU gives one picture on every device, NV what CUDA cards draw, also without one; "
        "GPU is the device's own.",
        CPU,
        maximum=10,
        choices=CHOICES,
        infotext="RNG",
        group="noise",
        flags=("--rng",),
    ),
    Field(
        "eta_noise_seed_delta",
        "int",
        "Eta noise seed delta",
        "Added to the seed for the noise of the steps of ancestral samplers; A1111 calls it ENSD, "
        "and many pictures were made with 31337.",
        0,
        minimum=0,
        maximum=MAX_SEED,
        infotext="ENSD",
        group="noise",
        flags=("--ensd",),
        abilities=(NOISE,),
    ),
)
