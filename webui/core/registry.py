"""Rows of the kinds that extensions may add, and the tables that find them by name or alias."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import Any, Generic, Literal, Protocol, TypeVar

from webui.core.errors import DarkroomError, UnknownName, nearest
from webui.core.hook_rows import Guidance, MetadataReader, ModelSource, PostProcessing, Route, Script
from webui.core.job_request import RequestKinds
from webui.core.model_work import ModelWork
from webui.core.panels import Panels
from webui.core.sampler_fields import OF_LEVELS, OPTIONS
from webui.core.upscaler_rows import Upscaler


class Row(Protocol):
    """What every table asks of its rows."""

    @property
    def name(self) -> str: ...
    @property
    def aliases(self) -> tuple[str, ...]: ...


RowT = TypeVar("RowT", bound=Row)


MEASURED = "measured"
"""A `Family.prediction` that is found out when a model is loaded, from what its network answers."""


@dataclass(frozen=True, slots=True)
class Sampler:
    """A sampling method. `function` is "module:function", resolved only in the worker (see engine/samplers/base.py)."""

    name: str
    function: str
    aliases: tuple[str, ...] = ()
    schedule: str = "Automatic"
    """The schedule that 'Automatic' means for this sampler."""
    order: int = 1
    """2 for those that A1111 marks as second order: they ask twice in most steps. Programs read it over the API."""
    options: tuple[str, ...] = ()
    """What it reads of `SamplerContext.options`: fields of a request (core/sampler_fields.py), by name.

    A row that names anything else is refused; there are no options of an extension's own yet. What a row does not name
    is not handed to it, and not said of its pictures. Those of levels are handed to the function in `levels`.
    """
    uses_timesteps: bool = False
    """True for samplers that walk the model's own timesteps (DDIM), whose first sigma need not be sigma_max."""
    levels: str = ""
    """A `ScheduleFunction` ("module:function") of its own, in place of the one that Automatic and Uniform name."""
    ignores_schedule: bool = False
    """Whether it walks its own `levels` under every schedule."""
    drops_next_to_last: bool = False
    """Whether the schedule is made for one step more, and the level before its last left out."""
    uses_ensd: bool = False
    """Whether the eta noise seed delta counts for its noise."""
    package: str = ""
    """What must be installed beside the program, by the name it is imported by; without it requests are refused."""
    group: str = "Built in"
    extension: str = ""
    """Whose row it is; set when an extension's rows are collected."""

    def __post_init__(self) -> None:
        """Raise DarkroomError for an option that no request has."""
        _check_options(f"sampler '{self.name}'", self.options, OPTIONS)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A table of noise levels. `function` is "module:function" with the signature of `ScheduleFunction`."""

    name: str
    function: str
    aliases: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    """Fields of a request (core/sampler_fields.py) that shape its levels; a row that names others is refused.

    The function takes them by name, but for sigma_min and sigma_max, which are the ends of the `model` that it gets.
    """
    flow: bool = True
    """Whether it can be computed for flow models, whose noise levels end at 1."""
    endings: tuple[str, ...] = ()
    """How old aliases of samplers say it at their end, as in k_dpmpp_2m_ka; they are no names of its own."""
    extension: str = ""
    """Whose row it is; set when an extension's rows are collected."""

    def __post_init__(self) -> None:
        """Raise DarkroomError for an option that shapes no levels."""
        _check_options(f"schedule '{self.name}'", self.options, OF_LEVELS)


def _check_options(what: str, names: Collection[str], known: Collection[str]) -> None:
    for name in names:
        if name not in known:
            near = nearest(name, known)
            hint = f"Did you mean '{near}'?" if near else f"There are {', '.join(sorted(known))}."
            raise DarkroomError(f"The {what} names the option '{name}', which it cannot have. {hint}")


