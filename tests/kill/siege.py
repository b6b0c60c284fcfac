"""A server under siege: its processes are killed at random moments while jobs are submitted and followed over HTTP."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from webui.core.paths import PROGRAM_DIR, Paths
from webui.instance import Instance, running

INSIDE = ("step", "decode or save")
ENDS = ("finished", "failed", "cancelled")
_PATIENCE = 180.0


@dataclass(frozen=True)
class Kill:
    """One kill: whom, at which second of the siege, and where the running jobs were at that moment."""

    number: int
    victim: str
    second: float
    stages: tuple[str, ...]

    @property
    def inside(self) -> bool:
        """Whether a job was inside a step, a decode or a save."""
        return any(stage.startswith(INSIDE) for stage in self.stages)

    def __str__(self) -> str:
        return f"{self.number:2}. {self.second:6.1f} s  {self.victim:6}  {'; '.join(self.stages) or 'nothing ran'}"


class Server:
    """The real server on a data folder, in processes of its own."""

    def __init__(self, data_dir: Path) -> None:
        self._paths = Paths(data_dir=data_dir)
        self._log = data_dir / "server.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        flags = ["--data-dir", str(self._paths.data_dir), "--port", str(_free_port())]
        arguments = [sys.executable, "-m", "webui.cli", "serve", *flags]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(arguments, cwd=PROGRAM_DIR, stdout=log, stderr=log, env=environment)
        until(lambda: self._answers(), f"the server answers, see {self._log}", every=0.3)

    @property
    def instance(self) -> Instance | None:
        """Where it listens, and its owner's token."""
        return running(self._paths)

    def client(self) -> httpx.Client:
        """A client with the owner's rights; raises httpx.ConnectError while there is no server."""
        found = self.instance
        if found is None:
            raise httpx.ConnectError("There is no server.")
        return httpx.Client(base_url=found.url, headers={"Authorization": f"Bearer {found.token}"}, timeout=20)

    def kill_web(self) -> None:
        """SIGKILL the web process, and see to it that its worker goes with it."""
        assert self._process is not None
        worker = self.worker()
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        if worker is not None:
            until(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE, "the worker is gone")

    def kill_worker(self) -> None:
        """SIGKILL the worker process."""
        until(lambda: self.worker() is not None, "there is a worker")
        worker = self.worker()
        assert worker is not None
        worker.send_signal(signal.SIGKILL)

    def worker(self) -> psutil.Process | None:
        """The worker process, if there is one now."""
        assert self._process is not None
        for child in psutil.Process(self._process.pid).children():
            try:
                if "spawn_main" in " ".join(child.cmdline()):
                    return child
            except psutil.NoSuchProcess:
                continue
        return None

    def stop(self) -> int:
        """Stop it in order; the exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(60)

    def end(self) -> None:
        """End whatever still runs."""
        if self._process is not None and self._process.poll() is None:
            self.kill_web()

    def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, self._log.read_text()[-3000:]
        try:
            with self.client() as client:
                return client.get("/api/v1/status").status_code == 200
        except httpx.HTTPError:
            return False


@dataclass
class Follower:
    """Follows everybody's events as a page does: it comes back with the last number that it saw."""

    server: Server
    events: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: defaultdict(list))
    stopped: bool = False
    _last: str | None = None

    def start(self) -> None:
        """Follow in a thread."""
        threading.Thread(target=self._run, daemon=True).start()

    def stages(self) -> tuple[str, ...]:
        """Where the running jobs are, as far as has been heard."""
        heard = {job: list(events) for job, events in list(self.events.items())}
        return tuple(filter(None, (_stage(events) for events in heard.values())))

    def _run(self) -> None:
        while not self.stopped:
            try:
                self._follow()
            except httpx.HTTPError:
                time.sleep(0.1)

    def _follow(self) -> None:
        headers = {"Last-Event-ID": self._last} if self._last else {}
        with (
            self.server.client() as client,
            client.stream("GET", "/api/v1/events", params={"everyone": True}, headers=headers) as answer,
        ):
            answer.raise_for_status()
            number = ""
            for line in answer.iter_lines():
                if line.startswith("id: "):
                    number = line[4:]
                elif line.startswith("data: "):
                    event = json.loads(line[6:])
                    self.events[event["job"]].append(event)
                    self._last = number


