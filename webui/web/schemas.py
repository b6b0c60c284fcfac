"""The API's bodies and answers as pydantic models; those about the fields of a request are in field_schemas.py."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict
from pydantic import Field as Describe

from webui.core.prompt.emphasis import ORIGINAL
from webui.web.worker_schemas import WorkerOut


class Strict(BaseModel):
    """A body in which nothing unknown is taken."""

    model_config = ConfigDict(extra="forbid", strict=True)


class TokensRequest(Strict):
    """The body of POST /tokens: a prompt, and the values of a request that decide how it is read."""

    text: Annotated[str, Describe(max_length=100_000)]
    checkpoint: Annotated[str, Describe(max_length=200)] = ""
    negative: bool = False
    steps: Annotated[int, Describe(ge=1, le=150)] = 20
    emphasis: Annotated[str, Describe(max_length=20)] = ORIGINAL
    enable_prompt_comments: bool = True
    use_old_scheduling: bool = False


class InfotextRequest(Strict):
    """The body of POST /infotext."""

    text: Annotated[str, Describe(max_length=100_000)]


class FaultOut(BaseModel):
    """One of several things that are wrong with a request."""

    type: str
    detail: str
    field: str | None = None
    remedies: list[str] = []


class ProblemOut(BaseModel):
    """Every error's body (RFC 9457, application/problem+json). `errors` has all faults when there are several."""

    type: str
    title: str
    detail: str
    status: int
    field: str | None = None
    remedies: list[str] = []
    report: str | None = None
    errors: list[FaultOut] = []


class InfotextValue(BaseModel):
    """One value of an infotext, as it is written there."""

    label: str
    value: str


class PictureOut(BaseModel):
    """A saved picture. `created` in Unix seconds; `url` and `thumb` are paths on this server.

    `prompt`, `negative_prompt` and `values`, in its order, are what `infotext` says.
    """

    id: str
    job_id: str
    index: int
    seed: int
    width: int
    height: int
    infotext: str
    prompt: str
    negative_prompt: str
    values: list[InfotextValue]
    created: float
    stopped_at: int | None
    name: str
    url: str
    thumb: str


class MadeOut(BaseModel):
    """What a work on models has made. title: as the checkpoints' list has it, "" for what is no checkpoint.

    path: where it lies, told to the owner alone. text: a caption; name is then its captioner.
    """

    name: str
    path: str
    title: str
    text: str


class JobOut(BaseModel):
    """A job. Times in Unix seconds; `position` counts from 0 and is null unless the job waits.

    summary: what it is about, in a line. parent: the script's job that asked for it. result: of a work on models that
    is done. notes: sentences about what was done otherwise than asked, as long as they are remembered. reason: why it
    waits again, goes before others or was passed by one; empty where there is nothing to say.
    """

    id: str
    owner: str
    mine: bool
    task: str
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    created: float
    started: float | None
    ended: float | None
    attempts: int
    interrupted: bool
    summary: str
    request: dict[str, Any]
    result: MadeOut | None
    parent: str | None
    problem: ProblemOut | None
    timings: dict[str, float] | None
    position: int | None
    reason: str
    notes: list[str]
    pictures: list[PictureOut]


class JobsOut(BaseModel):
    """Jobs, newest first; `next` is the `before` of the page after this one."""

    jobs: list[JobOut]
    next: float | None


class PicturesOut(BaseModel):
    """Pictures, newest first; `next` is the `before` of the page after this one."""

    pictures: list[PictureOut]
    next: float | None


class QueueOut(BaseModel):
    """The line: its numbers for everybody, and the jobs that the asker may see, running ones first."""

    running: int
    waiting: int
    paused: bool
    jobs: list[JobOut]


class ClearedOut(BaseModel):
    """How many waiting jobs were cancelled."""

    cancelled: int


class SamplerOut(BaseModel):
    """A sampling method; `options` are the fields that count for it. One that is not available is refused in requests.

    package: what must be installed beside the program, by the name it is imported by. reason: why it is not available,
    a sentence without its full stop; "" where it is.
    """

    name: str
    aliases: list[str]
    schedule: str
    order: int
    options: list[str]
    group: str
    package: str
    available: bool
    reason: str


class SamplersOut(BaseModel):
    """All sampling methods."""

    samplers: list[SamplerOut]


class SchedulerOut(BaseModel):
    """A schedule type; `options` are the fields that shape it."""

    name: str
    aliases: list[str]
    options: list[str]


