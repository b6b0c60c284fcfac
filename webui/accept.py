"""Acceptance: loose values become a request in which nothing is left open (names, seed, model, parts, hashes)."""

from __future__ import annotations

import math
import secrets
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from webui.accept_hires import accept_hires, known_hires, last_of, second_sampling
from webui.accept_sampling import keep_what_counts, name_sampling
from webui.core.errors import DarkroomError, Faults, InvalidField, ModelProblem, UnknownName
from webui.core.fields import FIELDS, MAX_SEED, Field, gather_values
from webui.core.groups import take_groups
from webui.core.hires_fields import HIRES_SWITCH
from webui.core.infotext import Parsed
from webui.core.language_fields import LANGUAGE_OPTIONS
from webui.core.noise_fields import NOISE
from webui.core.noise_sources import CPU, NV
from webui.core.panels import EXTENSIONS, Extensions, accept_extensions, stored_defaults
from webui.core.registry import Registry
from webui.core.request import HASHES, RESOLVED, SCHEMA, GenerationRequest, check_schema, join_names, split_names
from webui.core.sampler_fields import OPTIONS
from webui.core.sampler_options import counting
from webui.core.setting_rows import field_defaults
from webui.core.settings import Settings
from webui.core.speed_fields import SPEED_OPTIONS
from webui.engine.checkpoints.catalogue import Catalogue, Checkpoint
from webui.engine.checkpoints.chosen import choose, is_automatic, of_settings
from webui.engine.checkpoints.completion import AUTOMATIC, NONE, PartFile, find_part
from webui.engine.checkpoints.refining import CHECKPOINT as REFINER
from webui.engine.checkpoints.refining import HASH as REFINER_HASH
from webui.engine.checkpoints.refining import PARTS_HASH as REFINER_PARTS_HASH
from webui.engine.checkpoints.refining import SWITCH_AT, choose_refiner, is_none, without_refiner
from webui.engine.checkpoints.suits import abilities_of, kind_of, suiting

_OURS = "Darkroom "
"""What the version in an infotext of our own begins with."""


def resolve(
    values: Mapping[str, Any],
    registry: Registry,
    catalogue: Catalogue,
    settings: Settings,
    fields: Sequence[Field],
    absent: Mapping[str, str] = MappingProxyType({}),
) -> GenerationRequest:
    """The request that these values mean: checked, with canonical names, a drawn seed, the model's and parts' hashes.

    Fields that are missing take the defaults of the checkpoint, those of extensions the settings'. absent: why an
    extension that was found cannot be used. Raises InvalidField, UnknownName, ModelProblem, InvalidRequest.
    """
    # A program's null means what a missing field means. What texts name is found once they are known: acceptance.py.
    values = {name: value for name, value in values.items() if value is not None and name not in HASHES}
    faults = Faults()
    extensions = _of_extensions(values, registry, settings, absent, faults)
    asked = take_groups(values, faults)
    with faults.gathered():
        check_schema(values.pop("schema", SCHEMA))
    wanted = {name: values.pop(name, "") for name in RESOLVED}
    checkpoint, chosen, given = None, None, frozenset(values)
    with faults.gathered():
        checkpoint = _wanted(wanted, values.get("checkpoint", ""), catalogue, settings)
    # Without a checkpoint nothing will be made; what else is wrong is told by the rows' own limits.
    if checkpoint:
        suit = _defaults_of(checkpoint, registry, catalogue, settings, fields)
        values = {**suit, **values, "checkpoint": checkpoint.title}
        fields = _sized(fields, registry.families.get(checkpoint.family).multiple_of(checkpoint.variant))
    else:
        values.pop("checkpoint", None)
    checked = gather_values(values, faults, fields)
    name_sampling(checked, registry, checkpoint, faults)
    with faults.gathered():
        keep_what_counts(checked, given, registry, checkpoint, further=second_sampling(asked, checked, registry))
    if checkpoint:
        _understood(checked, suit, checkpoint, registry, faults)
    if checkpoint and {"vae", "text_encoders"} <= checked.keys():
        with faults.gathered():
            hashes = {name: wanted[name] for name in ("vae_hash", "text_encoders_hash")}
            chosen = choose(checkpoint, checked["vae"], checked["text_encoders"], catalogue, **hashes)
    hires = accept_hires(asked, checked, checkpoint, catalogue, registry, faults)
    refiner: dict[str, Any] = {}
    if checkpoint and REFINER in checked:
        with faults.gathered():
            refiner = _refiner(checked, wanted, last_of(hires, checkpoint, catalogue), catalogue, registry)
    faults.raise_found()
    assert checkpoint is not None and chosen is not None
    for name, used in (("seed", True), ("subseed", checked["subseed_strength"] > 0)):
        if used and checked[name] < 0:
            checked[name] = secrets.randbelow(MAX_SEED + 1)
    return GenerationRequest(
        **checked | {"vae": chosen.vae, "text_encoders": chosen.text_encoders} | refiner,
        hires=hires,
        extensions=extensions,
        checkpoint_hash=checkpoint.hash,
        vae_hash=chosen.vae_hash,
        text_encoders_hash=chosen.text_encoders_hash,
        abilities=",".join(abilities_of(checkpoint, registry)),
    )


