"""A generation request: a frozen value that holds everything a picture depends on."""

from __future__ import annotations

import json
from collections.abc import Hashable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any, Final, Self

from webui.core.drawn import DRAWN, HIRES_DRAWN, Drawn
from webui.core.errors import Faults, InvalidField, nearest
from webui.core.field import join_names, split_names
from webui.core.fields import FIELDS, MAX_PIXELS, MAX_SEED, gather_values
from webui.core.frozen import FrozenMap
from webui.core.groups import GROUPS, read_groups
from webui.core.hires_fields import CELL, HIRES, HiresFix
from webui.core.panels import EXTENSIONS, NOTHING, Extensions, read_extensions

__all__ = [
    "DEVICE",
    "RESOLVED",
    "SCHEMA",
    "GenerationRequest",
    "check_schema",
    "field_names",
    "join_names",
    "split_names",
]

SCHEMA = 1
"""Version of the JSON form. A newer one is refused by `from_json`; there is no older one yet."""

DEVICE: Final = "device"
"""Where pictures are made."""

# What acceptance adds: not fields a person sets, so they have no row.
RESOLVED = (
    "checkpoint_hash",
    "vae_hash",
    "text_encoders_hash",
    "refiner_hash",
    "refiner_text_encoders_hash",
    "abilities",
)

LORA_HASHES, EMBEDDING_HASHES = "lora_hashes", "embedding_hashes"
HASHES = (LORA_HASHES, EMBEDDING_HASHES)
_MOST_HASHES, _LONGEST_NAME = 1000, 500

