"""launch.py models convert and prune: a checkpoint in another form, or without what nothing reads."""

from __future__ import annotations

from webui.commands.common import command_parser, with_flags
from webui.commands.models_work import carry_out, open_library
from webui.core.command_line import one_of
from webui.core.model_work import DIFFUSERS, FORMATS, PRECISIONS, ROLES, Convert, Prune


def convert(arguments: list[str]) -> int:
    """Write the checkpoint in another form; 0 when it is there."""
    parser = command_parser(
        "models convert", "Write a checkpoint as one file or as a folder in diffusers' form, in any precision.", "NAME"
    )
    parser.add_argument("checkpoint", metavar="NAME", help="a title, name or hash")
    parser.add_argument(
        "--to",
        "--form",
        type=one_of(*FORMATS, DIFFUSERS),
        default="safetensors",
        help="safetensors, ckpt or diffusers (a folder)",
    )
    shown = ", ".join(PRECISIONS)
    parser.add_argument("--save-as", type=one_of(*PRECISIONS), metavar="PRECISION", help=f"{shown} (its own)")
    for role in ROLES:
        words = role.replace("_", " ")
        parser.add_argument(
            f"--save-{role.replace('_', '-')}-as",
            type=one_of(*PRECISIONS),
            metavar="PRECISION",
            help=f"the same for the {words} alone",
        )
    parser.add_argument("--name", default="", help="the new checkpoint's name; by default the old one with another end")
    parser.add_argument("--overwrite", action="store_true", help="replace a checkpoint of that name")
    given = with_flags(parser, ()).parse_args(arguments)
    wanted = {role: getattr(given, f"save_{role}_as") or given.save_as for role in ROLES}
    precision = {role: one for role, one in wanted.items() if one}
    request = Convert(given.to, precision, given.overwrite, given.checkpoint, given.name)
    return carry_out("convert", request, open_library(given))


def prune(arguments: list[str]) -> int:
    """Write the checkpoint without what no part of it reads; 0 when it is there."""
    parser = command_parser(
        "models prune", "Write a checkpoint without what nothing reads: averages, optimizer states.", "NAME"
    )
    parser.add_argument("checkpoint", metavar="NAME", help="a title, name or hash")
    parser.add_argument("--keep-ema", action="store_true", help="keep the averaged weights in place of the others")
    parser.add_argument("--to", type=one_of(*FORMATS), default="safetensors", help="safetensors or ckpt")
    parser.add_argument("--name", default="", help="the new checkpoint's name; by default the old one and -pruned")
    parser.add_argument("--overwrite", action="store_true", help="replace a checkpoint of that name")
    given = with_flags(parser, ()).parse_args(arguments)
    request = Prune(given.keep_ema, given.overwrite, given.to, given.checkpoint, given.name)
    return carry_out("prune", request, open_library(given))