@dataclass(frozen=True, slots=True)
class Architecture:
    """A kind of network that checkpoints are put together of; it is known by its tensors, never by a file's name.

    `recognise` is "module:function" of `Recognise` (engine/checkpoints/architectures/base.py), which runs in the web
    process too and imports no torch. `build` makes the network of a form's config, in the worker; there too each of
    `layouts`, from a naming that `recognise` tells to a `Layout` (engine/layouts/base.py).
    """

    name: str
    title: str
    role: Literal["denoiser", "vae", "text_encoder"]
    recognise: str
    build: str
    layouts: Mapping[str, str]
    places: tuple[str, ...] = ()
    """What its tensors' names begin with in files that hold more than this one network."""
    classes: tuple[str, ...] = ()
    """The class names by which the configurations of diffusers folders call it."""
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Need:
    """A part that a family's models are made of; `part` is its folder's name in diffusers' form ("text_encoder_2").

    facts: what the network's form must say (engine/checkpoints/architectures), a tuple where several values will do.
    same: facts that must equal another part's, as in {"width": "unet.context_width"}.
    optional: a model without it works.
    names: words in the names of files that tell apart what the form does not; the first that fits is preferred.
    """

    part: str
    architecture: str
    facts: Mapping[str, Any] = dataclass_field(default_factory=dict)
    same: Mapping[str, str] = dataclass_field(default_factory=dict)
    optional: bool = False
    names: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Variant:
    """A kind of model inside a family, known by facts of its denoiser.

    scheduler: what a folder's scheduler configuration must say besides, where there is one. names: words of which the
    file's or folder's name must have one, where there is none; such a name is a hint, so it may choose no more than
    defaults. defaults: of fields of a request, in place of the family's. abilities, size_multiple: in place of the
    family's.
    """

    name: str
    facts: Mapping[str, Any]
    defaults: Mapping[str, Any] = dataclass_field(default_factory=dict)
    abilities: tuple[str, ...] | None = None
    scheduler: Mapping[str, Any] = dataclass_field(default_factory=dict)
    names: tuple[str, ...] = ()
    size_multiple: int | None = None


@dataclass(frozen=True, slots=True)
class Family:
    """A model family, all that there is to know of it: a checkpoint is found, listed, counted and loaded by its row.

    `function` names what loads one, in the worker (engine/families/base.py). `needs` says what it is made of, the
    denoiser first, and by that its files are known. `count_tokens` runs in the web process too and imports no torch:
    (checkpoint, text) -> (tokens, room in the chunks they fill).
    """

    name: str
    title: str
    function: str
    needs: tuple[Need, ...]
    """None are named where only a whole folder says of itself what it is (engine/checkpoints/stock.py)."""
    count_tokens: str
    native_size: int
    """Side in pixels that the family was trained at."""
    sizes: tuple[tuple[int, int], ...]
    size_multiple: int = 8
    """Pixels; width and height must be multiples of it, and of what the fields ask for anyway."""
    steps: int = 20
    cfg_scale: float = 7.0
    samplers: tuple[str, ...] = ()
    """The samplers that are right for it, its default first; none named means all, with the field's default.

    A name that is no row's means that its models compute their steps themselves, with a sampler of their own.
    """
    flow: bool = False
    """Whether its models are flow models, whose noise levels go from 0 to 1."""
    abilities: tuple[str, ...] = ("cfg",)
    """What its models understand besides a prompt: "cfg" (a scale and a negative prompt), "cfg_scale" (a
    scale alone), "distilled_cfg"."""
    forms: str = ""
    """Names how its models are written ("module:name", engine/checkpoints/forms); "" for those that are only read."""
    emphasis: bool = False
    """Whether its models weigh words: what is encoded and counted then has emphasis as it was typed, else words alone.
    """
    read_tokens: str = ""
    """Names what tells of each text encoder what it is told (engine/checkpoints/encoders.py), torch-free; "" leaves it
    at `count_tokens`."""
    embeddings: tuple[tuple[str, str], ...] = ()
    """Its text encoders that take embeddings, in order: (part, what files with vectors for several encoders call its;
    "" where it takes those of files for one alone). `count_tokens` of such a family is told which words are some:
    (checkpoint, text, words)."""
    prediction: str = ""
    """What its models are taken to predict where nothing says it: "epsilon" (noise), or MEASURED; "" where there is no
    such question."""
    tiny_decoder: str = ""
    """The name of the TAESD-like decoder of its latents, as its file is called; "" where there is none."""
    variants: tuple[Variant, ...] = ()
    """Asked in order; without one that fits the model is the family's plain kind."""
    aliases: tuple[str, ...] = ()

    def abilities_of(self, variant: str) -> tuple[str, ...]:
        """What models of this variant understand besides a prompt."""
        own = next((row.abilities for row in self.variants if row.name == variant), None)
        return self.abilities if own is None else own

    def multiple_of(self, variant: str) -> int:
        """Of what the sides of this variant's pictures must be multiples, in pixels."""
        return next((row.size_multiple for row in self.variants if row.name == variant), None) or self.size_multiple


@dataclass(frozen=True, slots=True)
class AttentionBackend:
    """A way to compute attention. `function` is "module:function", called in the worker with the place to compute at.

    It returns what computes, (query, key, value, mask, scale) -> answer, or raises where it cannot serve
    (engine/attention/base.py). What the other fields rule out is not even tried: torch's own attention computes then,
    and the job is told.
    """

    name: str
    title: str
    function: str
    aliases: tuple[str, ...] = ()
    package: str = ""
    """What must be installed, by the name it is imported by."""
    devices: tuple[str, ...] = ()
    """Kinds of device, as torch calls them; none named means all."""
    dtypes: tuple[str, ...] = ()
    """"fp32", "fp16", "bf16"; none named means all."""
    head_sizes: Collection[int] = ()
    """Widths of a head that it can compute; none named means all."""
    masks: bool = True
    """Whether it can compute with a mask."""


