"""Infotext: the parameters text that A1111 writes beside a picture; written in its order, read liberally."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from webui.core import precisions
from webui.core.errors import InvalidField
from webui.core.fields import FIELDS, ROWS
from webui.core.hires_texts import KEYS as HIRES_KEYS
from webui.core.hires_texts import pairs_of, take_pairs
from webui.core.infotext_values import quote, read_value, write_value
from webui.core.language_fields import LANGUAGE_ROWS, is_read_the_old_way
from webui.core.panel_texts import read_panels, write_panels
from webui.core.panels import EXTENSIONS, NO_PANELS, Panels
from webui.core.precisions import FIELD_OF as PRECISION_OF
from webui.core.prompt.adapters import hashes_text
from webui.core.prompt.learned import hashes_text as embeddings_text
from webui.core.request import GenerationRequest, join_names, split_names
from webui.core.sampler_fields import SAMPLER_ROWS
from webui.core.speed_fields import LEAST_TILE, SPEED_ROWS, TILE_KEY

ORDER = (
    "Steps",
    "Sampler",
    "Schedule type",
    "CFG scale",
    "Distilled CFG Scale",
    "Image CFG scale",
    "Seed",
    "Face restoration",
    "Size",
    "Model hash",
    "Model",
    "VAE hash",
    "VAE",
    "Variation seed",
    "Variation seed strength",
    "Seed resize from",
    "Denoising strength",
    "Conditional mask weight",
    "Clip skip",
    "ENSD",
    "Token merging ratio",
    "Token merging ratio hr",
    "Init image hash",
    "RNG",
    "Tiling",
)
"""A1111's order of the common keys; every other key follows in the order it was given, Version last."""

NEGATIVE = "Negative prompt:"
EXACT_PROMPT = "Exact prompt"
EXACT_NEGATIVE = "Exact negative prompt"
"""Keys of our own, written only for a prompt that the plain form cannot carry (a line 'Negative prompt:' inside)."""

TEMPLATE = "Template"
NEGATIVE_TEMPLATE = "Negative Template"
"""The dynamic-prompts extension's keys of the prompts that a picture's were drawn from."""

LORAS, EMBEDDINGS = "Lora hashes", "TI hashes"
HASH_LENGTH = 10
MAX_LENGTH = 200_000
"""Characters of a text that are read; an infotext is far shorter."""

# Other programs' and sites' names of A1111's keys, in small letters.
_SPELLINGS = {
    "cfg": "CFG scale",
    "guidance scale": "CFG scale",
    "sampling steps": "Steps",
    "sampling method": "Sampler",
    "sampler name": "Sampler",
    "scheduler": "Schedule type",
    "schedule": "Schedule type",
    "noise schedule": "Schedule type",
    "checkpoint": "Model",
    "model name": "Model",
    "resolution": "Size",
    "beta scheduler alpha": "Beta schedule alpha",
    "beta scheduler beta": "Beta schedule beta",
}
RESIZED = "Seed resize from"
_SIZES = {"Size": ("width", "height"), RESIZED: ("seed_resize_from_w", "seed_resize_from_h")}
_BY_KEY = {row.infotext: row.name for row in ROWS if row.infotext}
_CANONICAL = {**{key.lower(): key for key in (*_BY_KEY, *ORDER, *HIRES_KEYS)}, **_SPELLINGS}
_MINIMUM_PAIRS = 3
_MODULE = re.compile(r"Module (\d{1,2})", re.I)
"""Forge's key of a file with a VAE or a text encoder, numbered from 1."""
_HASHES = {"Model hash": "checkpoint_hash", "VAE hash": "vae_hash"}
_OF_FILES = ("Hashes", LORAS, EMBEDDINGS)
_OTHERS = ("Version", "Stopped at step", *_OF_FILES, TEMPLATE, NEGATIVE_TEMPLATE, "Negative prompt")
"""Further keys that programs write."""

# Bounded, so that a long line without any colon costs no more than its length.
_KEY = re.compile(r"\s{0,4}(\w[\w \-/.+]{1,60}?) {0,4}:[ \t]*")
_SIZE = re.compile(r"(\d{1,5})\s*[x×X]\s*(\d{1,5})")
_TITLE_HASH = re.compile(r"\s*\[[0-9a-fA-F]{6,64}\]\s*$")
_NEGATIVE_INSIDE = re.compile(r",?[ \t]{0,4}Negative prompt:", re.I)
_STEPS_INSIDE = re.compile(r",?[ \t]{0,4}(Steps: {0,4}\d+ {0,4},)", re.I)
_TEMPLATE = re.compile(r"(Negative )?Template:", re.I)
_WEIGHT_FILES = (".safetensors", ".ckpt", ".pt", ".gguf")
_EMPTY = ("", "none", "undefined", "null", "unknown")
_NO_FILE = ("Automatic", "None")
"""A1111's words for a VAE that is no file; it writes neither."""