def _stage(events: list[dict[str, Any]]) -> str | None:
    last = next((event for event in reversed(events) if event["event"] not in ("preview", "note")), None)
    if last is None or last["event"] in ("queued", *ENDS):
        return None
    if last["event"] == "loading":
        return "load"
    if last["event"] == "image":
        return "between pictures"
    if last["step"] == last["steps"]:
        return "decode or save"
    return f"step {last['step'] + 1} of {last['steps']}"


class Siege:
    """Keeps the line filled, kills, and keeps the record. Everything random comes from `seed`."""

    def __init__(self, data_dir: Path, seed: int) -> None:
        self.server = Server(data_dir)
        self.follower = Follower(self.server)
        self.accepted: dict[str, dict[str, Any]] = {}
        self.kills: list[Kill] = []
        self._draw = random.Random(seed)
        self._begun = time.monotonic()
        self._stop = threading.Event()
        self._client = threading.Thread(target=self._submit_all, daemon=True)

    def run(self, victims: Sequence[str]) -> None:
        """Kill these, "web" or "worker", one after the other; ends when every accepted job has ended."""
        self.server.start()
        self.follower.start()
        self._client.start()
        for number, victim in enumerate(victims, 1):
            # A third death with the same job would rightly fail it; that rule has a test of its own.
            until(lambda: not self._endangered(), "jobs that were hit twice have ended", every=0.3)
            until(self._inside, "a job is in the midst of a picture")
            if number % 4 == 0:
                # So short beside the steps that chance alone would hardly ever meet it.
                until(lambda: self._inside("decode or save"), "a picture's last step is done")
                time.sleep(self._draw.uniform(0, 0.05))
            else:
                time.sleep(self._draw.uniform(0, 3))
            self._kill(number, victim)
        self._stop.set()
        self._client.join()
        until(lambda: not self._open_jobs(), "every job has ended", seconds=900, every=0.5)
        time.sleep(1)
        self.follower.stopped = True

    def _inside(self, stage: str | tuple[str, ...] = INSIDE) -> bool:
        return any(now.startswith(stage) for now in self.follower.stages())

    def _endangered(self) -> bool:
        return any(job["attempts"] >= 2 for job in self._jobs(["queued", "running"]))

    def _kill(self, number: int, victim: str) -> None:
        second = time.monotonic() - self._begun
        self.kills.append(Kill(number, victim, second, self.follower.stages()))
        if victim == "worker":
            self.server.kill_worker()
        else:
            self.server.kill_web()
            self.server.start()
        until(lambda: not self._inside(), "the follower has heard that jobs wait again")

    def _submit_all(self) -> None:
        while not self._stop.is_set():
            try:
                with self.server.client() as client:
                    line = client.get("/api/v1/queue").json()
                    if line["waiting"] + line["running"] < 5:
                        self._submit(client)
            except (httpx.HTTPError, json.JSONDecodeError):
                pass
            time.sleep(0.1)

    def _submit(self, client: httpx.Client) -> None:
        number = len(self.accepted)
        values = {
            "prompt": f"a red {number}",
            "checkpoint": "tiny",
            "seed": number,
            "sampler_name": self._draw.choice(["Euler", "Euler a", "Heun", "DPM++ 2M", "DDIM"]),
            "steps": self._draw.choice([6, 12, 30]),
            "n_iter": self._draw.randint(1, 3),
            "batch_size": self._draw.randint(1, 2),
            "width": self._draw.choice([64, 128, 256]),
            "height": 128,
        }
        answer = client.post("/api/v1/jobs", json=values)
        if answer.status_code == 201:
            self.accepted[answer.json()["id"]] = values

    def _jobs(self, states: list[str]) -> list[dict[str, Any]]:
        try:
            with self.server.client() as client:
                found = client.get("/api/v1/jobs", params={"state": states, "limit": 100, "everyone": True})
                jobs: list[dict[str, Any]] = found.json()["jobs"]
                return jobs
        except httpx.HTTPError:
            return [{"attempts": 2}]  # Nothing is known; whoever asks is to wait.

    def _open_jobs(self) -> bool:
        return bool(self._jobs(["queued", "running"]))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def until(condition: Callable[[], Any], what: str, seconds: float = _PATIENCE, every: float = 0.02) -> None:
    """Wait until the condition holds, looking `every` so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise AssertionError(f"Waited {seconds:g} s in vain until {what}.")
        time.sleep(every)
