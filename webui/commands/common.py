"""What commands share: their parser, the settings and the engine's options that flags mean."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from webui.core.command_line import Parser, add_flags
from webui.core.errors import InvalidField
from webui.core.flags import COMMON, to_options
from webui.core.logs import start_logging
from webui.core.options import Options
from webui.core.precisions import FIELD_OF
from webui.core.settings import ENVIRONMENT_PREFIX, SettingsStore, check_settings, environment_values
from webui.engine.config import Chunks, EngineConfig

_FIRST_COLUMN, _LAST_COLUMN = 24, 10
"""What a shortened column keeps at least, and what is kept free behind the middle ones."""


def parse_flags(arguments: Sequence[str]) -> Options:
    """The options from the flags alone, whatever else the command line holds."""
    parser = Parser(prog="launch.py", add_help=False)
    add_flags(parser)
    given, _ = parser.parse_known_args([argument for argument in arguments if argument != "--"])
    return to_options(given)


def command_parser(name: str, description: str, usage: str = "") -> Parser:
    """A parser of one command; `usage` are the words between its name and its flags. `with_flags` comes last."""
    line = " ".join(filter(None, ["launch.py", name, usage, "[flags]"]))
    return Parser(prog=f"launch.py {name}", usage=line, description=description)


def with_flags(parser: Parser, shown: Sequence[str] = COMMON) -> Parser:
    """The parser with all flags added; its --help shows the groups in `shown` behind the command's own."""
    add_flags(parser, shown)
    return parser


def begin(given: argparse.Namespace, loglevel: str = "") -> Options:
    """The options of a parsed command line, with logging started and notices said.

    `loglevel` is taken where --loglevel is not given: commands that show results themselves need no log.
    """
    options = to_options(given)
    if loglevel and given.loglevel is None:
        options = replace(options, loglevel=loglevel)
    start_logging(options.loglevel)
    for notice in (*options.notices, *_absent(options)):
        sys.stderr.write(notice + "\n")
    return options


def _absent(options: Options) -> Iterator[str]:
    """A sentence for each folder of models that is named and is not there; it may yet come, so nothing is refused."""
    # --ckpt's file is the last of them; that it must be there is said where the settings are read.
    folders = options.checkpoint_dirs[: -1 if "sd_model_checkpoint" in options.settings else None]
    named = [("--models-dir", options.models_dir), *(("--ckpt-dir", folder) for folder in folders)]
    for flag, folder in [*named, *options.named_folders]:
        if folder and not folder.exists():
            yield f"{flag} names {folder}, where no folder is: nothing is found there."


def settings_store(options: Options) -> SettingsStore:
    """The settings: the file's, with the environment's and the flags' over them."""
    checkpoint = options.settings.get("sd_model_checkpoint")
    if checkpoint and not options.checkpoint_dirs[-1].exists():
        raise InvalidField(
            f"--ckpt names {options.checkpoint_dirs[-1]}, which is not there.",
            remedies=("Correct the path", "launch.py models lists those that are found"),
        )
    if options.data_dir.exists() and not options.data_dir.is_dir():
        raise InvalidField(f"--data-dir names {options.data_dir}, which is no folder.", remedies=("Correct the path",))
    overrides = {**_from_environment(), **options.settings}
    return SettingsStore(options.paths.settings, overrides, frozen=options.freeze_settings)


def _from_environment() -> dict[str, Any]:
    values = environment_values(os.environ)
    try:
        check_settings(values)
    except InvalidField as error:
        variable = ENVIRONMENT_PREFIX + str(error.field).upper()
        raise InvalidField(
            f"The environment's {variable} cannot be used. {error.detail}", remedies=(f"Correct or unset {variable}",)
        ) from error
    return values


def engine_config(options: Options, settings: SettingsStore, *, warm: bool = False) -> EngineConfig:
    """The options of an engine on the first device; `warm` has the settings' checkpoint loaded before anybody asks."""
    current, paths = settings.current, options.paths
    return EngineConfig(
        model_folders=paths.model_folders,
        cache_dir=paths.state,
        extension_folders=paths.extensions,
        disabled_extensions=current.disabled_extensions,
        device=options.devices[0],
        precision=options.precision,
        vae_precision=options.vae_precision,
        vram_mode=options.vram_mode,
        model_budget_bytes=int(current.model_memory_gb * 2**30),
        ram_budget_bytes=int(current.model_ram_gb * 2**30),
        chunks=Chunks(options.sub_quad_q_chunk_size, options.sub_quad_kv_chunk_size, options.sub_quad_chunk_threshold),
        channels_last=current.channels_last,
        fuse_qkv_projections=current.fuse_qkv_projections,
        compile_repeated_blocks=current.compile_repeated_blocks,
        preview_every=current.show_progress_every_n_steps,
        preview_type=current.show_progress_type,
        png_compress_level=current.png_compress_level,
        warm_checkpoint=current.sd_model_checkpoint if warm and options.warm else None,
        warm_precisions={role: getattr(current, name) for role, name in FIELD_OF.items()},
    )


def write_line(text: str) -> None:
    """One line of an answer, on stdout at once."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def table(rows: Sequence[Sequence[Any]], *, shorten: bool = False) -> str:
    """Rows of texts in columns; the last column is not padded.

    shorten: on a terminal, cut long texts of the first column in their middle, so that the others stay on its line.
    """
    texts = [[str(cell) for cell in row] for row in rows]
    if shorten and texts and sys.stdout.isatty():
        others = sum(2 + max(len(row[column]) for row in texts) for column in range(1, len(texts[0]) - 1))
        # The last column's sentences may be longer than any line.
        room = shutil.get_terminal_size().columns - others - _LAST_COLUMN
        texts = [[_shortened(row[0], max(room, _FIRST_COLUMN)), *row[1:]] for row in texts]
    widths = [max(len(row[column]) for row in texts) for column in range(len(texts[0]) - 1)] if texts else []
    return "\n".join(
        "  ".join([*(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=False)), row[-1]]).rstrip()
        for row in texts
    )


def _shortened(text: str, room: int) -> str:
    """The text in so many letters; its end says as much as its beginning, as the hash of a title."""
    if len(text) <= room:
        return text
    end = (room - 1) // 2
    return f"{text[: room - 1 - end]}…{text[-end:]}"
