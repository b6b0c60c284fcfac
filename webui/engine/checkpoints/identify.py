"""Say what a checkpoint is from its content: of which family, of which kind, what is inside and what is missing."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from webui.core.errors import ModelProblem
from webui.core.registry import Architecture, Family, Need, Registry, Variant
from webui.engine.checkpoints.json_files import read_json
from webui.engine.checkpoints.parts import Inside, Part, look_at_network, look_inside, look_into_folder
from webui.engine.checkpoints.stock import Stock, has_index, model_in, stock_of
from webui.plugins.builtin.architectures import architectures as built_in_architectures
from webui.plugins.builtin.families import families as built_in_families
from webui.plugins.builtin.stock import FAMILY as STOCK

log = logging.getLogger(__name__)

CLIP_TOKENS = 49408
"""The tokens of CLIP's own vocabulary, which the program has."""

_SCHEDULER = Path("scheduler", "scheduler_config.json")


@dataclass(frozen=True, slots=True)
class Identified:
    """What was found. `problem` is a sentence when the checkpoint cannot be used as it is.

    family: the row's name, "" when it is none. variant: the row's, "" for the plain kind. parts: by the family's names.
    missing: needs that nothing in the checkpoint meets. scheduler: a folder's own scheduler configuration.
    """

    family: str = ""
    variant: str = ""
    parts: Mapping[str, Part] = field(default_factory=dict)
    missing: tuple[str, ...] = ()
    scheduler: Mapping[str, Any] = field(default_factory=dict)
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Kinds:
    """The rows by which checkpoints are known."""

    families: tuple[Family, ...]
    architectures: tuple[Architecture, ...]

    @property
    def read(self) -> tuple[Family, ...]:
        """The families whose models are known by their networks."""
        return tuple(family for family in self.families if family.needs)

    @classmethod
    def of(cls, registry: Registry) -> Kinds:
        """Those of a registry, extensions' rows included."""
        return cls(tuple(registry.families), tuple(registry.architectures))

    @classmethod
    def built_in(cls) -> Kinds:
        """The program's own."""
        return cls(tuple(built_in_families()), tuple(built_in_architectures()))


@dataclass(frozen=True, slots=True)
class Examined:
    """All networks that were found somewhere, and what they are together."""

    inside: Inside
    what: Identified


def identify(path: Path, kinds: Kinds) -> Identified:
    """What this diffusers folder or file of weights is."""
    return examine(path, kinds).what


def examine(path: Path, kinds: Kinds) -> Examined:
    """What lies in a diffusers folder, in the folder of one network or in a file of weights, and what that is."""
    inside = Inside()
    try:
        inside = _look(path, kinds)
        return _or_stock(path, Examined(inside, judge(path, inside, kinds)))
    except ModelProblem as error:
        return Examined(inside, Identified(problem=error.detail))
    except OSError as error:
        return Examined(inside, Identified(problem=f"It cannot be read: {error.strerror or error}."))
    except Exception as error:
        # A recogniser's mistake, perhaps an extension's: it takes no other model away.
        log.warning("%s could not be looked at.", path, exc_info=True)
        return Examined(inside, Identified(problem=f"It could not be looked at: {type(error).__name__}: {error}"[:300]))


def judge(path: Path, inside: Inside, kinds: Kinds, family: Family | None = None) -> Identified:
    """What these networks are together. Raises ModelProblem, OSError.

    family: what a person says that it is. Then only the kind of its denoiser must be right, whatever its facts.
    """
    if family is not None:
        if not family.needs:
            if not has_index(path):
                return Identified(problem=f"It is said to be for a {family.title}, which takes a whole folder.")
            return _by_itself(stock_of(path))
        denoiser = family.needs[0]
        if all(part.architecture != denoiser.architecture for part in inside.parts):
            titles = {row.name: row.title for row in kinds.architectures}
            title = titles.get(denoiser.architecture, denoiser.architecture)
            return Identified(problem=f"It is said to be {family.title}, and there is no {title} in it.")
        kinds = Kinds((replace(family, needs=(replace(denoiser, facts={}), *family.needs[1:])),), kinds.architectures)
    return _folder(path, inside, kinds) if path.is_dir() and not _is_one_network(path) else _file(path, inside, kinds)


def _or_stock(path: Path, examined: Examined) -> Examined:
    """The same, or where the folder says that it is of a class that no family reads, what that class makes of it."""
    inside, what = examined.inside, examined.what
    if not has_index(path):
        return examined
    stock = stock_of(path)
    if what.family and (stock.adapted or (not stock.runs and not what.missing)):
        return examined
    if inside.broken and (stock.adapted or stock.problem):
        return examined
    return Examined(replace(inside, parts=(*inside.parts, *stock.parts.values())), _by_itself(stock))


def _by_itself(stock: Stock) -> Identified:
    return Identified(STOCK if stock.runs else "", stock.runs, stock.parts, problem=stock.problem)


def _look(path: Path, kinds: Kinds) -> Inside:
    if not path.is_dir():
        return look_inside(path, kinds.architectures)
    return (look_at_network if _is_one_network(path) else look_into_folder)(path, kinds.architectures)


def _is_one_network(folder: Path) -> bool:
    return (folder / "config.json").is_file() and not has_index(folder)