def _of_extensions(
    values: dict[str, Any], registry: Registry, settings: Settings, absent: Mapping[str, str], faults: Faults
) -> Extensions:
    """What extensions are asked, taken out of the values; a stored request, which has a schema, says all of it."""
    panels = {name: panel for name, panel in registry.panels.items() if name not in absent}
    own = stored_defaults(settings.extensions, panels)
    return accept_extensions(values.pop(EXTENSIONS, None), panels, own, absent, faults, whole="schema" in values)


def _refiner(
    checked: Mapping[str, Any], wanted: Mapping[str, Any], base: Checkpoint, catalogue: Catalogue, registry: Registry
) -> dict[str, Any]:
    """The request's fields of its refiner; of none, of one that never comes, or of the base itself, those of none."""
    title = checked[REFINER]
    if is_none(title) or checked.get(SWITCH_AT) == 1:
        return without_refiner()
    try:
        named = choose_refiner(title, wanted[REFINER_HASH], wanted[REFINER_PARTS_HASH], base, catalogue, registry)
    except DarkroomError as error:
        # What is found wrong with a checkpoint is told of the checkpoint's field.
        error.field = REFINER
        raise
    return named if named[REFINER] != base.title else without_refiner()


def _understood(
    checked: dict[str, Any], suit: Mapping[str, Any], checkpoint: Checkpoint, registry: Registry, faults: Faults
) -> None:
    """Find fault with what is asked of a model that knows nothing of it; what is no default is refused."""
    abilities = abilities_of(checkpoint, registry)
    for name in [name for name in checked if not FIELDS[name].is_known_to(abilities)]:
        row, off = FIELDS[name], suit[name]
        if checked[name] not in (off, row.default):
            way = "Leave it empty" if row.kind == "text" else f"Use {_said(off)}"
            kind = kind_of(checkpoint, registry)
            faults.add(InvalidField(f"{kind} has no {row.label}, so it cannot be set.", field=name, remedies=(way,)))
        checked[name] = off


def _said(value: Any) -> str:
    """A field's value as JSON has it."""
    return str(value).lower() if isinstance(value, bool) else value if isinstance(value, str) else f"{value:g}"


def _sized(fields: Sequence[Field], multiple: int) -> list[Field]:
    """The fields, with the sides that a model of this multiple can draw."""
    return [
        replace(field, multiple=math.lcm(field.multiple or 1, multiple)) if field.name in ("width", "height") else field
        for field in fields
    ]


def _wanted(wanted: Mapping[str, Any], title: Any, catalogue: Catalogue, settings: Settings) -> Checkpoint:
    """The checkpoint with this hash, or without one the checkpoint with this title; its own hash is known.

    A stored request names the very weights it was made with: others under the same name are no substitute. What lacks
    a part is given too: the part may be among those that are chosen.
    """
    for name, value in (("checkpoint", title), *wanted.items()):
        if not isinstance(value, str):
            raise InvalidField(f"{name} must be text.", field=name)
    wanted_hash = wanted["checkpoint_hash"]
    if not wanted_hash:
        return catalogue.hashed(_found(title, catalogue, settings))
    with suppress(UnknownName):
        found = catalogue.hashed(_found(wanted_hash, catalogue, settings))
        # Its file may have been replaced after it was known by this hash.
        if found.hash.startswith(wanted_hash) or found.legacy_hash == wanted_hash:
            return found
    found = catalogue.hashed(_found(title, catalogue, settings))
    if found.hash == wanted_hash:
        return found
    raise ModelProblem(
        f"The weights that this request was made with ({title or wanted_hash[:10]}) are not here; "
        f"{found.name} has others ({found.hash[:10]}).",
        field="checkpoint",
        remedies=(f"Use the present {found.name}: leave checkpoint_hash out", "Put the old file back"),
    )


