"""The settings: one model that the page draws itself from, and the file that keeps what a person has set."""

from __future__ import annotations

import json
import logging
import os
import tempfile
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_origin

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from webui.core.errors import Faults, InvalidField, NotAllowed, StorageProblem, UnknownName
from webui.core.noise_fields import MAX_SEED
from webui.core.noise_sources import CHOICES as SOURCES
from webui.core.noise_sources import Source
from webui.core.precisions import CHOICES, Precision

log = logging.getLogger(__name__)

ENVIRONMENT_PREFIX = "DARKROOM_"

MODELS = "Models"
SAVING = "Saving pictures"
PREVIEWS = "Live previews"
RUNNING = "Making pictures"
GUESTS = "Guests"
PAGE = "Page"
EXTENSIONS = "Extensions"

_PRECISIONS = dict(zip(CHOICES, ("Automatic", "32 bits", "16 bits (fp16)", "16 bits (bf16)", "8 bits"), strict=True))


def _row(
    section: str,
    catalogue: str | None = None,
    *,
    labels: Mapping[str, str] | None = None,
    inverted: bool = False,
    restart: bool = False,
) -> dict[str, Any]:
    """What the page needs besides title, help and limits: a section, the catalogue that the values are names of or
    the labels of the values themselves, whether the page ticks the names that are not in the list, and whether a
    change waits for the next start.
    """
    return {
        "section": section,
        **({"catalogue": catalogue} if catalogue else {}),
        **({"labels": dict(labels)} if labels else {}),
        **({"inverted": True} if inverted else {}),
        **({"restart": True} if restart else {}),
    }