_ABILITIES = "cfg"
"""Of every model that a request was made for before it named them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerationRequest:
    """One job's picture or pictures. Names are A1111's public names; limits and defaults stand in core/fields.py.

    Filled when the request is accepted, with the names of what was chosen in `checkpoint`, `vae` and `text_encoders`:
    `checkpoint_hash` (sha256, hex), `vae_hash` and `text_encoders_hash` (of files that are not the checkpoint's own,
    else empty), the same of the refiner, and `abilities`, those of the model with commas between them: a field that
    needs others means nothing. `drawn` has the texts that count where styles or dynamic prompts make others of the
    prompts, else it is None; `hires_drawn` is the same of the second pass's own. `lora_hashes` has of each LoRA that
    they name, by that name, A1111's hash of its tensors (sha256, hex); one that was not found is left out.
    `embedding_hashes` has the same of embeddings, whose hash is that of the whole file. `extensions` holds the values
    of all fields of those that are on (core/panels.py). `hires` is a group (core/groups.py), there where the picture
    has a second pass.
    """

    prompt: str = FIELDS["prompt"].default
    negative_prompt: str = FIELDS["negative_prompt"].default
    styles: tuple[str, ...] = FIELDS["styles"].default
    dynamic_prompts: bool = FIELDS["dynamic_prompts"].default
    combinatorial: bool = FIELDS["combinatorial"].default
    emphasis: str = FIELDS["emphasis"].default
    comma_padding_backtrack: int = FIELDS["comma_padding_backtrack"].default
    use_old_scheduling: bool = FIELDS["use_old_scheduling"].default
    enable_prompt_comments: bool = FIELDS["enable_prompt_comments"].default
    sampler_name: str = FIELDS["sampler_name"].default
    scheduler: str = FIELDS["scheduler"].default
    steps: int = FIELDS["steps"].default
    cfg_scale: float = FIELDS["cfg_scale"].default
    distilled_cfg_scale: float = FIELDS["distilled_cfg_scale"].default
    width: int = FIELDS["width"].default
    height: int = FIELDS["height"].default
    n_iter: int = FIELDS["n_iter"].default
    batch_size: int = FIELDS["batch_size"].default
    seed: int = FIELDS["seed"].default
    subseed: int = FIELDS["subseed"].default
    subseed_strength: float = FIELDS["subseed_strength"].default
    seed_resize_from_w: int = FIELDS["seed_resize_from_w"].default
    seed_resize_from_h: int = FIELDS["seed_resize_from_h"].default
    randn_source: str = FIELDS["randn_source"].default
    eta_noise_seed_delta: int = FIELDS["eta_noise_seed_delta"].default
    eta: float = FIELDS["eta"].default
    eta_ddim: float = FIELDS["eta_ddim"].default
    s_churn: float = FIELDS["s_churn"].default
    s_tmin: float = FIELDS["s_tmin"].default
    s_tmax: float = FIELDS["s_tmax"].default
    s_noise: float = FIELDS["s_noise"].default
    sigma_min: float = FIELDS["sigma_min"].default
    sigma_max: float = FIELDS["sigma_max"].default
    rho: float = FIELDS["rho"].default
    beta_dist_alpha: float = FIELDS["beta_dist_alpha"].default
    beta_dist_beta: float = FIELDS["beta_dist_beta"].default
    always_discard_next_to_last_sigma: bool = FIELDS["always_discard_next_to_last_sigma"].default
    s_min_uncond: float = FIELDS["s_min_uncond"].default
    s_min_uncond_all: bool = FIELDS["s_min_uncond_all"].default
    skip_early_cond: float = FIELDS["skip_early_cond"].default
    cfg_end: float = FIELDS["cfg_end"].default
    token_merging_ratio: float = FIELDS["token_merging_ratio"].default
    hypertile_enable_unet: bool = FIELDS["hypertile_enable_unet"].default
    hypertile_max_depth_unet: int = FIELDS["hypertile_max_depth_unet"].default
    hypertile_max_tile_unet: int = FIELDS["hypertile_max_tile_unet"].default
    hypertile_swap_size_unet: int = FIELDS["hypertile_swap_size_unet"].default
    sgm_noise_multiplier: bool = FIELDS["sgm_noise_multiplier"].default
    uni_pc_variant: str = FIELDS["uni_pc_variant"].default
    uni_pc_skip_type: str = FIELDS["uni_pc_skip_type"].default
    uni_pc_order: int = FIELDS["uni_pc_order"].default
    uni_pc_lower_order_final: bool = FIELDS["uni_pc_lower_order_final"].default
    checkpoint: str = FIELDS["checkpoint"].default
    vae: str = FIELDS["vae"].default
    text_encoders: str = FIELDS["text_encoders"].default
    clip_skip: int = FIELDS["clip_skip"].default
    refiner_checkpoint: str = FIELDS["refiner_checkpoint"].default
    refiner_switch_at: float = FIELDS["refiner_switch_at"].default
    attention: str = FIELDS["attention"].default
    denoiser_precision: str = FIELDS["denoiser_precision"].default
    text_encoder_precision: str = FIELDS["text_encoder_precision"].default
    vae_precision: str = FIELDS["vae_precision"].default
    alone: bool = FIELDS["alone"].default
    hires: HiresFix | None = None
    extensions: Extensions = NOTHING
    checkpoint_hash: str = ""
    vae_hash: str = ""
    text_encoders_hash: str = ""
    refiner_hash: str = ""
    refiner_text_encoders_hash: str = ""
    abilities: str = _ABILITIES
    drawn: Drawn | None = None
    hires_drawn: Drawn | None = None
    lora_hashes: FrozenMap[str] = field(default_factory=FrozenMap)
    embedding_hashes: FrozenMap[str] = field(default_factory=FrozenMap)

    # What every job's request is asked for: see core/job_request.py.
    workplace = DEVICE

    @classmethod
    def from_values(cls, values: Mapping[str, Any]) -> Self:
        """A checked request from loose values; missing ones take their defaults. Raises InvalidField."""
        rest = dict(values)
        extensions = read_extensions(rest.pop(EXTENSIONS, NOTHING))
        faults = Faults()
        groups = read_groups(rest, faults)
        checked = gather_values(rest, faults)
        with faults.gathered():
            check_target(checked, groups.get(HIRES))
        faults.raise_found()
        return cls(**checked, **groups, extensions=extensions)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """The request that `to_json` described. Raises InvalidField with a sentence for anything else.

        Extensions may have gone since; acceptance and the worker know which are there.
        """
        if not isinstance(data, Mapping):
            raise InvalidField("A request is a JSON object with fields such as prompt and seed.")
        values = dict(data)
        check_schema(values.pop("schema", SCHEMA))
        resolved = {name: values.pop(name) for name in RESOLVED if name in values}
        for name, value in resolved.items():
            if not isinstance(value, str) or len(value) > 100:
                raise InvalidField(f"{name} must be a short text.", field=name)
        drawn = {name: read_drawn(values.pop(name, None)) for name in (DRAWN, HIRES_DRAWN)}
        hashes = {name: read_hashes(name, values.pop(name, None)) for name in HASHES}
        return cls.from_values(values).but(**resolved, **drawn, **hashes)

    def to_json(self) -> dict[str, Any]:
        """JSON-ready data that `from_json` reads back to an equal request."""
        return {
            "schema": SCHEMA,
            **_as_lists(asdict(self)),
            EXTENSIONS: self.extensions.to_json(),
            LORA_HASHES: self.lora_hashes.to_json(),
            EMBEDDING_HASHES: self.embedding_hashes.to_json(),
        }

    def record_of(self, index: int) -> dict[str, Any]:
        """What `to_json` gives, with the drawn texts of picture `index` alone: what that picture's file keeps."""
        if self.pictures == 1:
            return self.to_json()
        own = {name: drawn and drawn.cut_to(index) for name in (DRAWN, HIRES_DRAWN) if (drawn := getattr(self, name))}
        return self.but(**own).to_json()

    def dumps(self) -> str:
        """The JSON text, with its keys in a fixed order."""
        return json.dumps(self.to_json(), ensure_ascii=False, sort_keys=True)

    def knows(self, name: str) -> bool:
        """Whether the field or group of this name means anything to the request's model."""
        return (FIELDS[name] if name in FIELDS else GROUPS[name].switch).is_known_to(self.abilities.split(","))

    @property
    def pictures(self) -> int:
        """How many pictures the request makes."""
        return self.n_iter * self.batch_size

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the finished pictures in pixels, where the second pass's model needs multiples of 8."""
        if self.hires is None:
            return self.width, self.height
        target = self.hires.target(self.width, self.height)
        return target.width, target.height

    @property
    def all_steps(self) -> int:
        """Steps that are walked for a picture, in both passes where there are two."""
        return self.steps + (0 if self.hires is None else self.hires.calls(self.steps))

    @property
    def models(self) -> tuple[str, ...]:
        """Titles of the checkpoints that it needs in memory."""
        second = self.hires.hr_checkpoint_name if self.hires and self.hires.hr_checkpoint_hash else self.checkpoint
        return tuple(dict.fromkeys((self.checkpoint, second)))

    @property
    def summary(self) -> str:
        """What the picture is of."""
        return self.prompt

    @property
    def alike(self) -> Hashable:
        """Equal for requests whose steps take about as long."""
        alike = (self.checkpoint_hash, self.sampler_name, self.width, self.height, self.batch_size)
        if self.hires is None:
            return alike
        # Steps of a second pass take longer, so their share counts.
        target, calls = self.hires.target(self.width, self.height), self.hires.calls(self.steps)
        return (*alike, target, self.hires.hr_checkpoint_hash, calls / (self.steps + calls))

    @property
    def lighter(self) -> tuple[str, ...]:
        """What a person can do when it was too much for the machine."""
        return ("Lower the size or the batch size", "Choose another checkpoint", "Look into the log")

    @property
    def templates(self) -> tuple[str, str]:
        """The prompt and negative prompt with their styles, from which the texts of pictures are drawn."""
        return self.drawn.templates if self.drawn else (self.prompt, self.negative_prompt)

    @property
    def with_hires_texts(self) -> Self:
        """The same request with the texts of its second pass in place of its own, where these are others."""
        if self.hires is None or not self.hires.has_own_texts:
            return self
        prompt = self.hires.hr_prompt or self.prompt
        negative_prompt = self.hires.hr_negative_prompt or self.negative_prompt
        return self.but(prompt=prompt, negative_prompt=negative_prompt, drawn=self.hires_drawn)

    @property
    def has_comments(self) -> bool:
        """Whether `#` begins a comment in its texts; in drawn ones no more, which are without those that were typed."""
        return self.enable_prompt_comments and self.drawn is None

    def texts_of(self, index: int) -> tuple[str, str]:
        """The prompt and negative prompt that count for picture `index` (from 0)."""
        return self.drawn.texts_of(index) if self.drawn else self.templates

    @property
    def notes(self) -> tuple[str, ...]:
        """Sentences about what was done otherwise than asked when it was accepted."""
        return tuple(dict.fromkeys(note for drawn in (self.drawn, self.hires_drawn) if drawn for note in drawn.notes))

    def seed_of(self, index: int) -> int:
        """The seed of picture `index` (from 0): A1111 counts up from the first, within 32 bits; variations share it."""
        return (self.seed + (0 if self.subseed_strength else index)) % (MAX_SEED + 1)

    def subseed_of(self, index: int) -> int:
        """The variation seed of picture `index` (from 0)."""
        return (self.subseed + index) % (MAX_SEED + 1)

    def but(self, **changes: Any) -> Self:
        """The same request with some fields changed. Raises InvalidField for a name that no field has."""
        try:
            return replace(self, **changes)
        except TypeError:
            for name in changes:
                if name not in field_names():
                    near = nearest(name, field_names())
                    hint = f" Did you mean '{near}'?" if near else ""
                    raise InvalidField(f"A request has no field '{name}'.{hint}", field=name) from None
            raise


