"""launch.py models merge: one new checkpoint of up to three."""

from __future__ import annotations

import argparse

from webui.commands.common import command_parser, with_flags
from webui.commands.models_work import carry_out, open_library
from webui.core.command_line import Parser, one_of
from webui.core.errors import InvalidField
from webui.core.model_work import (
    ADD_DIFFERENCE,
    DIFFUSERS,
    FORMATS,
    METADATA_FROM,
    METHODS,
    NO_INTERPOLATION,
    PRECISIONS,
    WEIGHTED_SUM,
    Merge,
)

_BY_COUNT = {2: WEIGHTED_SUM, 3: ADD_DIFFERENCE}
_EXAMPLES = """\
examples:
  launch.py models merge one two --multiplier 0.4 --save-as fp16
  launch.py models merge mine theirs base --method "Add difference" -M 1
  launch.py models merge one --bake-vae nice.safetensors --name one-with-vae
  launch.py models merge darkroom-starter mine --format diffusers --name second
"""


def run(arguments: list[str]) -> int:
    """Merge them; 0 when the new checkpoint is there."""
    given = _parser().parse_args(arguments)
    if not 1 <= len(given.names) <= 3:
        raise InvalidField("merge takes the names of one to three checkpoints: A, B and C.")
    a, b, c = [*given.names, "", ""][:3]
    request = Merge(
        interp_method=given.method or _method(given),
        multiplier=given.multiplier,
        precision=given.save_as or "",
        format=given.format,
        discard_weights=given.discard,
        metadata_from=given.metadata_from,
        add_merge_recipe=not given.no_recipe,
        custom_name=given.name,
        overwrite=given.overwrite,
        primary_model_name=a,
        secondary_model_name=b,
        tertiary_model_name=c,
        bake_in_vae=given.bake_vae,
    )
    request.check()
    return carry_out("merge", request, open_library(given))


def _method(given: argparse.Namespace) -> str:
    """By how many are named. One alone is merged with nothing, for another VAE or form; else B is missing."""
    changed = given.bake_vae or given.save_as or given.discard or given.format != FORMATS[0]
    return NO_INTERPOLATION if len(given.names) == 1 and changed else _BY_COUNT.get(len(given.names), WEIGHTED_SUM)


def _parser() -> Parser:
    parser = command_parser(
        "models merge",
        "Merge checkpoints of SD1, SD2 or SDXL as A1111's merger does: A * (1 - M) + B * M, or A + (B - C) * M.",
        "A [B [C]]",
    )
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLES
    parser.add_argument("names", nargs="+", metavar="NAME", help="A, B and C: titles, names or hashes")
    parser.add_argument(
        "--method", type=one_of(*METHODS), help=f"{', '.join(METHODS)}; by default, by how many are named"
    )
    parser.add_argument("-M", "--multiplier", type=float, default=0.3, metavar="X", help="M, from 0 to 1 (0.3)")
    parser.add_argument(
        "--save-as", type=one_of(*PRECISIONS[:-1]), metavar="PRECISION", help="fp32, fp16 or bf16 (A's)"
    )
    parser.add_argument(
        "--format",
        type=one_of(*FORMATS, DIFFUSERS),
        default="safetensors",
        help="safetensors, ckpt or diffusers (a folder of A's form)",
    )
    parser.add_argument(
        "--bake-vae", default="", metavar="NAME", help="put this VAE in: a name in models/VAE, or a path"
    )
    parser.add_argument(
        "--discard",
        default="",
        metavar="REGEX",
        help="leave out tensors whose names this regular expression is found in",
    )
    parser.add_argument(
        "--metadata-from", type=one_of(*METADATA_FROM), default="A", help="whose metadata goes on: A, B, C or none"
    )
    parser.add_argument("--no-recipe", action="store_true", help="do not write of which models it is made")
    parser.add_argument("--name", default="", help="the new checkpoint's name; by default as A1111 makes it")
    parser.add_argument("--overwrite", action="store_true", help="replace a checkpoint of that name")
    return with_flags(parser, ())
