"""Loops in threads, with real clocks and signals: what `orch-nb start` and its parts run."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from types import FrameType

from orch_nb.schedules.deployment import DEFAULT_POOL
from orch_nb.service.http_port import HttpPort, Metrics
from orch_nb.service.launching import ProcessLauncher
from orch_nb.service.notifications import Notifier
from orch_nb.service.path_news import PathNews
from orch_nb.service.presence import Presence
from orch_nb.service.retention import Retention
from orch_nb.service.scheduler import LATE_AFTER, Scheduler
from orch_nb.service.triggers import TriggerWatch
from orch_nb.service.warmth import Warmth
from orch_nb.service.worker import Launcher, Worker
from orch_nb.store import open_store

Step = Callable[[datetime, float], float]

HTTP_PORT = 8787  # on the loopback address
_AFTER_ERROR = 1.0  # seconds of rest
_SILENCE = 15.0  # seconds after which a loop counts as stuck

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ServiceOptions:
    """What to run in this process; without a ``port`` there is no health and no metrics."""

    schedules: bool = True
    works: bool = True
    pool: str = DEFAULT_POOL
    limit: int | None = None
    port: int | None = HTTP_PORT
    late_after: float = LATE_AFTER  # seconds
    warm: bool = True


@dataclass(slots=True)
class Loop:
    """A step that is called again and again in a thread of its own."""

    name: str
    step: Step
    stepped: float = field(default_factory=time.monotonic)
    _wake: threading.Event = field(default_factory=threading.Event)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin."""
        self._thread = threading.Thread(target=self._work, name=f"orch_nb {self.name}")
        self._thread.start()

    def wake(self) -> None:
        """There may be something to do: don't wait for the time that was said."""
        self._wake.set()

    def stop(self) -> None:
        """End after the step that is being done."""
        self._stop.set()
        self._wake.set()

    def join(self) -> None:
        """Wait for the end."""
        if self._thread is not None:
            self._thread.join()

    def _work(self) -> None:
        while not self._stop.is_set():
            self._wake.clear()
            try:
                wait = self.step(datetime.now(UTC), time.monotonic())
            except Exception:  # a loop's edge: the store may be back in a moment
                _log.exception("the %s had a failure and goes on", self.name)
                wait = _AFTER_ERROR
            self.stepped = time.monotonic()
            self._wake.wait(wait)


def _wake(loops: Iterable[Loop]) -> None:
    for loop in loops:
        loop.wake()


class Service:
    """The loops of one process."""

    def __init__(self, options: ServiceOptions, launcher: Launcher | None = None) -> None:
        self._options = options
        self._store = open_store()
        self._launcher = launcher or ProcessLauncher(warm=options.warm)
        self._loops: list[Loop] = []
        self._presences: list[Presence] = []
        self._signals = 0
        self._triggers: Loop | None = None
        self._news = PathNews(self._look_at_paths)
        self._warmth = Warmth()
        self._signalled = threading.Event()
        self.worker: Worker | None = None
        self.scheduler: Scheduler | None = None
        self._make_loops()
        self.port = None if options.port is None else self._open_port(options.port)

    def _make_loops(self) -> None:
        options, store = self._options, self._store
        now = datetime.now(UTC)
        if options.works:
            limit = options.limit or os.cpu_count() or 1
            presence = Presence(store, "worker", now, pool=options.pool, limit=limit)
            self._presences.append(presence)
            self.worker = Worker(
                store, self._launcher, pool=options.pool, limit=limit, presence=presence
            )
            self._loops.append(Loop("worker", self.worker.step))
            if options.warm:
                self._loops.append(Loop("warmth", self._warmth.step))
        if options.schedules:
            presence = Presence(store, "scheduler", now)
            self._presences.append(presence)
            worker_loops = list(self._loops)
            self.scheduler = Scheduler(
                store,
                presence=presence,
                late_after=options.late_after,
                woke=partial(_wake, worker_loops),
            )
            self._loops.append(Loop("scheduler", self.scheduler.step))
            self._loops.append(Loop("notifications", Notifier(store).step))
            self._loops.append(Loop("retention", Retention(store).step))
            watch = TriggerWatch(store, self._news)
            self._triggers = Loop("triggers", watch.step)
            self._loops.append(self._triggers)

    def _open_port(self, number: int) -> HttpPort:
        metrics = Metrics(self._store, self._health, self._counts)
        return HttpPort(number, metrics, wake=self._wake_all)

    def run(self) -> None:
        """Work until a signal comes, then until the runs in hand have ended.

        A second signal cancels those runs, a third kills them.
        """
        before = {
            number: signal.signal(number, self._on_signal)
            for number in (signal.SIGTERM, signal.SIGINT)
        }
        for loop in self._loops:
            loop.start()
        try:
            while not self._signalled.wait(1.0):
                pass
            self._drain()
        finally:
            for loop in self._loops:
                loop.stop()
            for loop in self._loops:
                loop.join()
            self.close()
            for number, handler in before.items():
                signal.signal(number, handler)

    def close(self) -> None:
        """Say goodbye and close the store."""
        self._launcher.close()
        self._news.close()
        self._warmth.close()
        if self.port is not None:
            self.port.close()
        now = datetime.now(UTC)
        for presence in self._presences:
            presence.end(now)
        self._store.close()

    def _drain(self) -> None:
        for loop in self._loops:
            if loop.name != "worker":
                loop.stop()
        if self.worker is None:
            return
        self.worker.draining = True
        if not self.worker.idle:
            _log.info("waiting for %d runs to end", self.worker.running)
        seen = self._signals
        while not self.worker.idle:
            self._signalled.clear()
            if self._signals > seen:
                self.worker.stop_all(kill=self._signals > 2)
                seen = self._signals
            self._signalled.wait(0.2)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self._signals += 1
        self._signalled.set()

    def _look_at_paths(self) -> None:
        if self._triggers is not None:
            self._triggers.wake()

    def _wake_all(self) -> None:
        _wake(self._loops)

    def _health(self) -> dict[str, bool]:
        now = time.monotonic()
        return {loop.name: now - loop.stepped < _SILENCE for loop in self._loops}

    def _counts(self) -> dict[str, float]:
        found: dict[str, float] = {}
        if self.scheduler is not None:
            counts = self.scheduler.counts
            found["orch_nb_scheduled_runs_total"] = counts.runs
            found["orch_nb_skipped_ticks_total"] = counts.skipped
            found["orch_nb_late_runs_total"] = counts.late
            found["orch_nb_crashed_runs_total"] = counts.crashed
        if self.worker is not None:
            found["orch_nb_started_runs_total"] = self.worker.started
            found["orch_nb_worker_running"] = self.worker.running
            found["orch_nb_worker_limit"] = self.worker.limit
        return found