@dataclass(frozen=True, slots=True)
class Parsed:
    """What a text said. `values` are by request field names; all but the prompts have passed their field's check.

    The sampler is as written ('DPM++ 2M Karras'), the checkpoint by bare name beside `checkpoint_hash` (its first hex
    digits): the service knows the names of this installation. `text_encoders` are all files that Forge calls modules,
    a VAE among them too. `unknown` holds every other key as text.
    `pairs` are all keys, by A1111's names, with their texts as the line has them, for a person to read.
    `found` says whether there was a line of parameters at all; without one the whole text is a prompt.
    What is said of extensions stands in `values` by their names, None for those of which nothing is said.
    """

    values: dict[str, Any] = field(default_factory=dict)
    unknown: dict[str, str] = field(default_factory=dict)
    pairs: tuple[tuple[str, str], ...] = ()
    found: bool = False

    @property
    def prompt(self) -> str:
        """The prompt, empty when there was none."""
        return str(self.values.get("prompt", ""))

    @property
    def negative_prompt(self) -> str:
        """The negative prompt, empty when there was none."""
        return str(self.values.get("negative_prompt", ""))


def write(
    request: GenerationRequest,
    index: int = 0,
    version: str = "",
    extras: Mapping[str, Any] | None = None,
    panels: Panels = NO_PANELS,
) -> str:
    """The parameters text of picture `index` (from 0). `extras` are further keys; empty ones are left out.

    panels: what is known of the extensions that the request may name; of others nothing is written.
    """
    pairs = {**_common(request, index), **(extras or {})}
    ordered = {key: pairs[key] for key in ORDER if key in pairs} | pairs
    if version:
        ordered = {key: value for key, value in ordered.items() if key != "Version"} | {"Version": version}
    said = write_panels(request.extensions, panels)
    text = _assemble(request, ordered, said)
    read = parse(text)
    exact = {}
    if read.prompt != request.prompt:
        exact[EXACT_PROMPT] = quote(request.prompt)
    if read.negative_prompt != request.negative_prompt:
        exact[EXACT_NEGATIVE] = quote(request.negative_prompt)
    return _assemble(request, ordered, said | exact) if exact else text


def model_name(title: str) -> str:
    """The bare name in a checkpoint's title: 'name.safetensors [abcdef0123]' is 'name'."""
    name = _TITLE_HASH.sub("", title)
    for ending in _WEIGHT_FILES:
        if name.lower().endswith(ending):
            return name[: -len(ending)]
    return name


def file_name(name: str) -> str:
    """A file's name without the folder that it lies in."""
    return name.replace("\\", "/").rpartition("/")[2]


def parse(text: str, panels: Panels = NO_PANELS) -> Parsed:
    """Read a parameters text of A1111, Forge, ourselves or a site; never fails, the worst case is a prompt.

    panels: of the extensions whose keys are to be read; the keys of all others are unknown.
    """
    text = text[:MAX_LENGTH].replace("\r\n", "\n").replace("\x00", "").strip()
    head, last = _split(text)
    prompt, negative = _split_prompts(head)
    pairs = [(_CANONICAL.get(written.lower(), written), value) for written, value in _pairs(last)]
    values, unknown = _understand_all(pairs)
    values |= take_pairs(unknown)
    if last and panels:
        values[EXTENSIONS], unknown = read_panels(unknown, panels)
    prompt, negative = unknown.pop(EXACT_PROMPT, prompt), unknown.pop(EXACT_NEGATIVE, negative)
    for name, words in (("prompt", prompt), ("negative_prompt", negative)):
        if words is not None:
            values[name] = words
    if last:
        values.setdefault("negative_prompt", "")
    if is_read_the_old_way(unknown.get("Version", ""), prompt, negative or ""):
        values.setdefault("use_old_scheduling", True)
    shown = tuple((key, value) for key, value in pairs if key not in (EXACT_PROMPT, EXACT_NEGATIVE))
    return Parsed(values, unknown, shown, found=bool(last))