def fits(need: Need, part: Part, chosen: Mapping[str, Part]) -> bool:
    """Whether a network is what a family needs, beside the parts that are chosen already."""
    facts = part.form.facts
    if part.architecture != need.architecture:
        return False
    for name, wanted in need.facts.items():
        if facts.get(name) not in (wanted if isinstance(wanted, tuple) else (wanted,)):
            return False
    for name, other in need.same.items():
        of, _, fact = other.partition(".")
        if of in chosen and facts.get(name) != chosen[of].form.facts.get(fact):
            return False
    return True


def _folder(path: Path, inside: Inside, kinds: Kinds) -> Identified:
    scheduler = read_json(path / _SCHEDULER) if (path / _SCHEDULER).is_file() else {}
    for family in kinds.read:
        chosen: dict[str, Part] = {}
        for need in family.needs:
            part = inside.named.get(need.part)
            if part is not None and fits(need, part, chosen):
                chosen[need.part] = part
        if family.needs[0].part in chosen:
            inside = replace(inside, broken=inside.broken | _without_tokenizer(path, chosen))
            return _complete(path, family, chosen, scheduler, inside)
    if inside.broken:
        return Identified(problem=next(iter(inside.broken.values())))
    return Identified(problem="It is a model of a kind that is not known here.")


def _file(path: Path, inside: Inside, kinds: Kinds) -> Identified:
    for family in kinds.read:
        chosen: dict[str, Part] = {}
        for need in family.needs:
            part = next((p for p in inside.parts if fits(need, p, chosen) and p not in chosen.values()), None)
            if part is not None:
                chosen[need.part] = part
        if family.needs[0].part in chosen:
            return _complete(path, family, chosen, {}, inside)
    return Identified(problem=_other(path, inside, kinds))


def _complete(
    path: Path, family: Family, chosen: Mapping[str, Part], scheduler: Mapping[str, Any], inside: Inside
) -> Identified:
    facts = chosen[family.needs[0].part].form.facts
    variant = next((v.name for v in family.variants if _is_variant(v, facts, scheduler, path.name)), "")
    missing = tuple(need.part for need in family.needs if need.part not in chosen and not need.optional)
    # A folder says itself what it should hold; what is broken there is told rather than taken from elsewhere.
    broken = next((inside.broken[need.part] for need in family.needs if need.part in inside.broken), None)
    unfit = next((part for part in missing if part in inside.named), None)
    if broken is None and unfit is not None:
        denoiser = family.needs[0].part
        broken = f"The part {unfit} does not fit the part {denoiser}: they are of different models."
    return Identified(family.name, variant, chosen, missing, scheduler, broken)


def _is_variant(variant: Variant, facts: Mapping[str, Any], scheduler: Mapping[str, Any], name: str) -> bool:
    said = {**variant.facts, **(variant.scheduler if scheduler else {})}
    known = {**scheduler, **facts}
    if any(known.get(fact) != value for fact, value in said.items()):
        return False
    by_name = bool(variant.names) and not (scheduler and variant.scheduler)
    return not by_name or any(word.casefold() in name.casefold() for word in variant.names)


def _without_tokenizer(path: Path, chosen: Mapping[str, Part]) -> dict[str, str]:
    """The text encoders that were trained on another vocabulary than CLIP's and do not bring it."""
    lacking = {}
    for name, part in chosen.items():
        own = part.form.config.get("vocab_size", CLIP_TOKENS) != CLIP_TOKENS
        folder = path / name.replace("text_encoder", "tokenizer")
        if (
            part.architecture == "clip"
            and own
            and not all((folder / f).is_file() for f in ("vocab.json", "merges.txt"))
        ):
            lacking[name] = "The tokenizer's vocab.json or merges.txt is missing."
    return lacking


_LORA = (".lora_down.", ".lora_up.", ".lora_A.", ".lora_B.", "hada_w1_a", "lokr_w1", ".oft_blocks")
_EMBEDDINGS = ({"*"}, {"emb_params"}, {"clip_l", "clip_g"})


def _other(path: Path, inside: Inside, kinds: Kinds) -> str:
    """Why a file is no checkpoint, with what was seen in it."""
    roles = {part.role for part in inside.parts}
    if "vae" in roles:
        return "It is an autoencoder alone; it belongs into models/VAE."
    if "text_encoder" in roles:
        return "It is a text encoder alone; it belongs into models/text_encoder."
    if any(sign in name for name in inside.odd for sign in _LORA):
        return "It is a LoRA; it belongs into models/Lora."
    if set(inside.odd) in _EMBEDDINGS or (len(inside.odd) == 1 and re.fullmatch("<.+>", inside.odd[0])):
        return "It is an embedding; it belongs into models/embeddings."
    if inside.parts:
        row = next(row for row in kinds.architectures if row.name == inside.parts[0].architecture)
        return f"It is of a kind ({row.title}) that no family here takes in this form."
    if not inside.odd:
        return "There are no weights in it."
    known = model_in(path)
    if known:
        return f"It is {known} in a form that is not read from one file. Get its folder in diffusers' form."
    seen = ", ".join(f"'{name[:60]}'" for name in inside.odd)
    return f"It is of a kind that is not known here: it begins with {seen}."