class Settings(BaseModel):
    """All settings with their defaults. Names are A1111's option names where it has one."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    sd_model_checkpoint: str = Field(
        "",
        title="Checkpoint",
        description="The model that new pictures are made with; empty takes the first one found.",
        max_length=500,
        json_schema_extra=_row(MODELS, "checkpoints"),
    )
    sd_vae: str = Field(
        "Automatic",
        title="VAE",
        description="The VAE of new pictures: a file's name, Automatic, or None for the one inside the checkpoint. "
        "A checkpoint that it does not fit takes its own.",
        max_length=500,
        json_schema_extra=_row(MODELS, "vaes"),
    )
    sd_text_encoders: str = Field(
        "",
        title="Text encoders",
        description="Files with text encoders for new pictures, with commas between them; empty takes what fits.",
        max_length=2000,
        json_schema_extra=_row(MODELS),
    )
    attention: str = Field(
        "sdpa",
        title="Attention",
        description="How attention is computed where a request names nothing else.",
        max_length=100,
        json_schema_extra=_row(RUNNING, "attention"),
    )
    denoiser_precision: Precision = Field(
        "Automatic",
        title="Denoiser precision",
        description="What the denoiser's weights are kept in where a request says nothing else.",
        json_schema_extra=_row(RUNNING, labels=_PRECISIONS),
    )
    text_encoder_precision: Precision = Field(
        "Automatic",
        title="Text encoder precision",
        description="The same for the text encoders.",
        json_schema_extra=_row(RUNNING, labels=_PRECISIONS),
    )
    vae_precision: Precision = Field(
        "Automatic",
        title="VAE precision",
        description="The same for the VAE.",
        json_schema_extra=_row(RUNNING, labels=_PRECISIONS),
    )
    randn_source: Source = Field(
        "CPU",
        title="Random number source",
        description="Where noise is drawn. CPU: one picture on every device. NV: what CUDA cards draw, also without "
        "one, as most pictures of A1111 were made. GPU: the device's own.",
        json_schema_extra=_row(RUNNING, labels={source: source for source in SOURCES}),
    )
    eta_noise_seed_delta: int = Field(
        0,
        title="Eta noise seed delta",
        description="Added to the seed for the noise of the steps of ancestral samplers (ENSD).",
        ge=0,
        le=MAX_SEED,
        json_schema_extra=_row(RUNNING),
    )
    unload_after_minutes: float = Field(
        0.0,
        title="Unload models after so many idle minutes",
        description="Gives the memory back while nobody makes pictures; the next job loads its model again. 0 never.",
        ge=0,
        le=10_080,
        json_schema_extra=_row(MODELS),
    )
    interrupt_after_current: bool = Field(
        True,
        title="Interrupt finishes the current picture",
        description="Off: the first press of Interrupt already ends at this step and keeps the picture as it is.",
        json_schema_extra=_row(RUNNING),
    )
    png_compress_level: int = Field(
        1,
        title="PNG compression",
        description="0 writes fastest, 9 makes the smallest files; the picture is the same.",
        ge=0,
        le=9,
        json_schema_extra=_row(SAVING, restart=True),
    )
    live_previews_enable: bool = Field(
        True,
        title="Show live previews",
        description="Show the picture while it is made; costs a little time for each preview.",
        json_schema_extra=_row(PREVIEWS),
    )
    show_progress_type: Literal["Full", "TAESD"] = Field(
        "TAESD",
        title="Live preview method",
        description="TAESD uses the small decoders in models/VAE-approx, and the model's VAE where there is none.",
        json_schema_extra=_row(PREVIEWS, labels={"Full": "Full", "TAESD": "TAESD"}, restart=True),
    )
    show_progress_every_n_steps: int = Field(
        1,
        title="Preview every so many steps",
        description="1 previews each step.",
        ge=1,
        le=150,
        json_schema_extra=_row(PREVIEWS, restart=True),
    )
    max_waiting_visitor: int = Field(
        4,
        title="Waiting jobs of a guest",
        description="How many jobs one guest of a shared page may have waiting.",
        ge=1,
        le=1000,
        json_schema_extra=_row(GUESTS),
    )
    max_pictures_visitor: int = Field(
        16,
        title="Pictures in a guest's job",
        description="How many pictures one job of a guest may make.",
        ge=1,
        le=1600,
        json_schema_extra=_row(GUESTS),
    )
    theme: Literal["system", "light", "dark"] = Field(
        "system",
        title="Theme",
        description="What the page begins with; the switch in its head is kept in each browser.",
        json_schema_extra=_row(PAGE, labels={"system": "System", "light": "Light", "dark": "Dark"}),
    )
    quicksettings_list: tuple[str, ...] = Field(
        ("sd_model_checkpoint", "sd_vae"),
        title="Quicksettings",
        description="The settings that stand in the head of the page. The checkpoint always does.",
        max_length=100,
        json_schema_extra=_row(PAGE, "quicksettings", restart=True),
    )
    disabled_extensions: tuple[str, ...] = Field(
        (),
        title="Extensions",
        description="Each is loaded unless it is switched off.",
        max_length=1000,
        json_schema_extra=_row(EXTENSIONS, "extensions", inverted=True, restart=True),
    )


def environment_values(environ: Mapping[str, str]) -> dict[str, Any]:
    """Settings given as DARKROOM_<NAME>; lists are written with commas. Other DARKROOM_ variables are not ours."""
    values: dict[str, Any] = {}
    for name, field in Settings.model_fields.items():
        text = environ.get(ENVIRONMENT_PREFIX + name.upper())
        if text is not None:
            is_list = get_origin(field.annotation) is tuple
            values[name] = [part.strip() for part in text.split(",") if part.strip()] if is_list else text
    return values


def check_settings(values: Mapping[str, Any]) -> Settings:
    """Settings from loose values over the defaults; raises InvalidField, InvalidRequest when several are wrong."""
    faults = Faults()
    for name in values:
        if name not in Settings.model_fields:
            faults.add(UnknownName("setting", str(name), Settings.model_fields, field=str(name)[:60]))
    try:
        settings = Settings(**{name: value for name, value in values.items() if name in Settings.model_fields})
    except ValidationError as error:
        for complaint in error.errors():
            faults.add(_of_complaint(str(complaint["loc"][0]), complaint["msg"]))
    faults.raise_found()
    return settings


def _of_complaint(name: str, said: str) -> InvalidField:
    # pydantic goes on behind a comma with how it failed to read a text.
    said = said.replace("Input should be", "must be").partition(", unable to parse")[0]
    said = said if said.startswith("must be") else f"is wrong: {said}"
    return InvalidField(f"{Settings.model_fields[name].title} {said}.", field=name)


class SettingsStore:
    """The settings in force: the file's values with `overrides` (environment and flags) over them. Thread-safe.

    `message` is a sentence when the file was damaged and set aside. A `frozen` store refuses every change.
    """

    def __init__(self, path: Path, overrides: Mapping[str, Any] | None = None, *, frozen: bool = False) -> None:
        self.path = path
        self.frozen = frozen
        self.message: str | None = None
        self._overrides = dict(overrides or {})
        self._lock = threading.Lock()
        check_settings(self._overrides)
        self._saved = self._read()
        self._current = self._combine(self._saved)

    @property
    def current(self) -> Settings:
        """The settings now; a frozen value."""
        return self._current

    @property
    def fixed(self) -> frozenset[str]:
        """Names that the environment or a flag has set, which cannot be changed while this process runs."""
        return frozenset(self._overrides)

    def update(self, values: Mapping[str, Any]) -> Settings:
        """Change these settings and save the file; all or none.

        Raises InvalidField for a value that cannot be taken, NotAllowed where settings are frozen, StorageProblem.
        """
        with self._lock:
            changed = {name: value for name, value in check_settings(values) if name in values}
            changed = {name: value for name, value in changed.items() if getattr(self._current, name) != value}
            if changed and self.frozen:
                raise NotAllowed("The settings are frozen: Darkroom was started with --freeze-settings.")
            for name in changed:
                if name in self._overrides:
                    raise InvalidField(
                        f"{Settings.model_fields[name].title} was set when Darkroom was started, by a flag or by "
                        f"{ENVIRONMENT_PREFIX}{name.upper()}, and cannot be changed while it runs.",
                        field=name,
                    )
            if not changed:
                return self._current
            saved = {**self._saved, **changed}
            write_atomically(self.path, json.dumps(saved, ensure_ascii=False, indent=2, sort_keys=True) + "\n")
            self._saved = saved
            self._current = self._combine(saved)
            return self._current

    def _combine(self, saved: Mapping[str, Any]) -> Settings:
        # Names of a newer version stay in the file untouched, so that going back and forth loses nothing.
        return check_settings(
            {name: value for name, value in saved.items() if name in Settings.model_fields} | self._overrides
        )

    def _read(self) -> dict[str, Any]:
        try:
            data = json.loads(self.path.read_text("utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StorageProblem(
                f"The settings file {self.path} cannot be read: {error.strerror or error}.",
                remedies=("Give this user the right to read it", "Start with --ui-settings-file and another file"),
            ) from error
        except ValueError:
            return self._set_aside({}, "is damaged")
        if not isinstance(data, dict):
            return self._set_aside({}, "is damaged")
        good, bad = {}, []
        for name, value in data.items():
            try:
                good[name] = getattr(check_settings({name: value}), name) if name in Settings.model_fields else value
            except InvalidField as error:
                bad.append(error.detail)
        return self._set_aside(good, f"holds a value that cannot be used ({' '.join(bad)})") if bad else data

    def _set_aside(self, kept: dict[str, Any], why: str) -> dict[str, Any]:
        aside = self.path.with_name(f"{self.path.stem}.damaged-{time.strftime('%Y%m%d-%H%M%S')}{self.path.suffix}")
        try:
            self.path.replace(aside)
            if kept:
                write_atomically(self.path, json.dumps(kept, ensure_ascii=False, indent=2, sort_keys=True) + "\n")
        except OSError as error:
            raise StorageProblem(f"{self.path} {why}, and cannot be set aside: {error.strerror or error}.") from error
        rest = "The other settings are kept." if kept else "The defaults are in force."
        self.message = f"The settings file {why}. It was set aside as {aside.name}. {rest}"
        log.warning("%s", self.message)
        return kept


def write_atomically(path: Path, text: str) -> None:
    """Write the file whole or leave it as it was, also through a crash; raises StorageProblem when it cannot be."""
    temporary = ""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".new")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise StorageProblem(
            f"{path} cannot be written: {error.strerror or error}.",
            remedies=("Make room on the disk", "Give this user the right to write there"),
        ) from error