def _common(request: GenerationRequest, index: int) -> dict[str, Any]:
    pairs = {row.infotext: getattr(request, row.name) for row in ROWS if row.infotext and request.knows(row.name)}
    modules = enumerate(split_names(request.text_encoders), 1)
    prompts = [text for one in (request, request.with_hires_texts) for text in (one.prompt, one.negative_prompt)]
    return pairs | {
        "Seed": request.seed_of(index),
        "Size": f"{request.width}x{request.height}",
        "Model hash": request.checkpoint_hash[:HASH_LENGTH],
        "Model": model_name(request.checkpoint),
        "VAE hash": request.vae_hash[:HASH_LENGTH],
        "VAE": "" if request.vae in _NO_FILE else file_name(request.vae),
        "Clip skip": request.clip_skip if request.clip_skip > 1 and request.knows("clip_skip") else "",
        **_noise(request, index),
        **_options(request),
        **pairs_of(request.hires, model_name(request.hires.hr_checkpoint_name) if request.hires else ""),
        "Refiner": _refiner(request),
        "Refiner switch at": request.refiner_switch_at if _refiner(request) else "",
        **{FIELDS[name].infotext or "": _precision(request, name) for name in PRECISION_OF.values()},
        **{f"Module {number}": model_name(file_name(name)) for number, name in modules},
        LORAS: hashes_text(prompts[::2], request.lora_hashes, comments=request.enable_prompt_comments),
        EMBEDDINGS: embeddings_text(request.embedding_hashes, prompts),
    }


def _precision(request: GenerationRequest, name: str) -> str:
    return precisions.written(FIELDS[name].infotext or "", getattr(request, name)) if request.knows(name) else ""


def _noise(request: GenerationRequest, index: int) -> dict[str, Any]:
    """What is said of its noise: only what differs from A1111's plain case."""
    known = request.knows("subseed")
    varied = known and request.subseed_strength > 0
    width, height = request.seed_resize_from_w, request.seed_resize_from_h
    return {
        "Variation seed": request.subseed_of(index) if varied else "",
        "Variation seed strength": request.subseed_strength if varied else "",
        RESIZED: f"{width}x{height}" if known and width and height else "",
        "ENSD": request.eta_noise_seed_delta or "" if known else "",
        "RNG": request.randn_source,
    }


def _options(request: GenerationRequest) -> dict[str, Any]:
    """What is said of options for prompts, sampler, schedule and speed: those that were changed, and count."""
    said = {}
    for row in (*LANGUAGE_ROWS, *SAMPLER_ROWS, *SPEED_ROWS):
        value = getattr(request, row.name)
        said[row.infotext or ""] = value if value != row.default and request.knows(row.name) else ""
    return said


def _refiner(request: GenerationRequest) -> str:
    """As A1111 writes it, with the hash behind the name."""
    if request.refiner_checkpoint in ("", *_NO_FILE) or not request.knows("refiner_checkpoint"):
        return ""
    name = model_name(request.refiner_checkpoint)
    return f"{name} [{request.refiner_hash[:HASH_LENGTH]}]" if request.refiner_hash else name


def _assemble(request: GenerationRequest, pairs: Mapping[str, Any], texts: Mapping[str, str]) -> str:
    """texts: further keys, whose values stand as they are."""
    written = [f"{key}: {write_value(value)}" for key, value in pairs.items() if value not in ("", None)]
    before_version = len(written) - ("Version" in pairs)
    written[before_version:before_version] = [f"{key}: {value}" for key, value in texts.items()]
    negative = f"\n{NEGATIVE} {request.negative_prompt}" if request.negative_prompt else ""
    return f"{request.prompt}{negative}\n{', '.join(written)}"


def is_taken(key: str) -> bool:
    """Whether a key of the line means something already, in any spelling, so that no extension can have it."""
    own = {EXACT_PROMPT, EXACT_NEGATIVE, *_HASHES, *_OTHERS}
    return key.lower() in _CANONICAL or key.lower() in {one.lower() for one in own} or bool(_MODULE.fullmatch(key))


