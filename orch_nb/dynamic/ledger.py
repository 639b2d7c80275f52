"""The record of a dynamic flow's run: its task runs, states, values and logs, written in batches.

A value is kept before the state that announces it, in the same transaction. What is on record of
an earlier attempt of the run is found by the calls' keys.
"""

from __future__ import annotations

import base64
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from orch_nb.errors import ResultError
from orch_nb.execution.calls import CallOutcome, Kept, check_small
from orch_nb.model import CellKind, FlowRun, LogRecord, TaskRun
from orch_nb.results.blob import Manifest
from orch_nb.results.checking import check_result, signature_of
from orch_nb.results.location import Location
from orch_nb.results.signing import KeyRing
from orch_nb.states import TYPE_OF, StateName, StateType
from orch_nb.store import (
    ResultRecord,
    Store,
    StoreWriter,
    TaskChange,
    Transaction,
    new_task_run_id,
)

_BY = "driver"
_INLINE = "pickle"  # what a small value is called in its record


@dataclass(frozen=True, slots=True)
class CallName:
    """How a record calls one call: the task, its number in the flow, and which item."""

    name: str
    number: int
    where_from: str  # module and name of the function, or the cell's id
    map_index: int | None = None
    max_attempts: int = 1
    kind: CellKind = CellKind.TASK


@dataclass(slots=True)
class Entry:
    """One call's task run as it is now, and as it was when it was last written."""

    task: TaskRun
    written: StateName | None  # None: not recorded yet
    begun: int = 0  # attempts before this attempt of the run


