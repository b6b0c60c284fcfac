"""A1111's flags, one row each: what a flag sets, or the sentence that says why it sets nothing here."""

from __future__ import annotations

import argparse
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

from webui.core.errors import InvalidField
from webui.core.model_folders import LAYOUTS, ModelFolders
from webui.core.options import Options

Kind = Literal["switch", "text", "int", "path"]

_ORIGIN = re.compile(r"https?://[^\s/?#]+/?", re.IGNORECASE)
_SUBPATH = re.compile(r"[\w./~-]*")
_DEVICE = re.compile(r"(?P<other>cpu|mps)|cuda|(?:cuda:)?(?P<number>[0-9]+)")

_BOUNDS = (
    ("sub_quad_q_chunk_size", 1, 1_000_000),
    ("sub_quad_kv_chunk_size", 0, 1_000_000),
    ("sub_quad_chunk_threshold", 0, 100),
)

PAGE = "the page and its address"
PEOPLE = "other people and programs"
FOLDERS = "folders and files"
MACHINE = "device and precision"
START = "the start"
COMMON = (FOLDERS, MACHINE, START)
"""Groups that every command knows by its --help; the others matter to the page only."""


@dataclass(frozen=True, slots=True)
class Flag:
    """One flag. `sets` are options for a switch, `option` the one that takes the value, `setting` likewise.

    `folders` names the layout (model_folders.LAYOUTS) of the folder or file that follows; such a flag may be repeated.
    `values` maps A1111's words to ours; with it no other word is taken. `notice` is said when the flag is given and
    changes nothing, `refused` when the program will not start with it. `launcher` flags are launch.py's to act on.
    """

    name: str
    kind: Kind
    group: str
    help: str
    metavar: str = ""
    sets: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    option: str = ""
    setting: str = ""
    folders: str = ""
    values: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    many: bool = False
    notice: str = ""
    refused: str = ""
    launcher: bool = False

    @property
    def takes_value(self) -> bool:
        """Whether a value follows the flag."""
        return self.kind != "switch"

    @property
    def repeats(self) -> bool:
        """Whether it may be given several times, and each counts."""
        return self.many or bool(self.folders)

    @property
    def shown_value(self) -> str | None:
        """What stands for the value in a help; None for a switch."""
        return (self.metavar or "{" + ",".join(self.values) + "}") if self.takes_value else None

    @property
    def works(self) -> bool:
        """Whether the flag does what its help says."""
        return not (self.notice or self.refused)


def _folders(name: str, layout: str, what: str, metavar: str = "FOLDER") -> Flag:
    return Flag(name, "path", FOLDERS, f"{what}; may be given several times.", metavar, folders=layout)


def _later(name: str, kind: Kind, group: str, what: str, metavar: str = "") -> Flag:
    return Flag(name, kind, group, f"Not yet: {what}", metavar, notice=what)


def _several(name: str, option: str, what: str, metavar: str) -> Flag:
    return Flag(name, "path", FOLDERS, f"{what}; may be given several times.", metavar, option=option, many=True)


def _attention(name: str, backend: str, what: str) -> Flag:
    """It sets the setting, which a request may pass by; see plugins/builtin/attention.py for the names."""
    return Flag(name, "switch", MACHINE, what, sets={"setting:attention": backend})


def _memory(name: str, mode: str, what: str) -> Flag:
    return Flag(name, "switch", MACHINE, what, sets={"vram_mode": mode})


