"""launch.py models get: fetch a model from the hub, from CivitAI or from any address."""

from __future__ import annotations

import argparse
import getpass
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from webui.commands.common import begin, command_parser, settings_store, with_flags, write_line
from webui.commands.models import plugins_of
from webui.commands.models_work import carry_out, library_of
from webui.core.command_line import Parser, one_of
from webui.core.errors import InvalidField
from webui.core.model_work import KINDS, Download
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.work.download.found import Found
from webui.engine.work.download.tokens import NAME, TokenFile, check_host
from webui.engine.work.library import download_files
from webui.plugins.model_sources import sources_of

_EXAMPLES = """\
examples:
  launch.py models get owner/repository/model.safetensors
  launch.py models get "https://civitai.com/models/12345?modelVersionId=67890"
  launch.py models get https://example.org/lora.safetensors --kind LoRA --look
  launch.py models get --token-for huggingface.co
"""


def run(arguments: list[str]) -> int:
    """Look, say what was found, fetch it; 0 when it is there."""
    given = _parser().parse_args(arguments)
    options = begin(given, "ERROR")
    tokens = options.paths.state / NAME
    if given.token_for:
        return _keep_token(given.token_for.lower(), TokenFile(tokens))
    if not given.address:
        raise InvalidField("Say what to get: owner/repository/file, or an address.", remedies=("See --help",))
    # Catalogues are not asked: nothing here is looked for on this machine.
    sources = sources_of(plugins_of(options, settings_store(options)))
    library = library_of(options, lambda: Catalogue(()), sources)
    request = Download(given.address, given.revision, given.file, given.kind or "", given.name, given.overwrite)
    files = download_files(request, library)
    found, place = files.found, files.target
    if given.json:
        write_line(json.dumps({**asdict(found), "size": found.size, "target": str(place)}, ensure_ascii=False))
    else:
        sys.stderr.write("".join(f"{line}\n" for line in _lines(found, place)))
    if given.look:
        return 0
    return carry_out("download", request, library, files)


def _parser() -> Parser:
    parser = command_parser("models get", "Fetch a model into its folder.", "ADDRESS")
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.epilog = _EXAMPLES
    parser.add_argument("address", nargs="?", default="", metavar="ADDRESS", help="owner/repository/file, or a link")
    parser.add_argument("--revision", default="", help="of a repository on the hub: a branch, a tag or a commit")
    parser.add_argument("--file", default="", metavar="NAME", help="which file, where there are several")
    parser.add_argument("--kind", type=one_of(*KINDS), help=f"{', '.join(KINDS)}; found out by default")
    parser.add_argument("--name", default="", help="its name here; by default the server's")
    parser.add_argument("--look", action="store_true", help="only say what it is, how large, under which licence")
    parser.add_argument("--overwrite", action="store_true", help="replace a file of that name")
    parser.add_argument("--json", action="store_true", help="what was found as JSON, for programs")
    parser.add_argument(
        "--token-for", default="", metavar="HOST", help="keep a token for this server, asked for or read from stdin"
    )
    return with_flags(parser, ())


def _lines(found: Found, place: Path) -> Iterator[str]:
    size = f"{found.size / 2**20:,.0f} MiB" if found.size is not None else "unknown"
    files = f", {len(found.files)} files" if found.is_folder else ""
    yield found.name
    yield f"  kind        {found.kind}"
    yield f"  size        {size}{files}"
    yield f"  licence     {found.licence or 'not told'}"
    if len(found.files) == 1 and found.files[0].sha256:
        yield f"  sha256      {found.files[0].sha256}"
    if found.trained_words:
        yield f"  words       {', '.join(found.trained_words)}"
    if found.page:
        yield f"  from        {found.page}"
    yield f"  goes to     {place}"


def _keep_token(host: str, tokens: TokenFile) -> int:
    """Keep a token that is typed unseen or comes by stdin: on a command line others could read it."""
    check_host(host)
    asked = f"Token for {host} (nothing forgets it): "
    token = (getpass.getpass(asked) if sys.stdin.isatty() else sys.stdin.readline()).strip()
    tokens.put(host, token)
    write_line(f"The token for {host} is {'kept' if token else 'forgotten'}.")
    return 0
