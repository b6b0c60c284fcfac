"""launch.py doctor: in about ten lines what this machine can do and what is missing."""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from webui import __version__
from webui.commands.common import begin, command_parser, settings_store, with_flags, write_line
from webui.core.errors import DarkroomError
from webui.core.options import Options
from webui.core.paths import Paths
from webui.core.settings import check_settings
from webui.engine.attention.fitness import unfit
from webui.engine.checkpoints.catalogue import Catalogue
from webui.engine.checkpoints.identify import Kinds
from webui.extension_life.pointer import use_packages
from webui.instance import running
from webui.plugins.loader import build_registry, load_plugins
from webui.plugins.manager import Plugins

_PROBE_SECONDS = 120
_LITTLE_BYTES = 2 * 10**9


@dataclass(frozen=True, slots=True)
class Finding:
    """One line. `ok` is None for what is worth knowing and harms nothing."""

    subject: str
    text: str
    ok: bool | None = True


def run(arguments: list[str]) -> int:
    """Say what is there; 1 when something is missing that pictures need."""
    parser = command_parser("doctor", "Say what this machine can do and what is missing.")
    options = begin(with_flags(parser).parse_args(arguments), "CRITICAL")
    healthy = True
    for finding in _findings(options):
        mark = {True: "ok", False: "!!", None: "--"}[finding.ok]
        write_line(f"{mark}  {finding.subject:<11} {finding.text}")
        healthy = healthy and finding.ok is not False
    return 0 if healthy else 1


def _findings(options: Options) -> Iterator[Finding]:
    paths = options.paths
    yield Finding("Darkroom", f"{__version__} in {paths.program_dir}, data in {paths.data_dir}")
    yield _machine()
    yield _packages(paths)
    found = _probed(paths, options.devices)
    yield from [Finding("Device", found, ok=False)] if isinstance(found, str) else _torch(found, options.devices)
    try:
        settings = settings_store(options)
        current = settings.current
        yield Finding("Settings", settings.message or f"{paths.settings}", ok=None if settings.message else True)
    except DarkroomError as error:
        current = check_settings({})
        yield Finding("Settings", error.detail, ok=False)
    if paths.use_extensions:
        use_packages(paths.state)
    plugins = load_plugins(paths.extensions, "web", current.disabled_extensions)
    yield _attention(plugins, found)
    yield _checkpoints(paths, plugins)
    yield _folder("Pictures", paths.outputs)
    yield _folder("Data", paths.state)
    yield _server(paths)
    yield _extensions(plugins)


def _machine() -> Finding:
    memory = psutil.virtual_memory()
    return Finding(
        "Machine",
        f"{platform.system()} {platform.machine()}, Python {platform.python_version()}, {os.cpu_count()} CPUs, "
        f"{memory.available / 2**30:.1f} of {memory.total / 2**30:.1f} GiB memory free",
    )


def _packages(paths: Paths) -> Finding:
    wrong = []
    pins = re.findall(r"^([\w.-]+)==(\S+)", (paths.program_dir / "requirements.txt").read_text("utf-8"), re.MULTILINE)
    for name, wanted in pins:
        try:
            found = importlib.metadata.version(name).partition("+")[0]
        except importlib.metadata.PackageNotFoundError:
            wrong.append(f"{name} is missing")
            continue
        if found != wanted:
            wrong.append(f"{name} is {found} instead of {wanted}")
    if wrong:
        return Finding("Packages", f"{'; '.join(wrong)}: start launch.py without --skip-install", ok=False)
    return Finding("Packages", f"all {len(pins)} as pinned")


def _probed(paths: Paths, devices: Sequence[str]) -> dict[str, Any] | str:
    """What torch finds, or a sentence why it says nothing."""
    try:
        probe = subprocess.run(
            [sys.executable, "-m", "webui.engine.probe", *dict.fromkeys(devices)],
            capture_output=True,
            text=True,
            timeout=_PROBE_SECONDS,
            check=False,
            env={**os.environ, "PYTHONPATH": str(paths.program_dir)},
        )
        found: dict[str, Any] = json.loads(probe.stdout.strip().rpartition("\n")[2])
    except subprocess.TimeoutExpired:
        return f"torch said nothing within {_PROBE_SECONDS} s"
    except ValueError:
        last = (probe.stderr.strip().splitlines() or ["it said nothing"])[-1]
        return f"torch does not work ({last}): try launch.py --reinstall-torch"
    return found


