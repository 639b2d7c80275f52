"""What a face asks of a run, what it gets back, and how it cancels."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from orch_nb.engine.driver import Driver
from orch_nb.model import FlowRun, FlowRunId, TaskRun
from orch_nb.notebook.binding import GivenParameter
from orch_nb.notebook.last_cell import LastCell
from orch_nb.options import FlowOptions
from orch_nb.runners.base import Collect


@dataclass(frozen=True, slots=True)
class RunRequest:
    """What to run and how. ``options`` are FlowOptions fields given for this run only."""

    notebook: str
    output: str | None = None
    parameters: tuple[GivenParameter, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)
    kernel: str | None = None
    cwd: str | None = None
    report_mode: bool = False
    log_output: bool = False
    tags: tuple[str, ...] = ()
    name: str | None = None
    collect: Collect = Collect.NOTHING
    threads: int = 0  # for BLAS and OpenMP in every cell; 0 shares the cores among those that run
    claimed: FlowRun | None = None  # a run that is recorded, and claimed by this process, already
    data_interval: tuple[datetime, datetime] | None = None
    secrets: tuple[str, ...] = ()  # texts that no output may show, beside the parameters' own
    parent_run: FlowRunId | None = None  # the run that starts this one
    until: LastCell | None = None  # where the flow ends, if not with the notebook

    @staticmethod
    def option_names() -> frozenset[str]:
        """What ``options`` may hold."""
        return frozenset(field.name for field in dataclasses.fields(FlowOptions))


@dataclass(frozen=True, slots=True)
class RunResult:
    """What came of a run. ``document`` is the output notebook; ``values`` a packed mapping of
    names to pickles, when they were asked for."""

    run: FlowRun
    tasks: tuple[TaskRun, ...]
    seconds: float
    files: tuple[str, ...]
    output: str | None
    document: Mapping[str, Any]
    values: Mapping[str, bytes] = field(default_factory=dict)
    not_kept: Mapping[str, str] = field(default_factory=dict)
    fingerprints: Mapping[str, Sequence[str]] = field(default_factory=dict)


_LONGEST_NAP = 0.5  # seconds between looks at whether the run was cancelled


class Control:
    """Cancels a run from any thread, or from a signal handler."""

    def __init__(self) -> None:
        self._driver: Driver | None = None
        self._asked: list[bool] = []
        self.interrupted = False  # by a KeyboardInterrupt in the thread that waits for the run

    def cancel(self, kill: bool = False) -> None:
        """End the run: cleanly, or at once with ``kill``."""
        self._asked.append(kill)
        if self._driver is not None:
            self._driver.cancel("cancelled by the user", kill=kill)

    def wait(self, seconds: float, beat: Callable[[], object]) -> bool:
        """Wait between two attempts, calling ``beat`` now and then; False when the run was
        cancelled meanwhile."""
        end = time.monotonic() + seconds
        while not self._asked and (left := end - time.monotonic()) > 0:
            try:
                time.sleep(min(left, _LONGEST_NAP))
            except KeyboardInterrupt:
                self.interrupted = True
                self.cancel()
            beat()
        return not self._asked

    def attach(self, driver: Driver) -> None:
        """The run begins."""
        self._driver = driver
        for kill in self._asked:
            driver.cancel("cancelled by the user", kill=kill)