@dataclass(slots=True)
class Ledger:
    """The record of one claimed run. Any thread may call it."""

    run: FlowRun
    store: Store
    writer: StoreWriter
    keyring: KeyRing
    location: Location
    of_cells: bool = False  # the run has task runs of its cells, too, which are none of this
    failed: Callable[[BaseException], None] = lambda error: None
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _done: dict[str, list[ResultRecord]] = field(default_factory=lambda: defaultdict(list))
    _left: dict[str, list[TaskRun]] = field(default_factory=lambda: defaultdict(list))
    _not_run: dict[tuple[str, str, int | None], list[TaskRun]] = field(
        default_factory=lambda: defaultdict(list)
    )
    _dirty: dict[str, Entry] = field(default_factory=dict)
    _states: list[tuple[TaskRun, StateName]] = field(default_factory=list)
    _results: list[ResultRecord] = field(default_factory=list)
    _logs: list[LogRecord] = field(default_factory=list)

    def read_earlier(self) -> None:
        """Find what earlier attempts of the run have done, and what they left."""
        by_id = {
            task.id: task
            for task in self.store.task_runs(self.run.id)
            if task.is_call or not self.of_cells
        }
        for result in self.store.results(self.run.id):
            task = by_id.get(result.task_run_id)
            if task is not None and result.kept and task.state_type is StateType.COMPLETED:
                self._done[result.recipe].append(result)
                by_id.pop(task.id)
        for task in by_id.values():
            if task.state_name is StateName.UPSTREAM_FAILED:  # its key lacks what was not made
                self._not_run[task.name, task.cell_id, task.map_index].append(task)
            else:
                self._left[task.source_hash].append(task)

    def forget(self) -> None:
        """What was found of earlier attempts is to be read anew."""
        with self._lock:
            self._done.clear()
            self._left.clear()
            self._not_run.clear()

    # -- what is known

    def known(self, key: str) -> Kept | None:
        """The kept value of an equal call of an earlier attempt, each of them once."""
        with self._lock:
            found = self._done.get(key)
            while found:
                kept = self.checked(found.pop(0))
                if kept is not None:
                    return kept
        return None

    def cached(self, cache_key: str, longest: float | None) -> Kept | None:
        """The kept value of equal work in any run that is at most ``longest`` seconds old."""
        now = datetime.now(UTC)
        for record in self.store.find_results(cache_key):
            created = record.created
            if longest is not None and created and now - created > timedelta(seconds=longest):
                return None
            kept = self.checked(record)
            if kept is not None:
                return kept
        return None

    def checked(self, record: ResultRecord) -> Kept | None:
        """A recorded value, if it is signed by this store, there, and sound."""
        inline = (record.outcome or {}).get(_INLINE)
        if record.manifest is None:
            return None
        kept = Kept(dict(record.manifest), None if inline is None else base64.b64decode(inline))
        if kept.frame is None:
            return None if check_result(record, self.keyring, self.location) else kept
        try:
            self.keyring.verify(Manifest.from_json(kept.manifest), signature_of(record))
            check_small(kept)
        except ResultError:
            return None
        return kept

    # -- what happens

    def begin(self, name: CallName, key: str) -> Entry:
        """A call that is to be run: a task run of its own, or the one that is left of it."""
        with self._lock:
            left = self._left.get(key)
            left = left or self._not_run.get((name.name, name.where_from, name.map_index))
            if left:
                found = left.pop(0)
                begun = found.attempts_begun
                most = begun + name.max_attempts
                task = replace(found, source_hash=key, max_attempts=most)
                entry = Entry(task, task.state_name, begun)
                if task.state_type.is_terminal:
                    self._set(entry, StateName.RESUMING, "")
                return entry
            task = TaskRun(
                id=new_task_run_id(),
                flow_run_id=self.run.id,
                name=name.name,
                cell_number=name.number,
                cell_id=name.where_from,
                kind=name.kind,
                state_name=StateName.PENDING,
                max_attempts=name.max_attempts,
                source_hash=key,
                map_index=name.map_index,
            )
            entry = Entry(task, None)
            self._dirty[task.id] = entry
            return entry

    def move(self, entry: Entry, state: StateName, message: str = "", **fields: Any) -> None:
        """Record the call's new state."""
        with self._lock:
            self._set(entry, state, message, **fields)

    def end(
        self,
        entry: Entry,
        outcome: CallOutcome,
        state: StateName,
        *,
        message: str = "",
        cache_key: str | None = None,
    ) -> None:
        """Record how an attempt ended, and its value."""
        fields: dict[str, Any] = {"seconds": outcome.seconds}
        if outcome.error is not None:
            fields |= {
                "error_name": outcome.error.name,
                "error_value": outcome.error.value,
                "error_line": outcome.error.line,
            }
        record = self._result(entry, outcome, cache_key)
        with self._lock:
            if outcome.error is not None and outcome.error.trace:
                self.log(entry, 40, "orch_nb.task", outcome.error.trace)
            self._results.append(record)
            self._set(entry, state, message, **fields)

    def log(
        self, entry: Entry | None, level: int, logger: str, text: str, time: float | None = None
    ) -> None:
        """Record what a call, or the flow itself, logged."""
        moment = datetime.now(UTC) if time is None else datetime.fromtimestamp(time, UTC)
        task = None if entry is None else entry.task
        name = None if task is None else _shown(task)
        attempt = 1 if task is None else task.attempt
        with self._lock:
            self._logs.append(LogRecord(self.run.id, name, moment, level, logger, text, attempt))

    @property
    def has_news(self) -> bool:
        """Whether something has gathered that is not with the store yet."""
        return bool(self._dirty or self._states or self._results or self._logs)

    def flush(self) -> None:
        """Hand what has gathered to the store, in one operation."""
        with self._lock:
            fresh = [entry.task for entry in self._dirty.values()]
            for entry in self._dirty.values():
                entry.written = entry.task.state_name
            self._dirty = {}
            states, self._states = self._states, []
            results, self._results = self._results, []
            logs, self._logs = self._logs, []
        if not (fresh or states or results or logs):
            return
        run_id, epoch = self.run.id, self.run.epoch

        def write(transaction: Transaction) -> None:
            transaction.add_task_runs(run_id, fresh, epoch=epoch, by=_BY)
            for result in results:
                transaction.record_result(result, epoch=epoch)
            changes = [TaskChange(task, expected) for task, expected in states]
            transaction.set_task_states(changes, epoch=epoch, by=_BY)
            transaction.append_logs(logs)

        self._submit(write)

    def set_run_state(self, state: StateName, message: str = "") -> None:
        """Record the flow run's new state."""
        self.flush()
        expected, now = self.run.state_name, datetime.now(UTC)
        run = replace(self.run, state_name=state, state_message=message)
        if run.state_type is StateType.RUNNING and run.start_time is None:
            run = replace(run, start_time=now)
        if run.state_type.is_terminal:
            run = replace(run, end_time=now)
        self.run = run
        self._submit(lambda t: t.set_flow_state(run, expected=expected, by=_BY))

    def beat(self) -> None:
        """Show that the run's driver lives."""
        run = self.run
        self._submit(lambda t: t.beat(run.id, run.epoch))

    def close(self) -> None:
        """Give the claim back, and wait until everything is stored."""
        run = self.run
        self._submit(lambda t: t.release(run.id, run.epoch))
        self.writer.flush()

    # -- inside

    def _set(self, entry: Entry, state: StateName, message: str, **fields: Any) -> None:
        now, kind = datetime.now(UTC), TYPE_OF[state]
        fields |= {"state_name": state, "state_message": message}
        if kind is StateType.RUNNING:
            fields |= {"start_time": now, "end_time": None}
            fields |= {"error_name": None, "error_value": None}
        elif kind.is_terminal:
            fields["end_time"] = now
        task = entry.task = replace(entry.task, **fields)
        if entry.written is not None:  # else the row is added as it will be by then
            self._states.append((task, entry.written))
            entry.written = state

    def _result(self, entry: Entry, outcome: CallOutcome, cache_key: str | None) -> ResultRecord:
        task = entry.task
        record = ResultRecord(
            self.run.id,
            task.id,
            (),
            kept=False,
            attempt=task.attempt,
            recipe=task.source_hash,
            reason=outcome.unshippable or "it did not end well",
        )
        kept = outcome.kept
        if kept is None:
            return record
        manifest = Manifest.from_json(kept.manifest)
        signature = self.keyring.sign(manifest)
        if kept.frame is None:
            self.location.keep(manifest.digest)
        inline = None if kept.frame is None else base64.b64encode(kept.frame).decode()
        return replace(
            record,
            kept=True,
            reason="",
            cache_key=cache_key,
            digest=manifest.digest,
            manifest=dict(kept.manifest),
            outcome=None if inline is None else {_INLINE: inline},
            size=manifest.size,
            signature=signature.value,
            key_id=signature.key_id,
        )

    def _submit(self, operation: Callable[[Transaction], Any]) -> None:
        self.writer.submit(operation).add_done_callback(self._check)

    def _check(self, future: Future[Any]) -> None:
        error = future.exception()
        if error is not None:
            self.failed(error)


def _shown(task: TaskRun) -> str:
    return task.name if task.map_index is None else f"{task.name}[{task.map_index}]"


def run_context(run: FlowRun) -> Mapping[str, Any]:
    """What `orch_nb.run` tells in the run's tasks."""
    return {
        "id": run.id,
        "name": run.name,
        "flow": run.flow,
        "parameters": dict(run.parameters),
        "attempt": run.attempt,
    }
