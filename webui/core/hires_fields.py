"""Hires. fix: the fields of a second pass over a larger picture, and the group of a request that has them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from fractions import Fraction
from types import MappingProxyType
from typing import Final, Self

from webui.core.field import Field

HIRES: Final = "hires"
"""The name of the group in a request: an object of its fields, or null."""

CELL: Final = 8
"""Pixels along a side of a latent cell."""

OWN_TEXTS: Final = MappingProxyType({"prompt": "hr_prompt", "negative_prompt": "hr_negative_prompt"})
"""The fields of its own prompts, by those of the first pass."""

MOST_STRENGTH: Final = 0.999
"""A denoising strength of more counts as this, so that a step before the first is never asked for."""

MOST_LAID: Final = 1000
"""So many levels have models' own tables; a schedule for more steps would repeat some."""

ENABLE: Final = "enable_hr"
"""The field that says whether the group is there, where values are no groups yet: on the page, on the command line."""

HASH: Final = "hr_checkpoint_hash"
"""What acceptance adds."""

SAME_SAMPLER: Final = "Use same sampler"
SAME_SCHEDULER: Final = "Use same scheduler"
SAME_CHECKPOINT: Final = "Use same checkpoint"

HIRES_SWITCH: Final = Field(
    ENABLE,
    "bool",
    "Hires. fix",
    "Whether the picture is enlarged and drawn over in a second pass.",
    False,
    elem_id="hr-checkbox",
    group=HIRES,
    flags=("--hires",),
    abilities=(HIRES,),
)

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


@dataclass(frozen=True, slots=True)
class HiresTarget:
    """How large the second pass is, in pixels. The picture is enlarged to cover `width` x `height`, and what is more
    than that is cut off, as much on one side as on the other.
    """

    width: int
    height: int
    covering_width: int
    covering_height: int


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

    def target(self, width: int, height: int, multiple: int = CELL) -> HiresTarget:
        """The second pass of a first one of this size. All sides are rounded down to a multiple, as A1111 does.

        multiple: of the second pass's model (Family.multiple_of), a multiple of 8.
        """
        x, y = self.hr_resize_x, self.hr_resize_y
        if not x and not y:
            # Written as people write it, so that 1.1 times 640 is 704 and not a hair less.
            scale = Fraction(str(self.hr_scale))
            wide, high = int(width * scale), int(height * scale)
        elif not y or (x and x * height >= y * width):
            wide, high = x, x * height // width
        else:
            wide, high = y * width // height, y
        covering = wide - wide % multiple, high - high % multiple
        if not (x and y):
            return HiresTarget(*covering, *covering)
        return HiresTarget(x - x % multiple, y - y % multiple, *covering)

    @property
    def has_own_texts(self) -> bool:
        """Whether it is told something else than the first pass."""
        return bool(self.hr_prompt or self.hr_negative_prompt)

    def told(self, prompt: str, negative_prompt: str) -> Self:
        """The same with these texts in place of those that it has of its own."""
        return replace(
            self,
            hr_prompt=prompt if self.hr_prompt else "",
            hr_negative_prompt=negative_prompt if self.hr_negative_prompt else "",
        )

    def steps(self, first: int) -> int:
        """The steps of the second pass, of a first pass of so many."""
        return self.hr_second_pass_steps or first

    def laid(self, first: int) -> int:
        """The steps that its schedule is laid for; the last ones are run, as many as `steps` says.

        So it begins at the noise level of the strength, as A1111 has it here (for img2img it runs fewer steps).
        """
        strength = min(self.denoising_strength, MOST_STRENGTH)
        return min(int(self.steps(first) / strength), MOST_LAID) if strength else self.steps(first)

    def calls(self, first: int) -> int:
        """How many steps are run, of a first pass of so many: the last one alone where the strength is 0."""
        return self.steps(first) if self.denoising_strength else 1