class SchedulersOut(BaseModel):
    """All schedule types."""

    schedulers: list[SchedulerOut]


class UpscalerOut(BaseModel):
    """What makes a picture larger; latent: it stretches the latents, which become no picture in between."""

    name: str
    aliases: list[str]
    latent: bool


class UpscalersOut(BaseModel):
    """All upscalers."""

    upscalers: list[UpscalerOut]


class PartOut(BaseModel):
    """A network that a checkpoint is made of; `part` is its folder's name in diffusers' form.

    precision: what most of its numbers are kept in. file: the file that it was taken from, where that is not the
    checkpoint's own. by: the rule that chose it where a request names none: setting, sidecar (its darkroom.json), card,
    neighbour (a VAE beside it under its name), inside, or fit (the best of what fits).
    """

    part: str
    role: str
    title: str
    precision: str
    parameters: int
    size_bytes: int
    file: str | None
    by: str


class CheckpointOut(BaseModel):
    """A checkpoint. `defaults` are values of all fields for it; `sizes` the sizes its family was trained for.

    format: safetensors, ckpt, gguf or diffusers. precision: of the network that makes the picture. prediction_type:
    what the files say it predicts ("epsilon" for noise, "v_prediction"), empty where nothing says it;
    prediction_assumed is then what is taken for it, "measured" where that is found out when it is loaded. size_bytes:
    of all its files. missing: parts that were found nowhere. unused: why a VAE that is preferred for it is not used,
    else empty. card: what is said of it for people to read. abilities: what it understands besides a prompt ("cfg",
    "cfg_scale", "distilled_cfg", "refiner", "noise", "hires"); unknown_fields are those of a request that mean nothing
    to it, samplers and schedulers what it takes. latents: checkpoints with one word, not empty, can be each other's
    refiner. size_multiple: its sides are multiples of so many pixels.
    """

    title: str
    name: str
    hash: str
    family: str
    family_title: str
    variant: str
    format: str
    precision: str
    prediction_type: str
    prediction_assumed: str
    size_bytes: int
    parts: list[PartOut]
    missing: list[str]
    unused: str
    card: dict[str, str]
    abilities: list[str]
    unknown_fields: list[str]
    latents: str
    size_multiple: int
    samplers: list[str]
    schedulers: list[str]
    problem: str | None
    defaults: dict[str, Any]
    sizes: list[tuple[int, int]]
    examples: list[str]
    about: list[str]


class CheckpointsOut(BaseModel):
    """All checkpoints that were found; `folder`, where further ones go, is told to the owner alone."""

    checkpoints: list[CheckpointOut]
    folder: str | None


class ModuleOut(BaseModel):
    """A file with networks that checkpoints may lack, as a request names it. role: vae or text_encoder.

    title: what kind of network, precision: what most of its numbers are kept in. fits: the families that take it.
    """

    name: str
    role: str
    title: str
    precision: str
    size_bytes: int
    fits: list[str]
    problem: str | None


class ModulesOut(BaseModel):
    """All files with VAEs and text encoders that were found."""

    modules: list[ModuleOut]


class You(BaseModel):
    """Who is asking."""

    id: str
    level: str
    name: str


class StatusOut(BaseModel):
    """What the head of the page shows. `worker` is the first of `workers`."""

    worker: WorkerOut
    workers: list[WorkerOut]
    queue: dict[str, Any]
    you: You
    messages: list[str]
    settings: dict[str, Any]


class SettingsOut(BaseModel):
    """The settings' values and the JSON schema that describes them."""

    model_config = ConfigDict(populate_by_name=True)

    values: dict[str, Any]
    schema_: Annotated[dict[str, Any], Describe(alias="schema")]


class TokensOut(BaseModel):
    """Tokens in a text, and the room in the blocks of 75 they fill."""

    tokens: int
    limit: int


class InfotextOut(BaseModel):
    """What a parameters text says: values by field name, and what is unknown here."""

    values: dict[str, Any]
    unknown: dict[str, str]


class PictureReadOut(InfotextOut):
    """What a picture's file says of how it was made. `reader` is who could read it, "" where nobody could.

    `pairs` are its values without the prompts, in its order, for a person to read.
    """

    reader: str
    pairs: list[InfotextValue]
    infotext: str
    width: int
    height: int
    problems: list[str]


class EntranceOut(BaseModel):
    """An address that makes the browser that opens it first the owner's; a path on this server."""

    path: str
