"""The worker: takes due runs of its pool, up to its limit, and gives each a process of its own."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Protocol

from orch_nb.durations import show_duration
from orch_nb.errors import NotFoundError, StaleClaimError
from orch_nb.model import FlowRun, FlowRunId
from orch_nb.schedules.deployment import DeployedRun
from orch_nb.service.crashes import settle_ended, settle_lost
from orch_nb.service.presence import Presence
from orch_nb.states import StateType
from orch_nb.store import Store, Transaction, new_holder
from orch_nb.store.queue_reading import next_waiting
from orch_nb.store.queueing import TakenRun, put_back, take_due

LONGEST_WAIT = 0.5  # seconds between looks at the queue
_SHORTEST_WAIT = 0.005
_BLOCKED_WAIT = 0.25  # when what is due has to wait for something else
_BEAT_EVERY = 5.0
_LONGEST_START = 120.0  # seconds for which this worker speaks for a process that comes up

_log = logging.getLogger(__name__)


class RunProcess(Protocol):
    """A process that does one run."""

    def poll(self) -> int | None:
        """Its exit code once it has ended."""

    def stop(self, *, kill: bool) -> None:
        """Ask it to cancel its run, or end it at once."""

    def last_words(self) -> str:
        """What it said when it ended otherwise than it should."""


class Launcher(Protocol):
    """Starts processes for runs: the runner's seam, where tests put another."""

    def launch(self, taken: TakenRun) -> RunProcess:
        """Start a process that takes the run over. Raises OSError when there is none to be had."""

    def prepare(self) -> None:
        """Nothing is to be done at the moment: have the next process come up early."""

    def close(self) -> None:
        """Give up what was prepared."""


@dataclass(slots=True)
class _Started:
    taken: TakenRun
    process: RunProcess
    since: float
    beaten: float


class Worker:
    """One of any number of workers on a store. After ``drain`` it takes nothing more."""

    def __init__(
        self,
        store: Store,
        launcher: Launcher,
        *,
        pool: str,
        limit: int,
        presence: Presence | None = None,
    ) -> None:
        self.started = 0  # runs, for the metrics
        self.pool = pool
        self.limit = limit
        self.draining = False
        self._store = store
        self._launcher = launcher
        self._presence = presence
        self._name = "a worker" if presence is None else presence.record.name
        self._running: dict[FlowRunId, _Started] = {}

    @property
    def running(self) -> int:
        """How many runs it has in hand."""
        return len(self._running)

    @property
    def idle(self) -> bool:
        """Whether it has nothing in hand."""
        return not self._running

    def step(self, now: datetime, monotonic: float) -> float:
        """Do what is due at ``now``; the seconds until there may be more to do."""
        self._reap(now)
        self._beat(monotonic)
        if self._presence is not None:
            state = "draining" if self.draining else "running"
            self._presence.show(now, monotonic, running=self.running, state=state)
        if self.draining or self.running >= self.limit:
            return self._wait_for_processes()
        due = next_waiting(self._store, self.pool)
        if due is None or due > now:
            self._launcher.prepare()
            wait = LONGEST_WAIT if due is None else (due - now).total_seconds()
            return min(max(wait, _SHORTEST_WAIT), self._wait_for_processes())
        taken = self._take(now)
        for run in taken:
            self._start(run, monotonic)
        return _SHORTEST_WAIT if taken else _BLOCKED_WAIT

    def stop_all(self, *, kill: bool) -> None:
        """Ask all runs in hand to cancel, or end their processes at once."""
        for started in self._running.values():
            started.process.stop(kill=kill)

    def _wait_for_processes(self) -> float:
        return 0.1 if self._running else LONGEST_WAIT

    def _take(self, now: datetime) -> Sequence[TakenRun]:
        free = self.limit - self.running
        holder = new_holder() if self._presence is None else self._presence.record.holder
        return self._store.write(
            lambda t: take_due(t, holder, pool=self.pool, limit=free, now=now, worker=self._name)
        )

    def _start(self, taken: TakenRun, monotonic: float) -> None:
        try:
            process = self._launcher.launch(taken)
        except OSError as error:
            _log.error("run %s: no process could be started: %s", taken.run.name, error)
            why = f"no process could be started: {error}"
            self._store.write(lambda t: put_back(t, taken, why))
            return
        self.started += 1
        self._running[taken.run.id] = _Started(taken, process, monotonic, monotonic)

    def _reap(self, now: datetime) -> None:
        for run_id, started in list(self._running.items()):
            code = started.process.poll()
            if code is None:
                continue
            del self._running[run_id]
            words = started.process.last_words()
            given = started.taken.given
            for lease in self._store.leases(f"run/{run_id}"):
                settle_lost(self._store, lease, now, given)
                break
            else:
                settle_ended(self._store, given, now)
            self._tell(run_id, given, words)

    def _tell(self, run_id: FlowRunId, given: DeployedRun, words: str) -> None:
        """A line of the log on how a run has ended; ``words`` are its process's last."""
        try:
            run = self._store.get_run(run_id)
        except NotFoundError:  # it was deleted already
            return
        well = run.state_type is StateType.COMPLETED
        took = ""
        if run.start_time is not None and run.end_time is not None:
            took = f" after {show_duration((run.end_time - run.start_time).total_seconds())}"
        said = [text for text in ("" if well else run.state_message, words) if text]
        level = logging.INFO if well and not said else logging.WARNING
        line = ": ".join([f"{given.deployment} / {run.name} is {run.state_name}{took}", *said])
        _log.log(level, "%s", line)

    def _beat(self, monotonic: float) -> None:
        """Speak for processes that come up; once they hold their claims they do it themselves."""
        for started in self._running.values():
            run = started.taken.run
            starting = monotonic - started.since < _LONGEST_START
            if starting and monotonic - started.beaten >= _BEAT_EVERY:
                started.beaten = monotonic
                try:
                    self._store.write(partial(_show_life, run))
                except StaleClaimError:  # it has ended, or was taken over
                    started.since = float("-inf")


def _show_life(run: FlowRun, transaction: Transaction) -> None:
    transaction.beat(run.id, run.epoch)