def _torch(found: Mapping[str, Any], devices: Sequence[str]) -> Iterator[Finding]:
    only_cpu = not found["cuda_devices"] and all(device["device"] == "cpu" for device in found["devices"])
    for device, name in zip(found["devices"], dict.fromkeys(devices), strict=True):
        note = "; there is no GPU, and large models are slow on a CPU" if only_cpu else ""
        yield _device(device, devices.count(name), found["torch"], note)
    idle = found["cuda_devices"] - len(devices)
    if list(devices) == ["auto"] and idle > 0:
        every = ",".join(map(str, range(found["cuda_devices"])))
        yield Finding("GPUs", f"{idle} more {'is' if idle == 1 else 'are'} here: --device-id {every} uses all", ok=None)
    elif only_cpu and shutil.which("nvidia-smi"):
        yield Finding("NVIDIA", "a driver is here, but torch sees no card: try launch.py --reinstall-torch", ok=None)


def _device(device: Mapping[str, Any], workers: int, torch: str, note: str) -> Finding:
    if device["problem"]:
        return Finding("Device", device["problem"], ok=False)
    free, total = device["free_bytes"] / 2**30, device["total_bytes"] / 2**30
    number = f"{workers} workers on " if workers > 1 else ""
    memory = f"{free:.1f} of {total:.1f} GiB free"
    return Finding("Device", f"{number}{device['name']}, {memory}, {device['precision']}, torch {torch}{note}")


def _attention(plugins: Plugins, found: Mapping[str, Any] | str) -> Finding:
    """Which attention backends can serve, and why the others cannot, as far as nothing is tried."""
    devices = [] if isinstance(found, str) else [one for one in found["devices"] if not one["problem"]]
    kinds = [one["device"].partition(":")[0] for one in devices]
    serving, others = list[str](), dict[str, list[str]]()
    for row in build_registry(plugins).attention:
        reason = unfit(row, kinds)
        (others.setdefault(reason, []) if reason else serving).append(row.name)
    text = [f"{', '.join(serving)} can serve", *(f"not {', '.join(them)}: {why}" for why, them in others.items())]
    return Finding("Attention", "; ".join(text))


def _checkpoints(paths: Paths, plugins: Plugins) -> Finding:
    found = Catalogue(paths.model_folders, paths.state, kinds=Kinds.of(build_registry(plugins))).all()
    working = [checkpoint.name for checkpoint in found if checkpoint.problem is None]
    broken = [f"{c.name}: {c.problem}" for c in found if c.problem]
    text = f"{len(working)} usable ({', '.join(working[:3])}{', ...' if len(working) > 3 else ''})"
    if not working:
        text = f"none; put one into {paths.models / 'Stable-diffusion'}"
    return Finding("Checkpoints", "; ".join([text, *broken]), ok=bool(working))


def _folder(subject: str, folder: Path) -> Finding:
    there = folder
    while not there.exists() and there != there.parent:
        there = there.parent
    if not os.access(there, os.W_OK):
        return Finding(subject, f"{folder} cannot be written", ok=False)
    free = shutil.disk_usage(there).free
    return Finding(subject, f"{folder}, {free / 1e9:,.0f} GB free", ok=True if free > _LITTLE_BYTES else None)


def _server(paths: Paths) -> Finding:
    instance = running(paths)
    return Finding("Server", f"runs at {instance.url}" if instance else "none runs on this data folder", ok=None)


def _extensions(plugins: Plugins) -> Finding:
    reports = plugins.reports
    broken = [f"{report.name}: {report.problem}" for report in reports if report.enabled and not report.ok]
    text = f"{sum(report.ok for report in reports)} loaded"
    return Finding("Extensions", "; ".join([text, *broken]), ok=None if broken else True)
