"""Runs the calls of one flow: a thread that takes them as they are submitted, holds back those
that wait for others, keeps a bounded number of them with the executor, and retries.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import os
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from orch_nb.dynamic.arguments import digest_arguments, take_out
from orch_nb.dynamic.attempts import attempt_here
from orch_nb.dynamic.calls import Call, MappedCalls, TaskWork, make_call
from orch_nb.dynamic.executors import (
    Began,
    Ended,
    Executor,
    Gone,
    Logged,
    Setting,
)
from orch_nb.dynamic.futures import TaskFuture
from orch_nb.dynamic.ledger import Ledger
from orch_nb.dynamic.mail import Cancel, Close, Drain, FlowCancelled, Mapped, Ready, Submitted
from orch_nb.dynamic.mailbox import Mailbox
from orch_nb.dynamic.places import Places
from orch_nb.dynamic.progress import Progress
from orch_nb.dynamic.running import Running
from orch_nb.dynamic.waiting import Waiting
from orch_nb.errors import OptionError
from orch_nb.execution.calls import CallOutcome, load_value
from orch_nb.states import StateName

_log = logging.getLogger(__name__)
_FLUSH = 0.1  # seconds between writes to the store
_BEAT = 2.0  # seconds between heartbeats, and looks at whether somebody cancels the run
_SHORT = 0.005  # seconds: calls that take less are given to a worker ahead of their turn
_NEVER = float("inf")


class Engine:
    """The calls of one flow run. ``submit``, ``map`` and ``run_here`` may be called in any
    thread; everything else happens in the engine's own."""

    def __init__(
        self,
        ledger: Ledger,
        executor: Executor,
        setting: Setting,
        *,
        cancel_requested: Callable[[], str | None] = lambda: None,
        fail_fast: bool = False,
    ) -> None:
        self.owner = os.getpid()  # a process that was forked from this one has no engine
        self.ledger = ledger
        self.cancelled: Cancel | None = None
        self.on_cancel: Callable[[str], None] = lambda reason: None  # told once, and why
        self._fail_fast = fail_fast
        self._executor = executor
        self._setting = setting
        self._cancel_requested = cancel_requested
        self._mail = Mailbox(self._return)
        self._drains: list[threading.Event] = []
        self._progress = Progress(ledger, setting.staging)
        self._running = Running(executor, setting, self._progress, self._mail, self._ended)
        self._waiting = Waiting(self._progress, self._mail.put)
        self._places = Places(ledger, self._mail.put)
        self._next_flush = _NEVER
        self._woken = False
        self._closing = False
        self._broken: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="orch_nb flow", daemon=True)
        self._thread.start()

    @property
    def failures(self) -> list[TaskFuture]:
        """Calls that failed, in the order in which they did."""
        return self._progress.failures

    # -- for the flow's body

    def submit(
        self,
        work: TaskWork,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        wait_for: tuple[TaskFuture, ...] = (),
    ) -> TaskFuture:
        """Have a call run in the background."""
        self.check()
        future = TaskFuture(work.label(None))
        call = make_call(next(self._waiting.numbers), work, args, kwargs, future, wait_for=wait_for)
        self._mail.put(Submitted(call))
        return future

    def map(self, calls: MappedCalls) -> None:
        """Have the calls of a map run, as there is room for them."""
        self.check()
        self._mail.put(Mapped(calls))

    def run_here(self, work: TaskWork, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Run a call in this thread, and give its value or raise its error."""
        self.check()
        arguments = take_out(args, kwargs)
        for future in arguments.futures:
            future.result()
        digest, whole = digest_arguments(arguments)
        call = Call(
            0, work, arguments, TaskFuture(work.label(None)), digest=digest, partial=not whole
        )
        staging = Path(self._setting.staging)
        known = self._progress.begin(call)
        if known is not None:
            return load_value(known, staging)
        while True:
            self._progress.mark_begun(call, "the flow's own thread")
            try:
                self._places.acquire_here(call)
                outcome, value, error = attempt_here(call, staging)
            finally:
                self._places.release(call)
            if error is None or not self._progress.may_retry(call, outcome):
                break
            time.sleep(self._progress.note_retry(call, outcome))
            self.check()
        self._progress.record_end(call, outcome)
        if not self._woken:  # so that it is written soon
            self._woken = True
            self._mail.put(self._wake)
        if error is not None:
            raise error
        return value

    def check_options(self, work: TaskWork) -> None:
        """Raise OptionError for a task that uses a limit without a size, or that needs resources
        where nobody manages them."""
        if work.options.uses:
            self._places.check(work.name, work.options.uses)
        if work.options.resources and not self._executor.remote:
            raise OptionError(
                "a function's resources are those of a Dask cluster's workers",
                where=f"task '{work.name}'",
                hint="run its flow with runner='dask=…', or use a limit:  uses='gpu'",
            )

    def drain(self) -> None:
        """Wait until every call has ended."""
        done = threading.Event()
        self._mail.put(Drain(done))
        done.wait()
        if self._broken is not None:
            raise self._broken

    def cancel(self, reason: str, state: StateName = StateName.CANCELLED) -> None:
        """End everything that runs, and start nothing more."""
        self._mail.put(Cancel(reason, state))

    def close(self) -> None:
        """End the thread and the workers."""
        self._mail.put(Close())
        self._thread.join()

    def check(self) -> None:
        """Raise what ended the flow, if anything has."""
        if self._broken is not None:
            raise self._broken
        if self.cancelled is not None:
            raise FlowCancelled(self.cancelled.reason)

    def store_failed(self, error: BaseException) -> None:
        """The record can't be kept any more."""
        self._broken = error
        self.cancel(f"the store failed: {error}", StateName.CRASHED)

    # -- the thread

    def _work(self) -> None:
        next_beat = time.monotonic() + _BEAT
        try:
            while True:
                for item in self._mail.take(min(next_beat, self._next_flush)):
                    self._take(item)
                self._mail.do_due()
                self._go_on()
                now = time.monotonic()
                if now >= self._next_flush:
                    self._next_flush = _NEVER
                    self.ledger.flush()
                elif self._next_flush == _NEVER and self.ledger.has_news:
                    self._next_flush = now + _FLUSH
                if now >= next_beat:
                    next_beat = now + _BEAT
                    self._beat()
                if self._closing and self._running.is_empty:
                    break
        except BaseException as error:
            _log.debug("the flow's engine failed", exc_info=True)
            self._broken = self._broken or error
            self._fail_all(error)
        finally:
            with contextlib.suppress(Exception):
                self.ledger.flush()
            self._running.close()
            for done in self._drains:
                done.set()
            self._mail.close()

    def _return(self, item: Any) -> None:
        """What came too late ends at once."""
        error = self._broken or FlowCancelled("the flow has ended")
        match item:
            case Drain(done):
                done.set()
            case Submitted(call):
                call.future.fail(lambda: error, StateName.CRASHED)
            case Mapped(calls):
                for _, future in calls.futures:
                    future.fail(lambda: error, StateName.CRASHED)

    def _take(self, item: Any) -> None:
        match item:
            case Ended(number, outcome):
                self._ended(number, outcome)
            case Logged():
                self._running.logged(item)
            case Began(number, where):
                self._running.began(number, where)
            case Submitted(call):
                self._admit(call)
            case Ready(call):
                self._waiting.one_less(call)
            case Mapped(calls):
                self._waiting.add_map(calls)
            case Drain(done):
                self._drains.append(done)
            case Cancel():
                self._cancel_all(item)
            case Gone(reason):
                self._cancel_all(Cancel(reason, StateName.CRASHED))
            case Close():
                self._closing = True
            case _:
                item()  # what a limit tells

    def _wake(self) -> None:
        self._woken = False

    def _beat(self) -> None:
        self.ledger.beat()
        self._places.beat()
        by = self._cancel_requested()
        if by is not None:
            self._cancel_all(Cancel(f"cancelled by {by}", StateName.CANCELLED))

    def _go_on(self) -> None:
        """Start what can be, make the next calls of maps, and tell those who wait for the end."""
        while self._running.has_room and (call := self._waiting.take()) is not None:
            self._start(call)
        self._running.flush()
        idle = self._waiting.is_empty and self._running.is_empty
        if idle and self._drains and self._mail.is_empty:
            self.ledger.flush()
            for done in self._drains:
                done.set()
            self._drains.clear()

    # -- one call

    def _admit(self, call: Call) -> None:
        if self.cancelled is not None:
            self._progress.pass_over(call, StateName.CANCELLED, self.cancelled.reason)
        else:
            self._waiting.admit(call)

    def _start(self, call: Call) -> None:
        if call.entry is None:
            known = self._progress.begin(call)
            if known is not None:
                self._progress.give(call, known, StateName.CACHED)
                return
        if call.work.options.uses and not call.places:
            self._waiting.hold(call)
            self._places.acquire(call, functools.partial(self._waiting.due, call))
            return
        self._running.start(call)

    def _ended(self, number: int, outcome: CallOutcome) -> None:
        call = self._running.ended(number, outcome)
        if call is None:
            return
        self._places.release(call)
        if not outcome.ok and outcome.unshippable and not call.here:
            # it runs again, where its value can stay, and so do its task's further calls
            call.unshippable = call.work.at_home = outcome.unshippable
            self._waiting.put_first(call)
        elif self._progress.may_retry(call, outcome):
            delay = self._progress.note_retry(call, outcome)
            self._waiting.hold(call)
            self._mail.at(delay, functools.partial(self._waiting.due, call))
        else:
            self._progress.record_end(call, outcome)
            if not outcome.ok and self._fail_fast:
                self._cancel_all(Cancel(f"{call.future.label} failed", StateName.FAILED))

    # -- ends

    def _cancel_all(self, why: Cancel) -> None:
        if self.cancelled is not None:
            return
        self.cancelled = why
        self.on_cancel(why.reason)
        running = self._running.drop_all()
        for call in running:
            self._places.release(call)
        waiting, unmade = self._waiting.clear()
        for call in (*running, *waiting):
            self._progress.pass_over(call, StateName.CANCELLED, why.reason)
        for future in unmade:
            future.fail(lambda: FlowCancelled(why.reason), StateName.CANCELLED)

    def _fail_all(self, error: BaseException) -> None:
        waiting, unmade = self._waiting.clear()
        futures = [call.future for call in (*self._running.calls, *waiting)]
        for future in (*futures, *unmade):
            if not future.done():
                future.fail(lambda: error, StateName.CRASHED)