FLAGS: tuple[Flag, ...] = (
    Flag("--listen", "switch", PAGE, "Let other machines of the network open the page.", sets={"listen": True}),
    Flag("--port", "int", PAGE, "The page's port; without it 7860 or the next free one.", "N", option="port"),
    Flag("--server-name", "text", PAGE, "The address to listen at, as 192.168.1.2.", "HOST", option="server_name"),
    Flag("--subpath", "text", PAGE, "Serve below a path, behind a proxy.", "PATH", option="subpath"),
    Flag("--autolaunch", "switch", PAGE, "Open the page in the browser.", sets={"autolaunch": True}),
    Flag(
        "--theme",
        "text",
        PAGE,
        "Colours of the page.",
        setting="theme",
        values={"light": "light", "dark": "dark", "system": "system"},
    ),
    Flag("--tls-keyfile", "path", PAGE, "The key for https.", "FILE", option="tls_keyfile"),
    Flag("--tls-certfile", "path", PAGE, "The certificate for https.", "FILE", option="tls_certfile"),
    _later("--nowebui", "switch", PAGE, "the server always has its page; /api/v1 is there beside it."),
    Flag("--share", "switch", PEOPLE, "Make a public address through Gradio's tunnel.", sets={"share": True}),
    Flag("--gradio-auth", "text", PEOPLE, "Accounts, as name:password,name:password.", "ACCOUNTS", option="accounts"),
    Flag("--gradio-auth-path", "path", PEOPLE, "A file with accounts, one a line.", "FILE", option="accounts_file"),
    Flag(
        "--cors-allow-origins",
        "text",
        PEOPLE,
        "Sites whose pages may call the API, with commas between them.",
        "URLS",
        option="origins",
    ),
    _later("--api", "switch", PEOPLE, "A1111's /sdapi/v1 is not built; Darkroom's own /api/v1 is always on."),
    _later("--api-auth", "text", PEOPLE, "it guards /sdapi/v1, which is not built; use --gradio-auth.", "ACCOUNTS"),
    Flag("--data-dir", "path", FOLDERS, "Models, outputs, extensions and data lie there.", "FOLDER", option="data_dir"),
    Flag("--models-dir", "path", FOLDERS, "The folder with the model folders.", "FOLDER", option="models_dir"),
    Flag("--ckpt", "path", FOLDERS, "The checkpoint to make pictures with.", "FILE", option="checkpoint"),
    _several("--ckpt-dir", "checkpoint_dirs", "A further folder with checkpoints", "FOLDER"),
    _folders("--vae-dir", "vae_dir", "A further folder with VAEs"),
    _folders("--text-encoder-dir", "text_encoder_dir", "A further folder with text encoders"),
    _folders("--a1111-home", "a1111_home", "Use the models of an A1111 in this folder"),
    _folders("--forge-ref-a1111-home", "a1111_home", "Forge's name for --a1111-home"),
    _folders("--forge-home", "a1111_home", "Use the models of a Forge in this folder"),
    _folders("--comfy-home", "comfy_home", "Use the models of a ComfyUI in this folder"),
    _folders("--invoke-home", "invoke_home", "Use the models of an InvokeAI with this root folder"),
    _folders("--extra-model-paths", "comfy_file", "A file of folders, as ComfyUI's extra_model_paths.yaml", "FILE"),
    Flag("--ui-settings-file", "path", FOLDERS, "The file that keeps the settings.", "FILE", option="settings_path"),
    _folders("--lora-dir", "lora_dir", "A further folder with LoRAs"),
    _folders("--embeddings-dir", "embeddings_dir", "A further folder with embeddings"),
    _later("--esrgan-models-path", "path", FOLDERS, "upscaler models are not read.", "FOLDER"),
    _later("--controlnet-dir", "path", FOLDERS, "ControlNets are not read.", "FOLDER"),
    _several(
        "--styles-file", "styles_files", "Styles in place of styles.csv; * in its name takes all that fit", "FILE"
    ),
    Flag("--no-half", "switch", MACHINE, "Compute in full precision (fp32).", sets={"precision": "fp32"}),
    Flag(
        "--precision",
        "text",
        MACHINE,
        "full computes in fp32, half in fp16, autocast in what the device does best.",
        option="precision",
        values={"full": "fp32", "half": "fp16", "autocast": "auto"},
    ),
    Flag("--no-half-vae", "switch", MACHINE, "The VAE computes in fp32.", sets={"vae_precision": "fp32"}),
    Flag("--fp32-vae", "switch", MACHINE, "ComfyUI's name for --no-half-vae.", sets={"vae_precision": "fp32"}),
    Flag("--bf16-vae", "switch", MACHINE, "The VAE computes in bf16.", sets={"vae_precision": "bf16"}),
    Flag("--fp16-vae", "switch", MACHINE, "The VAE computes in fp16.", sets={"vae_precision": "fp16"}),
    Flag(
        "--use-cpu",
        "text",
        MACHINE,
        "all: compute on the CPU.",
        sets={"devices": ("cpu",)},
        values={"all": "all", "sd": "sd"},
    ),
    Flag(
        "--device-id",
        "text",
        MACHINE,
        "Which devices compute, each in a process of its own: 0 or 0,1 for CUDA's, or cpu, or mps.",
        "DEVICES",
        option="device_id",
    ),
    _attention("--opt-sdp-attention", "sdpa", "Attention by torch's scaled dot product, which is the default."),
    _attention(
        "--opt-sdp-no-mem-attention",
        "sdp-no-mem",
        "Attention by torch's scaled dot product without its memory-efficient kernel.",
    ),
    _attention("--xformers", "xformers", "Attention by xFormers where it is installed and has a card."),
    _attention("--force-enable-xformers", "xformers", "The same as --xformers: it is tried before it is used."),
    _attention("--opt-sub-quad-attention", "sub-quadratic", "Attention in chunks that never take much memory."),
    Flag(
        "--sub-quad-q-chunk-size",
        "int",
        MACHINE,
        "Queries in one chunk of sub-quadratic attention (default: 1024).",
        "N",
        option="sub_quad_q_chunk_size",
    ),
    Flag(
        "--sub-quad-kv-chunk-size",
        "int",
        MACHINE,
        "Keys in one chunk, where keys are cut (default: the square root of their number).",
        "N",
        option="sub_quad_kv_chunk_size",
    ),
    Flag(
        "--sub-quad-chunk-threshold",
        "int",
        MACHINE,
        "Percent of the free memory that all scores may fill before keys are cut (default: 70; 0 always cuts).",
        "PERCENT",
        option="sub_quad_chunk_threshold",
    ),
    _attention("--opt-split-attention", "split", "Attention in as many slices as the free memory needs."),
    _attention("--opt-split-attention-v1", "split", "The same as --opt-split-attention (its older form in A1111)."),
    _attention(
        "--opt-split-attention-invokeai", "split", "The same as --opt-split-attention (InvokeAI's form in A1111)."
    ),
    Flag(
        "--disable-opt-split-attention",
        "switch",
        MACHINE,
        "Without effect: split attention computes only where it is chosen.",
        notice="split attention is never chosen by itself, only by --opt-split-attention, a setting or a request.",
    ),
    _attention("--use-sage-attention", "sage", "Attention by SageAttention where it is installed and has a card."),
    _attention(
        "--use-flash-attention", "flash", "Attention by the package flash-attn where it is installed and has a card."
    ),
    _attention("--use-pytorch-cross-attention", "sdpa", "The same as --opt-sdp-attention (ComfyUI's name)."),
    _attention("--use-split-cross-attention", "split", "The same as --opt-split-attention (ComfyUI's name)."),
    _attention("--use-quad-cross-attention", "sub-quadratic", "The same as --opt-sub-quad-attention (ComfyUI's name)."),
    _attention("--attention-pytorch", "sdpa", "The same as --opt-sdp-attention (Forge's name)."),
    _attention("--attention-split", "split", "The same as --opt-split-attention (Forge's name)."),
    _attention("--attention-quad", "sub-quadratic", "The same as --opt-sub-quad-attention (Forge's name)."),
    _later(
        "--upcast-sampling", "switch", MACHINE, "sampling is in fp32 already; only the network is in half precision."
    ),
    _memory("--medvram", "medvram", "Models wait in RAM, and one network at a time is on the card."),
    _memory("--medvram-sdxl", "medvram-sdxl", "The same for SDXL; others wait in RAM where the card has no room."),
    _memory("--lowvram", "lowvram", "The same, and of large networks one block at a time is on the card."),
    _memory("--highvram", "none", "ComfyUI's: models are never in RAM, even where the card has no room for them."),
    Flag(
        "--opt-channelslast",
        "switch",
        MACHINE,
        "Convolutions with the channels side by side in memory.",
        sets={"setting:channels_last": True},
    ),
    Flag("--skip-install", "switch", START, "Install nothing at the start.", launcher=True),
    Flag("--reinstall-torch", "switch", START, "Install torch anew.", launcher=True),
    Flag("--torch-index-url", "text", START, "Where torch comes from, as for ROCm.", "URL", launcher=True),
    Flag("--disable-all-extensions", "switch", START, "Load no extensions.", sets={"use_extensions": False}),
    Flag("--safe-mode", "switch", START, "The same: start without any extension.", sets={"use_extensions": False}),
    Flag("--freeze-settings", "switch", START, "Let nobody change the settings.", sets={"freeze_settings": True}),
    Flag(
        "--skip-load-model-at-start",
        "switch",
        START,
        "Load the checkpoint with the first picture, not at the start.",
        sets={"warm": False},
    ),
    Flag(
        "--loglevel",
        "text",
        START,
        "How much is logged.",
        option="loglevel",
        values={level: level for level in ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")},
    ),
    Flag(
        "--no-hashing",
        "switch",
        START,
        "Without effect: a request names its checkpoint by hash.",
        notice="each request holds its checkpoint's hash; a file is hashed once and then known.",
    ),
    Flag(
        "--enable-insecure-extension-access",
        "switch",
        PEOPLE,
        "Let the owner install extensions while the page is shared; guests never can.",
        sets={"insecure_extension_access": True},
    ),
    Flag(
        "--disable-safe-unpickle",
        "switch",
        START,
        "Refused: pickled checkpoints can run code.",
        refused="a pickled checkpoint can run any code on this machine, so the check of such files cannot be switched "
        "off. Use the checkpoint's .safetensors file.",
    ),
)

BY_NAME: Mapping[str, Flag] = MappingProxyType({flag.name: flag for flag in FLAGS})


def to_options(given: argparse.Namespace) -> Options:
    """The options that the parsed flags mean. Raises InvalidField for a refused flag and for values that clash."""
    values: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    notices: list[str] = []
    for flag in FLAGS:
        value = getattr(given, flag.name[2:].replace("-", "_"), None)
        if value is None:
            continue
        if flag.refused:
            raise InvalidField(f"{flag.name} is refused: {flag.refused}", remedies=("Start without it",))
        if flag.notice:
            notices.append(f"{flag.name} changes nothing: {flag.notice}")
        for name, fixed in flag.sets.items():
            target, _, setting = name.partition(":")
            if setting:
                settings[setting] = fixed
            else:
                values[target] = fixed
        value = flag.values.get(value, value) if isinstance(value, str) else value
        if flag.setting:
            settings[flag.setting] = value
        if flag.option:
            values[flag.option] = tuple(value) if flag.many else value
        for path in value if flag.folders else ():
            values["more_folders"] = values.get("more_folders", ModelFolders()) + LAYOUTS[flag.folders](path)
            values["named_folders"] = (*values.get("named_folders", ()), (flag.name, path))
    return _combined(values, settings, tuple(notices))


def _device(text: str) -> str:
    """The device that one word of --device-id means: A1111's number is CUDA's."""
    found = _DEVICE.fullmatch(text.strip().casefold())
    if found is None:
        raise InvalidField(
            f"--device-id takes numbers from 0, cpu or mps, with commas between them, not '{text}'.",
            remedies=("Write --device-id 0,1",),
        )
    return found["other"] or f"cuda:{int(found['number'] or 0)}"


def _origin(text: str) -> str:
    """A site as browsers name it: without a path, or it would never be the one that asks."""
    if not _ORIGIN.fullmatch(text):
        raise InvalidField(
            f"--cors-allow-origins takes whole sites with commas between them, not '{text[:60]}'.",
            remedies=("As in --cors-allow-origins https://example.org,http://192.168.1.2:8080",),
        )
    return text.rstrip("/").casefold()


def _combined(values: dict[str, Any], settings: dict[str, Any], notices: tuple[str, ...]) -> Options:
    device_id = values.pop("device_id", None)
    if device_id is not None:
        if "devices" in values:
            raise InvalidField(
                "--use-cpu and --device-id cannot be given together.", remedies=("Leave one of them out",)
            )
        values["devices"] = tuple(map(_device, device_id.split(",")))
    checkpoint = values.pop("checkpoint", None)
    if checkpoint is not None:
        values["checkpoint_dirs"] = (*values.get("checkpoint_dirs", ()), checkpoint)
        settings["sd_model_checkpoint"] = checkpoint.name
    port = values.get("port")
    if port is not None and not 1 <= port <= 65535:
        raise InvalidField(f"--port must be between 1 and 65,535, not {port}.", remedies=("Leave it out for 7860",))
    if bool(values.get("tls_keyfile")) != bool(values.get("tls_certfile")):
        raise InvalidField("https needs both --tls-keyfile and --tls-certfile.", remedies=("Give both, or none",))
    if "origins" in values:
        values["origins"] = tuple(_origin(part.strip()) for part in values["origins"].split(",") if part.strip())
    for name, least, most in _BOUNDS:
        if not least <= values.get(name, least) <= most:
            flag = f"--{name.replace('_', '-')}"
            raise InvalidField(
                f"{flag} must be between {least:,} and {most:,}, not {values[name]:,}.",
                remedies=("Leave it out for the usual value",),
            )
    if not _SUBPATH.fullmatch(values.get("subpath", "")):
        raise InvalidField(
            f"--subpath takes the path of an address, not '{values['subpath'][:40]}'.",
            remedies=("As in --subpath /pictures",),
        )
    return replace(Options(), **values, settings=settings, notices=notices)


def table_text() -> str:
    """docs/flags.md, made from the rows."""
    lines = [
        "# Flags",
        "",
        "A1111's spelling, on the command line or in the `COMMANDLINE_ARGS` variable. Made from the table in",
        "`webui/core/flags.py`; `tests/core/test_flags.py` compares, and says how this page is written anew.",
    ]
    for group in (PAGE, PEOPLE, FOLDERS, MACHINE, START):
        lines += ["", f"## {group[:1].upper()}{group[1:]}", "", "| flag | what it does |", "|---|---|"]
        for flag in (flag for flag in FLAGS if flag.group == group):
            value = f" {flag.shown_value}" if flag.takes_value else ""
            why = f" {flag.refused[:1].upper()}{flag.refused[1:]}" if flag.refused else ""
            lines.append(f"| `{flag.name}{value}` | {flag.help}{why} |")
    return "\n".join(lines) + "\n"
