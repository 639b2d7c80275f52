"""What the engine asks of whoever runs calls, and what it hears back."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from orch_nb.dynamic.shipped_cells import ShippedCells
from orch_nb.execution.calls import CallOutcome, CallSpec, run_call


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt has ended; ``crashed`` outcomes are of those whose process was lost."""

    call: int
    outcome: CallOutcome


@dataclass(frozen=True, slots=True)
class Logged:
    """A call logged or printed something. ``time`` is in seconds since 1970."""

    call: int
    level: int
    logger: str
    text: str
    time: float


@dataclass(frozen=True, slots=True)
class Began:
    """A call that had waited for its turn with the executor runs now; ``where`` is told in its
    record."""

    call: int
    where: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The executor can run nothing more: what it was given is lost."""

    reason: str


Heard = Ended | Logged | Began | Gone
Hear = Callable[[Heard], None]


@dataclass(frozen=True, slots=True)
class Setting:
    """Where calls run: what a worker takes on before its first."""

    folder: str
    path: tuple[str, ...]
    staging: str
    run: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    modules: Callable[[], Mapping[str, str]] = dict  # the flow's own: path → source
    cells: ShippedCells | None = None  # that are called, by an executor elsewhere


class Executor(Protocol):
    """Runs calls that were pickled: processes here, or a cluster elsewhere.

    ``slots`` run at once; up to ``window`` may be given to it, if the calls are short, or if it
    is ``remote``: then calls may wait for their turn with it, it tells when they begin (Began;
    not of short ones), and it ends those that take longer than their ``timeout``. Methods are
    called in the engine's thread; ``hear`` may be called in any.
    """

    remote: bool
    where: str  # what a record says of calls that ran here

    @property
    def slots(self) -> int:
        """Calls that run at once, or wait with the executor for their turn."""

    @property
    def window(self) -> int:
        """As many, where they are short."""

    def open(self, setting: Setting, hear: Hear) -> None:
        """Take calls from now on. Raises SessionError when none can be run."""

    def start(self, call: int, spec: CallSpec) -> None:
        """Run a call, from the next ``flush`` on; answered by Ended, once."""

    def flush(self, *, short: bool) -> None:
        """Send what was started; called whenever something was heard. ``short`` calls take so
        little that many may go together."""

    def drop(self, call: int) -> None:
        """End a call at once, with the processes it started; nothing more is heard of it."""

    def close(self) -> None:
        """End everything, and leave no process behind."""


class ThreadExecutor:
    """Runs calls in threads of this process: for `--runner inline`, and for values that can't
    be shipped. A call that is dropped is forgotten, but not ended."""

    where = "thread"
    remote = False

    def __init__(self, slots: int) -> None:
        self.slots = self.window = slots
        self._calls: queue.SimpleQueue[tuple[int, Callable[[], CallOutcome]] | None] = (
            queue.SimpleQueue()
        )
        self._threads: list[threading.Thread] = []
        self._dropped: set[int] = set()

    def open(self, setting: Setting, hear: Hear) -> None:
        self._hear = hear

    def start(self, call: int, spec: CallSpec) -> None:
        self.start_here(call, lambda: run_call(spec))

    def start_here(self, call: int, work: Callable[[], CallOutcome]) -> None:
        """Run what needs no unpickling."""
        if len(self._threads) < self.slots:
            thread = threading.Thread(target=self._work, name="orch_nb call", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._calls.put((call, work))

    def flush(self, *, short: bool) -> None:
        """What was started runs already."""

    def drop(self, call: int) -> None:
        self._dropped.add(call)

    def close(self) -> None:
        for _ in self._threads:
            self._calls.put(None)

    def _work(self) -> None:
        while (item := self._calls.get()) is not None:
            call, work = item
            if call not in self._dropped:
                outcome = work()
                if call not in self._dropped:
                    self._hear(Ended(call, outcome))
