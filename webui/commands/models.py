"""launch.py models: list the checkpoints, show one with its values, choose one; the way to the works on models."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from webui.commands.common import begin, command_parser, settings_store, table, with_flags, write_line
from webui.commands.model_cards import (
    add_arguments,
    as_json,
    card_lines,
    card_of,
    chosen_of,
    hidden_lines,
    plain_full,
    plain_lines,
    plain_row,
)
from webui.commands.model_facts import HEAD, full, lines, row
from webui.commands.remote import RemoteSession
from webui.core.command_line import split_command
from webui.core.errors import DarkroomError, InvalidField, UnknownName
from webui.core.model_folders import CHECKPOINTS, EMBEDDINGS, LORA, TEXT_ENCODER, VAE
from webui.core.options import Options
from webui.core.registry import Registry
from webui.core.settings import SettingsStore
from webui.engine.cards.shelf import CHECKPOINT, Model
from webui.engine.cards.shelf import Shelf as Cards
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.checkpoint import Checkpoint
from webui.engine.checkpoints.chosen import Used, used
from webui.engine.checkpoints.identify import Kinds
from webui.extension_life.pointer import use_packages
from webui.instance import running
from webui.plugins.loader import build_registry, load_plugins
from webui.plugins.manager import Plugins
from webui.plugins.resolve import resolve


@dataclass(frozen=True, slots=True)
class Shelf:
    """What the subcommands work on."""

    options: Options
    settings: SettingsStore
    registry: Registry
    catalogue: Catalogue


def run(arguments: list[str]) -> int:
    """Do what the first word says: list, show NAME, a work; a name alone is shown, and nothing at all is the list."""
    work, rest = _work(arguments)
    if work:
        code: int = resolve(WORKS[work])(rest)
        return code
    parser = command_parser("models", "List the models, or show one.", "[list | show NAME]")
    parser.epilog = f"Works on models, each with a --help of its own: launch.py models {' | '.join(WORKS)}"
    parser.add_argument(
        "words", nargs="*", metavar="WORD", help="list (the default), or show and a title, name or hash"
    )
    parser.add_argument("--use", action="store_true", help="make NAME the checkpoint of new pictures")
    parser.add_argument("--json", action="store_true", help="one JSON object a line, for programs")
    add_arguments(parser)
    given = with_flags(parser).parse_args(arguments)
    name, words = _split(given.words)
    if name == "list":
        given.kind = given.kind or CHECKPOINT
    if given.use and (name != "show" or not words):
        raise InvalidField("--use needs the name of a checkpoint.", remedies=("launch.py models lists them",))
    return SUBCOMMANDS[name](open_shelf(given), words, given)


def open_shelf(given: argparse.Namespace) -> Shelf:
    """What the subcommands work on, by a parsed command line; a server that runs there lends them its folders."""
    options = begin(given, "ERROR")
    if instance := running(options.paths):
        options = replace(options, more_folders=options.more_folders + instance.folders)
    settings = settings_store(options)
    plugins = plugins_of(options, settings)
    registry = build_registry(plugins)
    catalogue = Catalogue(options.paths.model_folders, options.paths.state, kinds=Kinds.of(registry), hash_large=False)
    return Shelf(options, settings, registry, catalogue)


def plugins_of(options: Options, settings: SettingsStore) -> Plugins:
    """The program's plugins and the extensions that are on, as its page's process has them."""
    paths = options.paths
    if paths.use_extensions:
        use_packages(paths.state)
    return load_plugins(paths.extensions, "web", settings.current.disabled_extensions, state=paths.state)


def _work(arguments: list[str]) -> tuple[str, list[str]]:
    """(the work that is named, the other arguments); "" where it is none."""
    try:
        name, rest = split_command(arguments, WORKS)
    except InvalidField:
        return "", arguments
    return (name, rest) if name in WORKS else ("", arguments)


def _split(words: list[str]) -> tuple[str, list[str]]:
    """(subcommand, its words). A checkpoint's name alone means show, as before there were subcommands."""
    if not words:
        return "list", []
    if words[0] in SUBCOMMANDS:
        return words[0], words[1:]
    return "show", words


def _list(shelf: Shelf, words: list[str], given: argparse.Namespace) -> int:
    """All models of a kind, checkpoints without one; 1 when there is none that works."""
    if words:
        raise InvalidField(f"list takes no name, as '{words[0][:60]}'.", remedies=("launch.py models show NAME",))
    everything = _cards(shelf).all()
    found = chosen_of(everything, given)
    if given.json:
        for model in found:
            write_line(as_json(_full(model, shelf)))
    elif found:
        head = (_WORDS[given.kind].title, *HEAD)
        write_line(table([head, *(_row(model, shelf) for model in found)], shorten=True))
        for line in hidden_lines(found):
            write_line(line)
        if given.kind == CHECKPOINT:
            _tell_other(shelf)
    elif any(model.kind == given.kind for model in everything):
        write_line("No model is so.")
    else:
        write_line(f"There are no {_WORDS[given.kind].plural}; they go into {_folder(shelf, given.kind)}.")
    return int(not any(model.problem is None for model in found))


def _tell_other(shelf: Shelf) -> None:
    """Say which checkpoint is taken where the settings' one is gone or broken."""
    title, works = shelf.settings.current.sd_model_checkpoint, [c for c in shelf.catalogue.all() if c.problem is None]
    if not title or not works:
        return
    try:
        shelf.catalogue.get(title)
    except UnknownName:
        why = f"{title}, which the settings choose, is not in the folders of models."
    except DarkroomError as error:
        why = f"The settings choose {title}. {error.detail}"
    else:
        return
    now = shelf.catalogue.default().title
    write_line(f"{why} Pictures that name no checkpoint are made with {now}, the first that works.")