def check_target(checked: Mapping[str, Any], hires: HiresFix | None, multiple: int = CELL) -> None:
    """Raise InvalidField for a second pass of a size that no picture has. checked: the first pass's fields."""
    if hires is None or not {"width", "height", "batch_size"} <= checked.keys():
        return
    batch, target = checked["batch_size"], hires.target(checked["width"], checked["height"], multiple)
    by_factor = not (hires.hr_resize_x or hires.hr_resize_y)
    field = "hr_scale" if by_factor else "hr_resize_x" if hires.hr_resize_x else "hr_resize_y"
    least = int(FIELDS["width"].minimum or 0)
    if min(target.width, target.height) < least:
        raise InvalidField(
            f"Hires. fix makes a picture of {target.width} × {target.height}; no side may be below {least}.",
            field=field,
            remedies=("Choose a larger size to resize to",),
        )
    # What is cut off afterwards is computed too.
    if max(target.width * target.height, target.covering_width * target.covering_height) * batch > MAX_PIXELS:
        raise InvalidField(
            f"Hires. fix makes {target.covering_width} × {target.covering_height} in a batch of {batch}, which is "
            f"more than {MAX_PIXELS // 10**6} million pixels at once.",
            field=field,
            remedies=("Lower what it enlarges to", "Lower the size or the batch size of the first pass"),
        )


