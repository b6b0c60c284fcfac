"""The worker process's main: an engine at the end of the pipe. The only module of the queue's house with torch."""

from __future__ import annotations

import gc
import logging
import os
import threading
from collections.abc import Sequence
from functools import partial

from webui.core.errors import first_line
from webui.core.model_memory import Unloaded
from webui.engine.allocator import give_back, keep_freed_memory
from webui.engine.config import EngineConfig
from webui.engine.device import choose_device, is_fatal
from webui.engine.engine import Engine
from webui.extension_life.pointer import use_packages
from webui.jobs.executors.base import LeftOut, Verb, WorkerStatus
from webui.jobs.executors.messages import Broken, Cancel, Gone, Submit, Tell, Unload
from webui.jobs.executors.process import Link, end_it
from webui.plugins.loader import build_registry, load_plugins
from webui.plugins.manager import ExtensionReport, Plugins
from webui.plugins.watch import Watch

log = logging.getLogger(__name__)


def main(link: Link, config: EngineConfig) -> None:
    """Serve the web process until it says stop."""
    if config.cache_dir is not None and config.extension_folders:
        use_packages(config.cache_dir)
    plugins = load_plugins(
        config.extension_folders,
        "worker",
        config.disabled_extensions,
        link.marks,
        state=config.cache_dir,
        told=config.told,
    )

    news = threading.Event()

    def give_up(error: BaseException) -> None:
        # The device or the loop is of no use any more in this process; the web process starts another.
        what = "The device failed" if is_fatal(error) else "The loop that computes pictures failed"
        link.report(Broken(f"{what}: {first_line(error)}"))
        os._exit(3)

    if any(report.ok for report in plugins.reports):
        Watch(plugins.meter, partial(end_it, link))
    # All that was imported stays. Looked through whenever a model leaves, and when Python collects by itself, it would
    # hold up every thread for tenths of a second.
    gc.collect()
    gc.freeze()
    if choose_device(config.device).type == "cpu":
        keep_freed_memory()
    engine = Engine(config, build_registry(plugins), plugins, link.output, on_fatal=give_up, on_news=news.set)
    link.status(_status(engine, plugins))
    threading.Thread(target=_keep_status, args=(link, engine, plugins, news), name="status", daemon=True).start()
    for command in link.commands():
        match command:
            case Submit():
                engine.submit(command.job_id, command.request, command.done, command.alone)
            case Tell():
                _tell(engine, command)
            case Cancel():
                engine.cancel(command.job_id)
            case Unload():
                threading.Thread(target=_unload, args=(link, engine, command, plugins), name="unload").start()
    # What hooks have cost is summed over the processes that follow one another.
    _tell_status(link, engine, plugins)
    engine.close()


def _keep_status(link: Link, engine: Engine, plugins: Plugins, news: threading.Event) -> None:
    """Tell how the worker is when there are news; on a thread of its own, since asking the device may take a while."""
    while True:
        news.wait()
        news.clear()
        _tell_status(link, engine, plugins)


def _tell_status(link: Link, engine: Engine, plugins: Plugins) -> None:
    try:
        link.status(_status(engine, plugins))
    except Exception:
        # The next news find the thread alive; a device that is lost is told by the job that meets it.
        log.exception("The device does not say how it is")


def _unload(link: Link, engine: Engine, command: Unload, plugins: Plugins) -> None:
    """Drop the models, on a thread of its own since that may take a while; the status comes before the answer."""
    unloaded = Unloaded()
    try:
        unloaded = engine.unload()
        link.status(_status(engine, plugins))
    except Exception:
        # A device that is lost is told by the job that meets it; whoever asked must not wait for it.
        log.exception("The device does not give its memory back")
    finally:
        link.report(Gone(command.number, unloaded))


def _tell(engine: Engine, command: Tell) -> None:
    match command.verb:
        case Verb.INTERRUPT:
            engine.interrupt(command.job_id)
        case Verb.STOP_NOW:
            engine.stop_now(command.job_id)
        case Verb.SKIP:
            engine.skip(command.job_id)
        case Verb.PREVIEWS_ON | Verb.PREVIEWS_OFF:
            engine.previews(command.job_id, command.verb is Verb.PREVIEWS_ON)


def _status(engine: Engine, plugins: Plugins) -> WorkerStatus:
    known = engine.describe()
    # What pictures took is kept for the next ones, which may be smaller or never come.
    if not known["jobs"] and give_back():
        known = engine.describe()
    memory = known["free_bytes"], known["total_bytes"]
    return WorkerStatus(
        "ready",
        known["device"],
        known["detail"],
        *memory,
        known["held"],
        left_out(plugins.reports),
        known["last_load"],
        known["besides_bytes"],
        known["device_type"],
        plugins.meter.times,
    )


def left_out(reports: Sequence[ExtensionReport]) -> tuple[LeftOut, ...]:
    """What could not be loaded; since what is told goes by name, none whose name another has that was loaded, and of
    several the first."""
    loaded = {report.name for report in reports if report.ok}
    failed = [report for report in reversed(reports) if report.enabled and not report.ok and report.name not in loaded]
    first = {report.name: report for report in failed}
    return tuple(LeftOut(report.name, report.problem, report.trace) for report in reversed(first.values()))
