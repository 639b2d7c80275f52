"""What becomes of a flow's calls, told to the record and to their futures."""

from __future__ import annotations

import functools
import pickle
from pathlib import Path

from orch_nb.dynamic.calls import Call
from orch_nb.dynamic.executors import Logged
from orch_nb.dynamic.futures import TaskFuture
from orch_nb.dynamic.known import call_key, find_known
from orch_nb.dynamic.ledger import Ledger
from orch_nb.dynamic.mail import FlowCancelled
from orch_nb.engine.retry import CRASHED, may_follow
from orch_nb.errors import TaskError
from orch_nb.execution.calls import CallError, CallOutcome, Kept, load_value
from orch_nb.states import StateName


class Progress:
    """The record and the futures of one flow's calls. Methods may be called in any thread."""

    def __init__(self, ledger: Ledger, staging: str) -> None:
        self.failures: list[TaskFuture] = []  # calls that failed, in the order in which they did
        self._ledger = ledger
        self._staging = Path(staging)

    def begin(self, call: Call) -> Kept | None:
        """Give the call its place in the record; or its value, which is known."""
        known = find_known(call, self._ledger)
        if known is None:
            call.entry = self._ledger.begin(call.work.call_name(call.index), call.key)
        return known

    def mark_begun(self, call: Call, where: str) -> None:
        """An attempt begins there."""
        if call.entry is None:
            raise RuntimeError("a call begins before it is recorded")
        state = StateName.RETRYING if call.failures else StateName.RUNNING
        attempt = call.entry.begun + call.failures + 1
        self._ledger.move(call.entry, state, where=where, attempt=attempt)
        call.future.move(state)
        call.begun = True

    def log(self, call: Call | None, heard: Logged) -> None:
        """Record what a call has logged or printed; or, without one, who runs them."""
        entry = None if call is None else call.entry
        self._ledger.log(entry, heard.level, heard.logger, heard.text, heard.time)

    def may_retry(self, call: Call, outcome: CallOutcome) -> bool:
        """Whether a failed attempt is followed by another."""
        if outcome.error is None or call.failures >= len(call.work.delays):
            return False
        types = CRASHED if outcome.crashed else outcome.error.types
        return may_follow(call.work.options.retry_on, types)

    def note_retry(self, call: Call, outcome: CallOutcome) -> float:
        """An attempt has failed and another follows; after how many seconds."""
        error = outcome.error
        if call.entry is None or error is None:
            raise RuntimeError("only a call that failed is retried")
        call.failures += 1
        call.begun = False
        self._ledger.move(call.entry, StateName.AWAITING_RETRY, f"{error.name}: {error.value}")
        call.future.move(StateName.AWAITING_RETRY)
        return call.work.delays[call.failures - 1]

    def record_end(self, call: Call, outcome: CallOutcome) -> None:
        """The call has ended for good."""
        if call.entry is None:
            raise RuntimeError("a call ends before it is recorded")
        error = outcome.error
        if error is not None:
            self._record_failure(call, outcome, error)
            return
        self._ledger.end(call.entry, outcome, StateName.COMPLETED, cache_key=call.cache_key)
        if outcome.kept is not None:
            self.give(call, outcome.kept, StateName.COMPLETED)
        else:
            value, digest = call.value, f"not kept, call {call.number}"
            call.future.give(lambda: value, digest, StateName.COMPLETED)

    def _record_failure(self, call: Call, outcome: CallOutcome, error: CallError) -> None:
        if call.entry is None:
            raise RuntimeError("a call ends before it is recorded")
        state = StateName.FAILED
        if outcome.timed_out:
            state = StateName.TIMED_OUT
        elif outcome.crashed:
            state = StateName.CRASHED
        self._ledger.end(call.entry, outcome, state, message=f"{error.name}: {error.value}")
        if call.number:
            self.failures.append(call.future)
        call.future.fail(functools.partial(_error_of, call.future.label, error, state), state)

    def give(self, call: Call, kept: Kept, state: StateName) -> None:
        """The call's value is there."""
        load = functools.partial(load_value, kept, self._staging)
        call.future.give(load, kept.digest, state, kept)

    def lose(self, call: Call, future: TaskFuture) -> None:
        """What the call needs has no value: it does not run."""
        call.key = call.key or call_key(call)
        call.entry = self._ledger.begin(call.work.call_name(call.index), call.key)
        error = str(future.why()).split("\n")[0][:200]
        reason = f"needs {future.label}" + (f" ({error})" if error else "")
        self.pass_over(call, StateName.UPSTREAM_FAILED, reason)

    def pass_over(self, call: Call, state: StateName, reason: str) -> None:
        """The call is not run, or not to its end."""
        if call.entry is not None:
            self._ledger.move(call.entry, state, reason)
        if state is StateName.CANCELLED:
            call.future.fail(lambda: FlowCancelled(reason), state)
            return
        words = f"{call.future.label} was not run: {reason}"
        self.failures.append(call.future)
        call.future.fail(lambda: TaskError(words), state)

    def fail(self, future: TaskFuture, error: BaseException, state: StateName) -> None:
        """A call that could not even be made."""
        self.failures.append(future)
        future.fail(lambda: error, state)


def _error_of(label: str, error: CallError, state: StateName) -> BaseException:
    """What the future of a failed call raises: the task's own error, where that can be shipped."""
    if error.pickled:
        found = pickle.loads(error.pickled)  # from a worker of this very run
        if isinstance(found, BaseException):
            found.add_note(f"raised in task {label}:\n{error.trace}")
            return found
    return TaskError(f"{label} is {state}: {error.name}: {error.value}")