def _found(title: str, catalogue: Catalogue, settings: Settings) -> Checkpoint:
    """The same as `checkpoint_for`, but what lacks a part is given too."""
    found = catalogue.find(title) if title else catalogue.default(settings.sd_model_checkpoint)
    found = catalogue.as_now(found)
    return found if found.missing else found.usable()


def checkpoint_for(title: str, catalogue: Catalogue, settings: Settings) -> Checkpoint:
    """The usable checkpoint with this title, name or hash; empty means the settings' one, or the first there is."""
    checkpoint = catalogue.get(title) if title else catalogue.default(settings.sd_model_checkpoint)
    if checkpoint.problem:
        raise ModelProblem(checkpoint.problem, field="checkpoint", remedies=("Choose another checkpoint",))
    return checkpoint


def defaults(
    title: str, registry: Registry, catalogue: Catalogue, settings: Settings, fields: Sequence[Field]
) -> dict[str, Any]:
    """Values of all fields for a checkpoint; the rows' own defaults when there is no checkpoint that works."""
    plain = {field.name: field.default for field in fields}
    try:
        checkpoint = checkpoint_for(title, catalogue, settings)
    except DarkroomError:
        return plain
    suit = _defaults_of(checkpoint, registry, catalogue, settings, fields)
    return {**plain, **suit, "checkpoint": checkpoint.title}


def canonical(parsed: Parsed, registry: Registry, catalogue: Catalogue) -> Parsed:
    """The same with names as this installation knows them; a name it does not know moves to the unknown ones."""
    values, unknown = dict(parsed.values), dict(parsed.unknown)
    _know_sampling(values, unknown, registry)
    for name in ("checkpoint_hash", "checkpoint"):
        known = values.pop(name, "")
        if known and "checkpoint" not in values:
            try:
                values["checkpoint"] = catalogue.get(known).title
            except DarkroomError:
                unknown["Model"] = known
    if parsed.found:
        unsaid = _unsaid(parsed) | _unsaid_options(values, registry)
        if "checkpoint" in values and NOISE not in abilities_of(catalogue.get(values["checkpoint"]), registry):
            # It draws its noise itself and refuses what another program may have meant.
            del unsaid["randn_source"]
        values = unsaid | values
    if not is_none(values.get(REFINER, "")):
        try:
            values[REFINER] = catalogue.get(values[REFINER]).title
        except DarkroomError:
            unknown["Refiner"] = values.pop(REFINER)
    if parsed.found:
        # A picture that names none was made without one.
        values.setdefault(REFINER, FIELDS[REFINER].default)
        values.setdefault(HIRES_SWITCH.name, False)
    _find_parts(values, unknown, catalogue)
    known_hires(values, unknown, registry, catalogue)
    return replace(parsed, values=values, unknown=unknown)


def _know_sampling(values: dict[str, Any], unknown: dict[str, str], registry: Registry) -> None:
    own = {name for family in registry.families if (name := registry.own_sampler(family))}
    if values.get("sampler_name") in own:
        values.setdefault("scheduler", values["sampler_name"])
    elif "sampler_name" in values:
        try:
            values["sampler_name"], schedule = registry.split_sampler(values["sampler_name"])
            if schedule:
                values.setdefault("scheduler", schedule)
        except DarkroomError:
            unknown["Sampler"] = values.pop("sampler_name")
        # A1111 leaves the schedule out where it is Automatic; older versions of it knew no other.
        values.setdefault("scheduler", "Automatic")
    if "scheduler" in values:
        name = values.pop("scheduler")
        if name in registry.schedules:
            values["scheduler"] = registry.schedules.get(name).name
        else:
            unknown["Schedule type"] = name


