"""The calls of a flow that were given to an executor and have not ended."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from pathlib import Path

from orch_nb.durations import format_duration
from orch_nb.dynamic.attempts import attempt_here
from orch_nb.dynamic.calls import Call
from orch_nb.dynamic.executors import Executor, Logged, Setting, ThreadExecutor
from orch_nb.dynamic.mailbox import Mailbox
from orch_nb.dynamic.progress import Progress
from orch_nb.engine.retry import TIMED_OUT
from orch_nb.execution.calls import CallError, CallOutcome, CallSpec

_SHORT = 0.005  # seconds: calls that take less are given to a worker ahead of their turn


class Running:
    """What can be shipped is with the flow's executor, the rest in threads of this process. Only
    the engine's thread uses it; what the executors tell goes into the ``mail``. ``timed_out``
    hears of calls that took too long, by their numbers."""

    def __init__(
        self,
        executor: Executor,
        setting: Setting,
        progress: Progress,
        mail: Mailbox,
        timed_out: Callable[[int, CallOutcome], None],
    ) -> None:
        self._executor = executor
        self._here = ThreadExecutor(executor.slots)
        self._setting = setting
        self._progress = progress
        self._mail = mail
        self._timed_out = timed_out
        self._calls: dict[int, Call] = {}
        self._opened = False
        self._mean: float | None = None  # seconds that a call takes

    @property
    def calls(self) -> tuple[Call, ...]:
        """All of them."""
        return tuple(self._calls.values())

    @property
    def is_empty(self) -> bool:
        """Whether there is none."""
        return not self._calls

    @property
    def has_room(self) -> bool:
        """Whether one more may be started."""
        executor = self._executor
        return len(self._calls) < (executor.window if self._are_short else executor.slots)

    @property
    def _are_short(self) -> bool:
        return self._mean is not None and self._mean < _SHORT

    def start(self, call: Call) -> None:
        """Give the call, whose inputs are there, to whoever can run it."""
        if not call.unshippable:
            hidden = [f for f in call.arguments.futures if f.kept is None]
            call.unshippable = (
                f"the value of {hidden[0].label} can't be kept" if hidden else call.work.at_home
            )
        call.here = bool(call.unshippable)
        self._calls[call.number] = call
        if call.here:
            self._progress.mark_begun(call, f"thread: {call.unshippable}")
            self._limit_time(call)
            self._here.open(self._setting, self._mail.put)
            staging = Path(self._setting.staging)
            self._here.start_here(call.number, lambda: attempt_here(call, staging)[0])
            return
        if not self._opened:
            self._opened = True
            self._executor.open(self._setting, self._mail.put)
        if not self._executor.remote:
            self._limit_time(call)
        if not self._executor.remote or self._are_short:
            self._progress.mark_begun(call, self._executor.where)
        self._executor.start(call.number, self._spec(call))

    def flush(self) -> None:
        """Send what was started."""
        if self._opened:
            self._executor.flush(short=self._are_short)

    def began(self, number: int, where: str) -> None:
        """A call that had waited with the executor runs now."""
        if (call := self._calls.get(number)) is not None:
            self._progress.mark_begun(call, where)

    def logged(self, heard: Logged) -> None:
        """A call, or the executor itself, has said something."""
        call = self._calls.get(heard.call)
        self._progress.log(call, heard)
        if heard.logger in ("stdout", "stderr"):
            with contextlib.suppress(Exception):  # the flow's own stream may be closed
                print(heard.text, file=getattr(sys, heard.logger))

    def ended(self, number: int, outcome: CallOutcome) -> Call | None:
        """The call whose attempt has ended; None for one that was dropped."""
        call = self._calls.pop(number, None)
        if call is None:
            return None
        if not call.begun:
            self._progress.mark_begun(call, self._executor.where)
        if self._mean is None:
            self._mean = outcome.seconds
        self._mean += (outcome.seconds - self._mean) / 8
        return call

    def drop_all(self) -> tuple[Call, ...]:
        """End them; they are no more."""
        dropped = self.calls
        for call in dropped:
            self._drop(call)
        self._calls.clear()
        return dropped

    def close(self) -> None:
        """End the threads, and the executor."""
        self._here.close()
        if self._opened:
            self._executor.close()

    def _drop(self, call: Call) -> None:
        (self._here if call.here else self._executor).drop(call.number)

    def _spec(self, call: Call) -> CallSpec:
        options = call.work.options
        return CallSpec(
            call.work.blob(),
            call.shipped or b"",
            [future.kept for future in call.arguments.futures],
            self._setting.staging,
            call.work.name,
            options.timeout,
            priority=options.priority,
            resources=dict(options.resources),
        )

    def _limit_time(self, call: Call) -> None:
        limit, failures = call.work.options.timeout, call.failures
        if limit is None:
            return

        def end() -> None:
            if self._calls.get(call.number) is not call or call.failures != failures:
                return
            self._drop(call)
            words = f"took longer than {format_duration(limit)}"
            error = CallError("TimedOut", words, TIMED_OUT)
            outcome = CallOutcome(error=error, seconds=limit, timed_out=True)
            self._timed_out(call.number, outcome)

        self._mail.at(limit, end)
