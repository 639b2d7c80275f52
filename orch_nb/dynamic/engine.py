"""Runs the calls of one flow: a thread that takes them as they are submitted, holds back those
that wait for others, keeps a bounded number of them with the executor, and retries.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import heapq
import itertools
import logging
import os
import pickle
import queue
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orch_nb.durations import format_duration
from orch_nb.dynamic.arguments import (
    Arguments,
    digest_arguments,
    pickle_arguments,
    put_in,
    take_out,
)
from orch_nb.dynamic.calls import Call, MappedCalls, TaskWork
from orch_nb.dynamic.executors import Ended, Executor, Heard, Logged, Setting, ThreadExecutor
from orch_nb.dynamic.futures import TaskFuture
from orch_nb.dynamic.ledger import Ledger
from orch_nb.dynamic.places import Places
from orch_nb.engine.retry import CRASHED, TIMED_OUT, may_follow
from orch_nb.errors import TaskError
from orch_nb.execution.calls import (
    CallError,
    CallOutcome,
    CallSpec,
    Kept,
    call_function,
    describe_error,
    keep_value,
    load_value,
)
from orch_nb.states import StateName

_log = logging.getLogger(__name__)
_FLUSH = 0.1  # seconds between writes to the store
_BEAT = 2.0  # seconds between heartbeats, and looks at whether somebody cancels the run
_SHORT = 0.005  # seconds: calls that take less are given to a worker ahead of their turn
_SMALL = 4096  # bytes of arguments and inputs that may wait in a worker
_NEVER = float("inf")


class FlowCancelled(KeyboardInterrupt):
    """The flow was cancelled while its body waited; it ends the body."""


@dataclass(frozen=True, slots=True)
class _Submitted:
    call: Call


@dataclass(frozen=True, slots=True)
class _Mapped:
    calls: MappedCalls


@dataclass(frozen=True, slots=True)
class _Ready:
    call: Call


@dataclass(frozen=True, slots=True)
class _Cancel:
    reason: str
    state: StateName


@dataclass(frozen=True, slots=True)
class _Drain:
    done: threading.Event


@dataclass(frozen=True, slots=True)
class _Close:
    pass


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
        self._fail_fast = fail_fast
        self.ledger = ledger
        self.failures: list[TaskFuture] = []  # calls that failed, in the order in which they did
        self.cancelled: _Cancel | None = None
        self._executor = executor
        self._here = ThreadExecutor(executor.slots)
        self._setting = setting
        self._cancel_requested = cancel_requested
        self._opened = False
        self._mail: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._numbers = itertools.count(1)
        self._ready: deque[Call] = deque()
        self._waiting: set[Call] = set()
        self._running: dict[int, Call] = {}
        self._maps: deque[MappedCalls] = deque()
        self._timers: list[tuple[float, int, Callable[[], None]]] = []
        self._drains: list[threading.Event] = []
        self._mean: float | None = None
        self._places = Places(ledger, self._post)
        self._next_flush = _NEVER
        self._closing = False
        self._broken: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="orch_nb flow", daemon=True)
        self._thread.start()

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
        call = self._make_call(work, args, kwargs, wait_for, TaskFuture(work.label(None)))
        self._mail.put(_Submitted(call))
        return call.future

    def map(self, calls: MappedCalls) -> None:
        """Have the calls of a map run, as there is room for them."""
        self.check()
        self._mail.put(_Mapped(calls))

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
        known = self._find(call)
        if known is not None:
            return load_value(known, Path(self._setting.staging))
        call.entry = self.ledger.begin(work.call_name(None), call.key)
        while True:
            self._mark_begun(call)
            try:
                self._places.acquire_here(call)
                outcome, value, error = self._attempt_here(call)
            finally:
                self._places.release(call)
            if error is None or not self._may_retry(call, outcome):
                break
            self._note_retry(call, outcome)
            time.sleep(work.delays[call.failures - 1])
            self.check()
        self._record_end(call, outcome)
        if error is not None:
            raise error
        return value

    def check_limits(self, work: TaskWork) -> None:
        """Raise OptionError for a task that uses a limit without a size."""
        if work.options.uses:
            self._places.check(work.name, work.options.uses)

    def drain(self) -> None:
        """Wait until every call has ended."""
        done = threading.Event()
        self._mail.put(_Drain(done))
        done.wait()
        if self._broken is not None:
            raise self._broken

    def cancel(self, reason: str, state: StateName = StateName.CANCELLED) -> None:
        """End everything that runs, and start nothing more."""
        self._mail.put(_Cancel(reason, state))

    def close(self) -> None:
        """End the thread and the workers."""
        self._mail.put(_Close())
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

    def _make_call(
        self,
        work: TaskWork,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        wait_for: tuple[TaskFuture, ...],
        future: TaskFuture,
        index: int | None = None,
    ) -> Call:
        arguments = take_out(args, kwargs)
        digest, whole = digest_arguments(arguments)
        if work.salt is not None:
            digest += work.salt(frozenset(kwargs))
        call = Call(
            next(self._numbers), work, arguments, future, index, wait_for, digest, partial=not whole
        )
        try:
            call.shipped = pickle_arguments(arguments)
            work.blob()
        except Exception as error:  # the values' own code runs here
            call.unshippable = f"{type(error).__name__}: {error}"[:200]
        else:
            if not arguments.futures:
                call.arguments = Arguments((), {})  # what is shipped is enough
        return call

    def _post(self, item: Any) -> None:
        self._mail.put(item)

    # -- the thread

    def _work(self) -> None:
        next_beat = time.monotonic() + _BEAT
        try:
            while True:
                self._take_mail(next_beat)
                now = time.monotonic()
                while self._timers and self._timers[0][0] <= now:
                    heapq.heappop(self._timers)[2]()
                self._go_on()
                if now >= self._next_flush:
                    self._next_flush = _NEVER
                    self.ledger.flush()
                if now >= next_beat:
                    next_beat = now + _BEAT
                    self._beat()
                if self._closing and not self._running:
                    break
        except BaseException as error:
            _log.debug("the flow's engine failed", exc_info=True)
            self._broken = self._broken or error
            self._fail_all(error)
        finally:
            with contextlib.suppress(Exception):
                self.ledger.flush()
            self._here.close()
            if self._opened:
                self._executor.close()
            for done in self._drains:
                done.set()

    def _take_mail(self, next_beat: float) -> None:
        first_timer = self._timers[0][0] if self._timers else _NEVER
        wait = min(next_beat, first_timer, self._next_flush) - time.monotonic()
        try:
            item = self._mail.get(timeout=max(0.0, wait))
            for _ in range(500):  # then what is ready has its turn
                self._take(item)
                item = self._mail.get_nowait()
            self._take(item)
        except queue.Empty:
            return

    def _take(self, item: Any) -> None:
        match item:
            case Ended(number, outcome):
                self._ended(number, outcome)
            case Logged():
                self._logged(item)
            case _Submitted(call):
                self._admit(call)
            case _Ready(call):
                self._one_less(call)
            case _Mapped(calls):
                self._maps.append(calls)
            case _Drain(done):
                self._drains.append(done)
            case _Cancel():
                self._cancel_all(item)
            case _Close():
                self._closing = True
            case _:
                item()  # what a limit tells

    def _beat(self) -> None:
        self.ledger.beat()
        self._places.beat()
        by = self._cancel_requested()
        if by is not None:
            self._cancel_all(_Cancel(f"cancelled by {by}", StateName.CANCELLED))

    def _go_on(self) -> None:
        """Start what can be, make the next calls of maps, and tell those who wait for the end."""
        while self._room() > 0:
            while not self._ready and self._maps:
                self._next_of_map()
            if not self._ready:
                break
            self._start(self._ready.popleft())
        idle = not (self._ready or self._waiting or self._running or self._maps)
        if idle and self._drains and self._mail.empty():
            self.ledger.flush()
            for done in self._drains:
                done.set()
            self._drains.clear()

    def _room(self) -> int:
        slots = self._executor.slots
        short = self._mean is not None and self._mean < _SHORT
        return (self._executor.window if short else slots) - len(self._running)

    def _next_of_map(self) -> None:
        mapped = self._maps[0]
        found = next(mapped.futures, None)
        if found is None:
            self._maps.popleft()
            return
        index, future = found
        try:
            args, kwargs = mapped.arguments(index)
            call = self._make_call(mapped.work, args, kwargs, mapped.wait_for, future, index)
        except Exception as error:  # an iterable of the user's own
            future.fail(functools.partial(_again, error), StateName.FAILED)
            self.failures.append(future)
            return
        self._admit(call)

    # -- one call

    def _admit(self, call: Call) -> None:
        if self.cancelled is not None:
            self._pass(call, StateName.CANCELLED, self.cancelled.reason)
            return
        needs = {id(f): f for f in (*call.arguments.futures, *call.wait_for)}.values()
        self._waiting.add(call)
        call.missing = 1
        for future in needs:
            call.missing += 1
            if not future.watch(functools.partial(self._mail.put, _Ready(call))):
                call.missing -= 1
        self._one_less(call)

    def _one_less(self, call: Call) -> None:
        call.missing -= 1
        if call.missing or call not in self._waiting:
            return
        self._waiting.discard(call)
        for future in (*call.arguments.futures, *call.wait_for):
            if future.has_failed:
                future.seen = True
                self._lose(call, future)
                return
        self._ready.append(call)

    def _lose(self, call: Call, future: TaskFuture) -> None:
        """What the call needs has no value: it does not run."""
        call.key = call.key or self._key(call)
        call.entry = self.ledger.begin(call.work.call_name(call.index), call.key)
        error = str(future.why()).split("\n")[0][:200]
        reason = f"needs {future.label}" + (f" ({error})" if error else "")
        self._pass(call, StateName.UPSTREAM_FAILED, reason)

    def _pass(self, call: Call, state: StateName, reason: str) -> None:
        if call.entry is not None:
            self.ledger.move(call.entry, state, reason)
            self._soon()
        label = call.future.label
        words = f"{label} was not run: {reason}"
        if state is StateName.CANCELLED:
            call.future.fail(lambda: FlowCancelled(reason), state)
        else:
            self.failures.append(call.future)
            call.future.fail(lambda: TaskError(words), state)

    def _key(self, call: Call) -> str:
        """What makes the call the same as one of an earlier attempt of the run."""
        index = "" if call.index is None else str(call.index)
        parts = [call.work.name, call.work.where_from, index, call.digest]
        parts += [future.digest for future in call.arguments.futures]
        return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:32]

    def _find(self, call: Call) -> Kept | None:
        """The call's kept value, if an earlier attempt or the cache has one."""
        call.key = self._key(call)
        options = call.work.options
        kept = None if options.refresh else self.ledger.known(call.key)
        if kept is not None:
            return kept
        if options.cache and not call.partial and call.digest:
            inputs = [future.digest for future in call.arguments.futures]
            version = f"{sys.version_info[0]}.{sys.version_info[1]}"
            parts = [call.work.code(), call.digest, *inputs, version, options.cache_extra or ""]
            call.cache_key = "call:" + hashlib.sha256("\0".join(parts).encode()).hexdigest()
            if not options.refresh:
                kept = self.ledger.cached(call.cache_key, options.cache_ttl)
            if kept is not None:
                entry = self.ledger.begin(call.work.call_name(call.index), call.key)
                taken = CallOutcome(kept)
                self.ledger.end(
                    entry, taken, StateName.CACHED, message="equal work was done before"
                )
                self._soon()
        return kept

    def _start(self, call: Call) -> None:
        if call.entry is None:
            known = self._find(call)
            if known is not None:
                self._give(call, known, StateName.CACHED)
                return
            call.entry = self.ledger.begin(call.work.call_name(call.index), call.key)
        if call.work.options.uses and not call.places:
            self._waiting.add(call)
            self._places.acquire(call, functools.partial(self._due, call))
            return
        if not call.unshippable:
            hidden = [f for f in call.arguments.futures if f.kept is None]
            call.unshippable = (
                f"the value of {hidden[0].label} can't be kept" if hidden else call.work.at_home
            )
        self._running[call.number] = call
        self._mark_begun(call)
        limit = call.work.options.timeout
        if limit is not None:
            call.deadline = time.monotonic() + limit
            self._at(limit, functools.partial(self._out_of_time, call, call.failures))
        call.here = bool(call.unshippable)
        if call.here:
            work = functools.partial(self._attempt_in_thread, call)
            self._here.open(self._setting, self._mail.put)
            self._here.start_here(call.number, work)
            return
        if not self._opened:
            self._opened = True
            self._executor.open(self._setting, self._hear)
        self._executor.start(call.number, self._spec(call))

    def _hear(self, heard: Heard) -> None:
        self._mail.put(heard)

    def _spec(self, call: Call) -> CallSpec:
        inputs = [future.kept for future in call.arguments.futures]
        return CallSpec(
            call.work.blob(),
            call.shipped or b"",
            inputs,
            self._setting.staging,
            call.work.name,
        )

    def _mark_begun(self, call: Call) -> None:
        if call.entry is None:
            raise RuntimeError("a call begins before it is recorded")
        state = StateName.RETRYING if call.failures else StateName.RUNNING
        where = self._executor.where if not call.unshippable else f"thread: {call.unshippable}"
        if call.number == 0:
            where = "the flow's own thread"
        self.ledger.move(call.entry, state, where=where, attempt=call.failures + 1)
        call.future.move(state)
        self._soon()

    def _attempt_in_thread(self, call: Call) -> CallOutcome:
        return self._attempt_here(call)[0]

    def _attempt_here(self, call: Call) -> tuple[CallOutcome, Any, BaseException | None]:
        begin = time.perf_counter()
        arguments = call.arguments
        if call.shipped is not None and not arguments.futures:
            arguments = Arguments(*pickle.loads(call.shipped))  # our own, from just before
        try:
            args, kwargs = put_in(arguments)
            value = call_function(call.work.function, args, kwargs)
        except (KeyboardInterrupt, FlowCancelled):
            raise
        except BaseException as error:
            seconds = time.perf_counter() - begin
            return CallOutcome(error=describe_error(error), seconds=seconds), None, error
        seconds = time.perf_counter() - begin
        try:
            kept = keep_value(value, Path(self._setting.staging))
        except Exception as error:  # a value that can't be kept is still a value
            words = f"{type(value).__qualname__} can't be kept: {error}"[:200]
            call.value = value
            return CallOutcome(unshippable=words, seconds=seconds), value, None
        return CallOutcome(kept, seconds=seconds), value, None

    def _out_of_time(self, call: Call, failures: int) -> None:
        if self._running.get(call.number) is not call or call.failures != failures:
            return
        (self._here if call.here else self._executor).drop(call.number)
        words = f"took longer than {format_duration(call.work.options.timeout or 0)}"
        error = CallError("TimedOut", words, TIMED_OUT)
        seconds = call.work.options.timeout or 0.0
        self._ended(call.number, CallOutcome(error=error, seconds=seconds, timed_out=True))

    def _ended(self, number: int, outcome: CallOutcome) -> None:
        call = self._running.pop(number, None)
        if call is None:
            return
        if self._mean is None:
            self._mean = outcome.seconds
        self._mean += (outcome.seconds - self._mean) / 8
        self._places.release(call)
        if not outcome.ok and outcome.unshippable and not call.here:
            # it runs again, where its value can stay, and so do its task's further calls
            call.unshippable = call.work.at_home = outcome.unshippable
            self._ready.appendleft(call)
        elif not outcome.ok and self._may_retry(call, outcome):
            self._note_retry(call, outcome)
            self._waiting.add(call)
            self._at(call.work.delays[call.failures - 1], functools.partial(self._due, call))
        else:
            self._record_end(call, outcome)

    def _may_retry(self, call: Call, outcome: CallOutcome) -> bool:
        if outcome.error is None or call.failures >= len(call.work.delays):
            return False
        types = CRASHED if outcome.crashed else outcome.error.types
        return may_follow(call.work.options.retry_on, types)

    def _note_retry(self, call: Call, outcome: CallOutcome) -> None:
        error = outcome.error
        if call.entry is None or error is None:
            raise RuntimeError("only a call that failed is retried")
        call.failures += 1
        words = f"{error.name}: {error.value}"
        self.ledger.move(call.entry, StateName.AWAITING_RETRY, words)
        call.future.move(StateName.AWAITING_RETRY)
        self._soon()

    def _record_end(self, call: Call, outcome: CallOutcome) -> None:
        if call.entry is None:
            raise RuntimeError("a call ends before it is recorded")
        error = outcome.error
        if error is None:
            self.ledger.end(call.entry, outcome, StateName.COMPLETED, cache_key=call.cache_key)
            self._soon()
            if outcome.kept is not None:
                self._give(call, outcome.kept, StateName.COMPLETED)
            else:
                value, digest = call.value, f"not kept, call {call.number}"
                call.future.give(lambda: value, digest, StateName.COMPLETED)
            return
        state = StateName.FAILED
        if outcome.timed_out:
            state = StateName.TIMED_OUT
        elif outcome.crashed:
            state = StateName.CRASHED
        words = f"{error.name}: {error.value}"
        self.ledger.end(call.entry, outcome, state, message=words)
        self._soon()
        if call.number:
            self.failures.append(call.future)
            if self._fail_fast:
                self._cancel_all(_Cancel(f"{call.future.label} failed", StateName.FAILED))
        call.future.fail(functools.partial(_error_of, call.future.label, error, state), state)

    def _give(self, call: Call, kept: Kept, state: StateName) -> None:
        load = functools.partial(load_value, kept, Path(self._setting.staging))
        call.future.give(load, kept.digest, state, kept)

    def _due(self, call: Call) -> None:
        """What the call waited for, a delay or a place in a limit, is there."""
        if call in self._waiting:
            self._waiting.discard(call)
            self._ready.append(call)

    def _logged(self, heard: Logged) -> None:
        call = self._running.get(heard.call)
        entry = None if call is None else call.entry
        self.ledger.log(entry, heard.level, heard.logger, heard.text, heard.time)
        self._soon()
        if heard.logger in ("stdout", "stderr"):
            with contextlib.suppress(Exception):  # the flow's own stream may be closed
                print(heard.text, file=getattr(sys, heard.logger))

    # -- ends

    def _cancel_all(self, why: _Cancel) -> None:
        if self.cancelled is not None:
            return
        self.cancelled = why
        for call in list(self._running.values()):
            (self._here if call.here else self._executor).drop(call.number)
            self._places.release(call)
        stopped = [*self._running.values(), *self._ready, *self._waiting]
        self._running.clear()
        self._ready.clear()
        self._waiting.clear()
        for call in stopped:
            self._pass(call, StateName.CANCELLED, why.reason)
        for mapped in self._maps:
            for _, future in mapped.futures:
                future.fail(lambda: FlowCancelled(why.reason), StateName.CANCELLED)
        self._maps.clear()

    def _fail_all(self, error: BaseException) -> None:
        calls = [*self._running.values(), *self._ready, *self._waiting]
        for call in calls:
            if not call.future.done():
                call.future.fail(functools.partial(_again, error), StateName.CRASHED)
        for mapped in self._maps:
            for _, future in mapped.futures:
                future.fail(functools.partial(_again, error), StateName.CRASHED)

    def _at(self, seconds: float, do: Callable[[], None]) -> None:
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(self._numbers), do))

    def _soon(self) -> None:
        if self._next_flush == _NEVER:
            self._next_flush = time.monotonic() + _FLUSH


def _again(error: BaseException) -> BaseException:
    """The error itself, for a future that raises it."""
    return error


def _error_of(label: str, error: CallError, state: StateName) -> BaseException:
    """What the future of a failed call raises: the task's own error, where that can be shipped."""
    if error.pickled:
        found = pickle.loads(error.pickled)  # from a worker of this very run
        if isinstance(found, BaseException):
            found.add_note(f"raised in task {label}:\n{error.trace}")
            return found
    words = f"{label} is {state}: {error.name}: {error.value}"
    return TaskError(words)