def check_schema(schema: Any) -> None:
    """Raise InvalidField for a form of the request that this version cannot read."""
    if not isinstance(schema, int) or not 1 <= schema <= SCHEMA:
        shown = str(schema)[:20]
        raise InvalidField(
            f"This request has schema {shown}; this version reads up to {SCHEMA}.",
            field="schema",
            remedies=("Update Darkroom",),
        )


def read_drawn(data: Any) -> Drawn | None:
    """What a stored request says of its texts. Raises InvalidField."""
    return None if data is None else Drawn.from_json(data, int(FIELDS["prompt"].maximum or 0))


def read_hashes(field: str, data: Any) -> FrozenMap[str]:
    """The hashes of files by name, as a stored request has them in one of `HASHES`. Raises InvalidField."""
    if data is None:
        return FrozenMap()
    if not isinstance(data, Mapping) or len(data) > _MOST_HASHES or not all(map(_is_short, (*data, *data.values()))):
        raise InvalidField(f"{field} must be names with hashes, {_MOST_HASHES} at most.", field=field)
    return FrozenMap(data)


def _is_short(text: Any) -> bool:
    return isinstance(text, str) and len(text) <= _LONGEST_NAME


def field_names() -> tuple[str, ...]:
    """Names of all fields of a request, in order."""
    return tuple(f.name for f in fields(GenerationRequest))


def _as_lists(value: Any) -> Any:
    """The same with lists for tuples, as it comes back out of JSON."""
    if isinstance(value, dict):
        return {name: _as_lists(one) for name, one in value.items()}
    return [_as_lists(one) for one in value] if isinstance(value, tuple | list) else value
