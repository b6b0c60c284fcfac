"""Hires. fix: the fields of a second pass over a larger picture, and the group of a request that has them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from webui.core.field import Field

HIRES: Final = "hires"
"""The name of the group in a request: an object of its fields, or null."""

ENABLE: Final = "enable_hr"
"""The field that says whether the group is there, where values are no groups yet: on the page, on the command line."""

SAME_SAMPLER: Final = "Use same sampler"
SAME_SCHEDULER: Final = "Use same scheduler"
SAME_CHECKPOINT: Final = "Use same checkpoint"

HIRES_ROWS: tuple[Field, ...] = (
    Field(
        "hr_upscaler",
        "choice",
        "Upscaler",
        "What makes the first picture larger before it is drawn over: Latent kinds stretch the latents and need a high "
        "denoising strength, all others enlarge the picture itself.",
        "Latent",
        maximum=200,
        catalogue="upscalers",
        infotext="Hires upscaler",
        elem_id="hr_upscaler",
        group=HIRES,
    ),
    Field(
        "hr_second_pass_steps",
        "int",
        "Hires steps",
        "Steps of the second pass; 0 is as many as the first has.",
        0,
        minimum=0,
        maximum=150,
        step=1,
        infotext="Hires steps",
        elem_id="hires_steps",
        group=HIRES,
        flags=("--hires-steps",),
    ),
    Field(
        "denoising_strength",
        "float",
        "Denoising strength",
        "How much the second pass may change: 0 nearly nothing, 1 all of it.",
        0.7,
        minimum=0.0,
        maximum=1.0,
        step=0.01,
        infotext="Denoising strength",
        elem_id="denoising_strength",
        group=HIRES,
    ),
    Field(
        "hr_scale",
        "float",
        "Upscale by",
        "How many times as wide and as high the picture becomes; a size below counts in its place.",
        2.0,
        minimum=1.0,
        maximum=4.0,
        step=0.05,
        infotext="Hires upscale",
        elem_id="hr_scale",
        group=HIRES,
    ),
    Field(
        "hr_resize_x",
        "int",
        "Resize width to",
        "Width of the larger picture; 0 takes it from the height, or from the factor where that is 0 too.",
        0,
        minimum=0,
        maximum=4096,
        slider=(0, 2048),
        step=8,
        multiple=8,
        elem_id="hr_resize_x",
        group=HIRES,
    ),
    Field(
        "hr_resize_y",
        "int",
        "Resize height to",
        "Height of the larger picture; 0 takes it from the width. With both, what is too much is cut off.",
        0,
        minimum=0,
        maximum=4096,
        slider=(0, 2048),
        step=8,
        multiple=8,
        elem_id="hr_resize_y",
        group=HIRES,
    ),
    Field(
        "hr_checkpoint_name",
        "choice",
        "Hires checkpoint",
        "The model of the second pass.",
        SAME_CHECKPOINT,
        maximum=500,
        catalogue="checkpoints",
        infotext="Hires checkpoint",
        elem_id="hr_checkpoint",
        group=HIRES,
        flags=("--hires-checkpoint",),
    ),
    Field(
        "hr_sampler_name",
        "choice",
        "Hires sampling method",
        "The sampler of the second pass.",
        SAME_SAMPLER,
        maximum=200,
        catalogue="samplers",
        infotext="Hires sampler",
        elem_id="hr_sampler",
        group=HIRES,
        flags=("--hires-sampler",),
    ),
    Field(
        "hr_scheduler",
        "choice",
        "Hires schedule type",
        "The schedule of the second pass.",
        SAME_SCHEDULER,
        maximum=200,
        catalogue="schedules",
        infotext="Hires schedule type",
        elem_id="hr_scheduler",
        group=HIRES,
    ),
    Field(
        "hr_prompt",
        "text",
        "Hires prompt",
        "The prompt of the second pass; empty is the first one's.",
        "",
        maximum=20_000,
        infotext="Hires prompt",
        elem_id="hires_prompt",
        group=HIRES,
    ),
    Field(
        "hr_negative_prompt",
        "text",
        "Hires negative prompt",
        "The negative prompt of the second pass; empty is the first one's.",
        "",
        maximum=20_000,
        infotext="Hires negative prompt",
        elem_id="hires_neg_prompt",
        group=HIRES,
    ),
    Field(
        "hr_cfg",
        "float",
        "Hires CFG Scale",
        "CFG scale of the second pass; 0 is the first one's.",
        0.0,
        minimum=0.0,
        maximum=30.0,
        step=0.1,
        infotext="Hires CFG Scale",
        elem_id="hr_cfg",
        group=HIRES,
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class HiresFix:
    """The second pass of a request; limits and defaults stand in the rows above.

    `hr_checkpoint_hash` (sha256, hex) is filled when the request is accepted, "" where the checkpoint is the first
    pass's own. Zeros, empty texts and the words "Use same ..." mean what the first pass has.
    """

    hr_upscaler: str = "Latent"
    hr_second_pass_steps: int = 0
    denoising_strength: float = 0.7
    hr_scale: float = 2.0
    hr_resize_x: int = 0
    hr_resize_y: int = 0
    hr_checkpoint_name: str = SAME_CHECKPOINT
    hr_sampler_name: str = SAME_SAMPLER
    hr_scheduler: str = SAME_SCHEDULER
    hr_prompt: str = ""
    hr_negative_prompt: str = ""
    hr_cfg: float = 0.0
    hr_checkpoint_hash: str = ""