def _split(text: str) -> tuple[str, str]:
    """(prompts, the line of parameters); the latter is empty when there is none."""
    negative = _NEGATIVE_INSIDE.search(text) if "\n" not in text else None
    steps = _STEPS_INSIDE.search(text, negative.end()) if negative else None
    if negative and steps and _is_parameters(text[steps.start(1) :]):
        # A site put all of it on one line.
        words = text[negative.end() : steps.start()].strip()
        return f"{text[: negative.start()]}\n{NEGATIVE} {words}", text[steps.start(1) :]
    lines = text.split("\n")
    if _is_parameters(lines[-1]):
        return "\n".join(lines[:-1]), lines[-1]
    # The dynamic prompts extension writes its templates below the parameters.
    for number, line in enumerate(lines[1:], start=1):
        if _TEMPLATE.match(line) and lines[number - 1].startswith("Steps:") and _is_parameters(lines[number - 1]):
            return "\n".join(lines[: number - 1]), lines[number - 1]
    return text, ""


def _is_parameters(line: str) -> bool:
    return len(list(islice(_pairs(line), _MINIMUM_PAIRS))) == _MINIMUM_PAIRS


def _split_prompts(head: str) -> tuple[str, str | None]:
    """(prompt, negative prompt or None): the negative one begins at the first line that says so."""
    lines = head.split("\n")
    for number, line in enumerate(lines):
        start = line.lstrip()
        if start[: len(NEGATIVE)].lower() == NEGATIVE.lower():
            words = start[len(NEGATIVE) :].removeprefix(" ")
            return "\n".join(lines[:number]), "\n".join([words, *lines[number + 1 :]])
    return head, None


def _understand_all(pairs: Iterable[tuple[str, str]]) -> tuple[dict[str, Any], dict[str, str]]:
    values: dict[str, Any] = {}
    unknown: dict[str, str] = {}
    modules: list[str] = []
    for key, value in pairs:
        if _MODULE.fullmatch(key):
            modules.append(value)
            continue
        understood = _understand(key, value)
        if understood is None:
            unknown[key] = value
        else:
            values.update({name: found for name, found in understood.items() if name not in values})
    if modules:
        values["text_encoders"] = join_names(modules)[: int(FIELDS["text_encoders"].maximum or 0)]
    return values, unknown


def _understand(key: str, value: str) -> dict[str, Any] | None:
    """The request fields that a pair sets, or None where it sets none or not a value that a field takes."""
    if key == "VAE" and value.strip().lower() == "none":
        return {"vae": _NO_FILE[1]}
    if value.strip().lower() in _EMPTY and key != FIELDS["emphasis"].infotext:
        return None
    if key == RESIZED and value.strip() == "-1x-1":
        # A1111's older versions write it for none.
        value = "0x0"
    if key == "Clip skip" and value.strip() == "0":
        # Sites write it for none.
        value = "1"
    if key == TILE_KEY and value.strip().isdecimal():
        value = str(max(LEAST_TILE, int(value)))
    if _BY_KEY.get(key) in PRECISION_OF.values():
        value = precisions.read(value)
    if key in _SIZES:
        size = _SIZE.fullmatch(value.strip())
        found: dict[str, Any] = dict(zip(_SIZES[key], map(int, size.groups()), strict=True)) if size else {}
    elif key in _HASHES:
        return {_HASHES[key]: value.strip().lower()} if re.fullmatch(r"[0-9a-fA-F]{6,64}", value.strip()) else None
    elif key in _BY_KEY:
        found = {_BY_KEY[key]: read_value(FIELDS[_BY_KEY[key]].kind, value)}
    else:
        return None
    try:
        return {name: FIELDS[name].check(part) for name, part in found.items()} or None
    except InvalidField:
        return None


def _pairs(line: str) -> Iterator[tuple[str, str]]:
    """The `key: value` pairs of a line; a value may be quoted JSON text, or a JSON list or object as sites write."""
    at = 0
    while at < len(line):
        key = _KEY.match(line, at)
        if key is None:
            at = _after_comma(line, at)
            continue
        value, at = _read_value(line, key.end())
        yield key[1], value


def _read_value(line: str, at: int) -> tuple[str, int]:
    if line[at : at + 1] in ('"', "[", "{"):
        try:
            value, end = json.JSONDecoder(strict=False).raw_decode(line, at)
        except (ValueError, RecursionError):
            pass  # Not JSON after all: plain text that begins with such a mark.
        else:
            if not line[end:].strip() or line[end:].lstrip().startswith(","):
                return value if isinstance(value, str) else line[at:end], _after_comma(line, end)
    end = _after_comma(line, at)
    return line[at:end].rstrip().removesuffix(",").rstrip(), end


def _after_comma(line: str, at: int) -> int:
    comma = line.find(",", at)
    return len(line) if comma < 0 else comma + 1