@dataclass(frozen=True, slots=True)
class Work:
    """A work on models' files, done in the workshop as a job of its own; `name` is the job's task.

    `accept`, `files` and `function` are "module:function". `accept` checks a request when it comes, in the web process
    and without torch: (request, library) -> the request with canonical names. `files` finds what it names, there and in
    the workshop: (request, library) -> files, which have a `target`. `function` does it: (request, files, progress,
    should_stop) -> the path of what it made, or a Made where that is words. See engine/work/library.py and
    engine/work/base.py.
    """

    name: str
    title: str
    request: type[ModelWork]
    accept: str
    files: str
    function: str
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Tab:
    """A tab of the page. `build` is "module:function"; it is called inside the tab's Gradio context with the page."""

    name: str
    build: str
    elem_id: str
    order: int
    """A1111's place: txt2img 10, img2img 20, Extras 30, PNG Info 40, Models 50, Gallery 60, Queue 70,
    Extensions 80, Settings 90."""
    owner_only: bool = False
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Command:
    """A command of the program. `run` is "module:function", called with the arguments after the command's name."""

    name: str
    run: str
    help: str
    aliases: tuple[str, ...] = ()


class Table(Generic[RowT]):
    """Rows of one kind, in order, found by name or alias without regard to case.

    Built once from what the hooks collected; two rows that claim one name are an error that names both origins.
    """

    def __init__(self, kind: str, rows: Iterable[RowT], field: str | None = None) -> None:
        self.kind = kind
        self._field = field
        self._rows: list[RowT] = []
        self._by_name: dict[str, RowT] = {}
        for row in rows:
            self.add(row)

    def add(self, row: RowT) -> None:
        """Add one row; raises DarkroomError when one of its names is taken."""
        # In their order, so that of two that are taken it is always the same one that is told.
        keys = dict.fromkeys(name.casefold() for name in (row.name, *row.aliases))
        for key in keys:
            if key in self._by_name:
                other = self._by_name[key].name
                raise DarkroomError(f"Two rows of kind '{self.kind}' claim the name '{key}': '{other}', '{row.name}'.")
        self._rows.append(row)
        self._by_name.update(dict.fromkeys(keys, row))

    def __iter__(self) -> Iterator[RowT]:
        return iter(self._rows)

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, name: str) -> bool:
        return name.casefold() in self._by_name

    def names(self) -> list[str]:
        """The rows' names, in order."""
        return [row.name for row in self._rows]

    def get(self, name: str) -> RowT:
        """The row with this name or alias; raises UnknownName with the nearest known name."""
        row = self._by_name.get(name.casefold())
        if row is None:
            raise UnknownName(self.kind, name, self.names(), field=self._field)
        return row


@dataclass(frozen=True, slots=True)
class Registry:
    """All tables of one process. Torch-free; `plugins.loader.build_registry` fills it through the hooks."""

    samplers: Table[Sampler]
    schedules: Table[Schedule]
    families: Table[Family]
    architectures: Table[Architecture]
    attention: Table[AttentionBackend]
    guidance: Table[Guidance]
    post_processing: Table[PostProcessing]
    scripts: Table[Script]
    routes: Table[Route]
    model_sources: Table[ModelSource]
    metadata_readers: Table[MetadataReader]
    tabs: Table[Tab]
    commands: Table[Command]
    works: Table[Work]
    upscalers: Table[Upscaler]
    panels: Panels = dataclass_field(default_factory=dict)
    """The fields of extensions."""

    @property
    def request_kinds(self) -> RequestKinds:
        """By which stored requests are read."""
        return RequestKinds({work.name: work.request for work in self.works})

    def own_sampler(self, family: Family) -> str | None:
        """What stands in place of a sampler for models that compute their steps themselves; None for all others."""
        return next((name for name in family.samplers if name not in self.samplers), None)

    def split_sampler(self, name: str) -> tuple[str, str | None]:
        """Canonical (sampler, schedule) of a name that may carry a schedule at its end.

        As in 'DPM++ 2M Karras', 'k_dpmpp_2m_karras' and 'k_dpmpp_2m_ka'. Blanks around it do not count.
        """
        plain = name.strip()
        if plain in self.samplers:
            return self.samplers.get(plain).name, None
        for schedule in self.schedules:
            for label in (schedule.name, *schedule.aliases, *schedule.endings):
                head = plain[: -len(label)].rstrip(" _")
                if plain.casefold().endswith(label.casefold()) and head in self.samplers:
                    return self.samplers.get(head).name, schedule.name
        raise UnknownName("sampler", name, self.samplers.names(), field="sampler_name")


Resolver = Callable[[str], Any]
"""Turns "module:function" into the function; only the process that needs it calls it (plugins.resolve.resolve)."""