def _unsaid(parsed: Parsed) -> dict[str, Any]:
    """What a line of parameters means that does not say it: what A1111 writes only where it is used."""
    ours = parsed.unknown.get("Version", "").startswith(_OURS)
    off = ("clip_skip", "subseed_strength", "seed_resize_from_w", "seed_resize_from_h", "eta_noise_seed_delta")
    # Elsewhere that is the GPU, most often a CUDA card, whose noise every machine can draw. Our own texts say it, but
    # for the oldest, of pictures whose noise was the CPU's.
    defaults = {name: FIELDS[name].default for name in (*off, *SPEED_OPTIONS, *LANGUAGE_OPTIONS)}
    return defaults | {"randn_source": CPU if ours else NV}


def _unsaid_options(values: Mapping[str, Any], registry: Registry) -> dict[str, Any]:
    """The same of the options that count for its sampler; both etas, since each is another kind of sampler's."""
    names: Collection[str] = OPTIONS
    if "sampler_name" in values and "scheduler" in values and values["sampler_name"] in registry.samplers:
        sampler, schedule = registry.samplers.get(values["sampler_name"]), registry.schedules.get(values["scheduler"])
        names = {"eta", "eta_ddim", *counting(sampler, schedule, registry, flow=False)}
        if "eta" in values and "eta_ddim" in sampler.options:
            # Texts older than A1111's second key have one for all; where both are said, the second counts.
            return _defaults(names) | {"eta_ddim": values["eta"]}
    return _defaults(names)


def _defaults(names: Collection[str]) -> dict[str, Any]:
    return {name: row.default for name, row in OPTIONS.items() if name in names}


def known_parts(setting: str, names: str, files: Sequence[PartFile]) -> str:
    """The same names of files as this installation has them. Raises UnknownName that names the setting."""
    found = []
    for name in split_names(names) if setting != "sd_vae" else filter(None, [names.strip()]):
        file = find_part(name, files)
        word = next((word for word in (AUTOMATIC, NONE) if word.casefold() == name.casefold()), None)
        if file is None and (word is None or setting != "sd_vae"):
            raise UnknownName("file", name, [file.name for file in files if not file.problem], field=setting)
        found.append(file.name if file else str(word))
    return join_names(found) if setting != "sd_vae" else (found or [AUTOMATIC])[0]


def _find_parts(values: dict[str, Any], unknown: dict[str, str], catalogue: Catalogue) -> None:
    """Put the VAE and Forge's modules, which are VAEs and text encoders alike, by the names that they have here."""
    vae = values.pop("vae", "")
    digits = values.pop("vae_hash", "")
    encoders = []
    for number, name in enumerate(split_names(values.pop("text_encoders", "")), 1):
        encoder = find_part(name, catalogue.text_encoders())
        if encoder:
            encoders.append(encoder.name)
        elif find_part(name, catalogue.vaes()):
            vae = vae or name
        else:
            unknown[f"Module {number}"] = name
    # The hash says which file it was, whatever that is called here.
    file = (catalogue.vae_with_hash(digits) if digits else None) or find_part(vae, catalogue.vaes())
    if file:
        values["vae"] = file.name
    elif is_automatic(vae) or vae == NONE:
        values |= {"vae": vae} if vae else {}
    else:
        unknown["VAE"] = vae
    if encoders:
        values["text_encoders"] = join_names(encoders)


def _defaults_of(
    checkpoint: Checkpoint, registry: Registry, catalogue: Catalogue, settings: Settings, fields: Sequence[Field]
) -> dict[str, Any]:
    given = {
        "attention": settings.attention,
        "denoiser_precision": settings.denoiser_precision,
        "text_encoder_precision": settings.text_encoder_precision,
        "vae_precision": settings.vae_precision,
        **field_defaults(settings),
        **suiting(checkpoint, registry),
    }
    given |= of_settings(checkpoint, settings.sd_vae, settings.sd_text_encoders, catalogue)
    if given["randn_source"] == NV and NOISE not in abilities_of(checkpoint, registry):
        given["randn_source"] = CPU
    names = {field.name for field in fields}
    return {k: v for k, v in given.items() if k in names}