def _cards(shelf: Shelf) -> Cards:
    paths = shelf.options.paths
    return Cards(shelf.catalogue, shelf.registry, paths.state, paths.other_models)


def _row(model: Model, shelf: Shelf) -> tuple[str, ...]:
    if not isinstance(model.thing, Checkpoint):
        return plain_row(model, shelf.registry)
    return row(
        _used(model.thing, shelf), shelf.registry, chosen=model.title == shelf.settings.current.sd_model_checkpoint
    )


def _full(model: Model, shelf: Shelf) -> dict[str, Any]:
    if not isinstance(model.thing, Checkpoint):
        return plain_full(model, shelf.registry)
    return full(_used(model.thing, shelf), shelf.registry) | card_of(model)


def _used(checkpoint: Checkpoint, shelf: Shelf) -> Used:
    current = shelf.settings.current
    return used(checkpoint, current.sd_vae, current.sd_text_encoders, shelf.catalogue)


def _folder(shelf: Shelf, kind: str) -> Path:
    folder = shelf.catalogue.folder
    return folder if kind == CHECKPOINT else folder.parent / _WORDS[kind].folder


class _Words(NamedTuple):
    """What a kind is called, and the folder that it goes into."""

    title: str
    plural: str
    folder: str


_WORDS: Mapping[str, _Words] = MappingProxyType(
    {
        CHECKPOINT: _Words("Checkpoint", "checkpoints", CHECKPOINTS),
        "vae": _Words("VAE", "VAEs", VAE),
        "text_encoder": _Words("Text encoder", "text encoders", TEXT_ENCODER),
        "lora": _Words("LoRA", "LoRAs", LORA),
        "embedding": _Words("Embedding", "embeddings", EMBEDDINGS),
    }
)


def _show(shelf: Shelf, words: list[str], given: argparse.Namespace) -> int:
    """One model in full, also one that cannot be used; 1 then."""
    if len(words) != 1:
        raise InvalidField(
            "show takes the name of one checkpoint, or of another model.",
            remedies=("Put quotes around a name of several words",),
        )
    if given.use:
        return _choose(shelf, words[0], given.kind)
    try:
        model = _named(shelf, words[0], given.kind)
    except UnknownName as error:
        # A word alone that names no model may have been meant for a subcommand.
        if given.words == words:
            error.remedies += (f"Subcommands: {', '.join((*SUBCOMMANDS, *WORKS))}",)
        raise
    if given.json:
        write_line(as_json(_full(model, shelf)))
        return int(not model.usable)
    if isinstance(model.thing, Checkpoint):
        said = (*lines(_used(model.thing, shelf), shelf.registry), *card_lines(model))
    else:
        said = tuple(plain_lines(model, _WORDS[model.kind].title, shelf.registry))
    for line in said:
        write_line(line)
    return int(not model.usable)


def _choose(shelf: Shelf, name: str, kind: str | None) -> int:
    if kind not in (None, CHECKPOINT):
        raise InvalidField("--use is for checkpoints.", remedies=("Leave --kind out",))
    checkpoint = shelf.catalogue.get(name)
    asyncio.run(_use(checkpoint.title, shelf.options, shelf.settings))
    write_line(f"New pictures are made with {checkpoint.title}.")
    return 0


def _named(shelf: Shelf, name: str, kind: str | None) -> Model:
    """The model of this name; without a kind a checkpoint, else another file. Raises UnknownName."""
    models = _cards(shelf).all()
    if kind in (None, CHECKPOINT):
        try:
            path = shelf.catalogue.find(name).path
            return next(one for one in models if one.kind == CHECKPOINT and one.path == path)
        except UnknownName:
            if kind or not (found := _other(shelf, models, name, [one for one in _WORDS if one != CHECKPOINT])):
                raise
            return found
    found = _other(shelf, models, name, [kind])
    if found is None:
        raise UnknownName(_WORDS[kind].title, name, [one.label for one in models if one.kind == kind])
    return found


def _other(shelf: Shelf, models: Sequence[Model], name: str, kinds: Sequence[str]) -> Model | None:
    """The first file of these kinds that is called so: by its path, its name, or as prompts call it."""
    catalogue = shelf.catalogue
    lora, word = catalogue.adapters.find(name), catalogue.embeddings.find(name)
    meant = {"lora": lora and lora.path, "embedding": word and word.path}
    wanted = name.strip().replace("\\", "/").casefold()
    for kind in kinds:
        own = [model for model in models if model.kind == kind]
        for model in own:
            if meant.get(kind) == model.path or wanted in (model.name.casefold(), model.label.casefold()):
                return model
    return None


Subcommand = Callable[[Shelf, list[str], argparse.Namespace], int]
SUBCOMMANDS: Mapping[str, Subcommand] = MappingProxyType({"list": _list, "show": _show})
"""What may stand first; a checkpoint of such a name is shown by `show`."""


WORKS: Mapping[str, str] = MappingProxyType(
    {
        "merge": "webui.commands.models_merge:run",
        "convert": "webui.commands.models_convert:convert",
        "prune": "webui.commands.models_convert:prune",
        "get": "webui.commands.models_get:run",
        "unload": "webui.commands.models_unload:run",
    }
)
"""The works on models, and what gives their memory back; what they need is imported when one is named."""


async def _use(title: str, options: Options, settings: SettingsStore) -> None:
    """Change the setting; through the running server if there is one, which would never look into the file again."""
    change = {"sd_model_checkpoint": title}
    instance = running(options.paths)
    if instance is None:
        settings.update(change)
        return
    async with RemoteSession.open(instance) as session:
        await session.update_settings(change)
