"""Keep the record of one run: task runs in the store, results signed, listeners told."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from orch_nb.engine.cache.note import CacheNote
from orch_nb.engine.events import (
    Event,
    Listener,
    Logged,
    Notice,
    Printed,
    RunChanged,
    RunEnded,
    TaskChanged,
    TaskProgress,
)
from orch_nb.engine.keeping import Keeping, Operation
from orch_nb.engine.messages import Learn, Note
from orch_nb.errors import StaleClaimError
from orch_nb.execution.job import Message, Outcome
from orch_nb.execution.outputs import ErrorInfo, Output
from orch_nb.model import FlowRun, LogRecord, TaskRun
from orch_nb.results.blob import Manifest
from orch_nb.results.location import Location
from orch_nb.results.signing import KeyRing
from orch_nb.states import TYPE_OF, StateName, StateType
from orch_nb.store import ResultRecord, StoreWriter, TaskChange, Transaction

_log = logging.getLogger(__name__)
_BY = "driver"
# How an attempt may end that told no outcome: out of time, lost with its process, stopped.
_CUT_OFF = frozenset(
    {StateName.TIMED_OUT, StateName.CRASHED, StateName.CANCELLED, StateName.AWAITING_RETRY}
)
_NO_ERROR = {"error_name": None, "error_value": None, "error_line": None}
_LAST_LINE = re.compile(r"[^\r\n]*[^\s][^\r\n]*(?=[\r\n]*\Z)")


@dataclass(slots=True)
class Recording:
    """The record of one claimed run."""

    run: FlowRun
    tasks: dict[int, TaskRun]
    writer: StoreWriter
    keyring: KeyRing
    listener: Listener
    location: Location | None = None  # where values are kept, if not just where they are written
    recipes: Mapping[int, str] = field(default_factory=dict)  # by cell number, for the results
    tries: Mapping[int, int] = field(default_factory=dict)  # attempts that a policy allows, by cell
    cache: Callable[[int, Outcome, StateName], CacheNote | None] = lambda *_: None
    clock: Callable[[], datetime] = field(default=lambda: datetime.now(UTC))
    learned: list[Learn] = field(default_factory=list)
    _failed: Callable[[BaseException], None] | None = None
    _changes: list[TaskChange] = field(default_factory=list)
    _results: list[ResultRecord] = field(default_factory=list)
    _void: list[str] = field(default_factory=list)
    _logs: list[LogRecord] = field(default_factory=list)
    _begun: dict[int, int] = field(init=False)  # attempts before this attempt of the run, by cell
    _keeping: Keeping = field(init=False)

    def __post_init__(self) -> None:
        self._count_attempts()
        self._keeping = Keeping(self.writer, self.location, self.notice)

    def tell(self, event: Event) -> None:
        """Hand an event to the listener; its failures are its own."""
        try:
            self.listener(event)
        except Exception:  # a face must not stop the run
            _log.exception("a listener failed")

    def notice(self, text: str) -> None:
        """Tell the user something that is no error."""
        self.tell(Notice(text))

    def set_run_state(self, state: StateName, message: str = "") -> None:
        """Record the flow run's new state."""
        self._set_run(self.in_state(state, message))

    def in_state(self, state: StateName, message: str = "") -> FlowRun:
        """The flow run as it would be if it entered a state now."""
        now = self.clock()
        run = replace(self.run, state_name=state, state_message=message)
        if run.state_type is StateType.RUNNING and run.start_time is None:
            run = replace(run, start_time=now)
        if run.state_type.is_terminal:
            run = replace(run, end_time=now)
        return run

    def _set_run(self, run: FlowRun) -> None:
        expected = self.run.state_name
        self.run = run
        self._submit(lambda t, _: t.set_flow_state(run, expected=expected, by=_BY))
        self.tell(RunChanged(run))

    def note(
        self,
        note: Note,
        outcome: Outcome | None,
        where: str,
        *,
        shown: Sequence[Output] = (),
        void: bool = True,
    ) -> None:
        """Record a task's new state; ``outcome`` is what its latest attempt told, if it did, and
        ``shown`` what one that was cut off had shown by then.
        With ``void``, the result of a cell that runs again was made from wrong inputs."""
        old = self.tasks[note.cell]
        if note.state is old.state_name and old.state_type.is_terminal:
            return  # as in the attempt before
        now, kind = self.clock(), TYPE_OF[note.state]
        new: dict[str, Any] = {
            "state_name": note.state,
            "state_message": note.message,
            "attempt": self._begun[note.cell] + note.attempt,
            "max_attempts": self._begun[note.cell] + self.tries.get(note.cell, 1),
            "where": where,
        }
        if kind is StateType.RUNNING or note.state is StateName.RESUMING:
            start = now if kind is StateType.RUNNING else None
            new |= {"start_time": start, "end_time": None, "seconds": None} | _NO_ERROR
        elif kind.is_terminal or note.state is StateName.AWAITING_RETRY:
            new["end_time"] = now
            if outcome is not None:
                new |= _told_by(outcome)
            elif old.start_time is not None:
                new["seconds"] = (now - old.start_time).total_seconds()
        task = replace(old, **new)
        self.tasks[note.cell] = task
        if outcome is not None:
            self._results.append(self._result(task, outcome))
            self._note_cache(outcome)
        elif note.state is StateName.RESUMING and void:
            self._void.append(task.id)
        elif note.state in _CUT_OFF and old.state_type is StateType.RUNNING:
            self._results.append(self._cut_off(task, shown))
        self._changes.append(TaskChange(task, old.state_name))
        self.tell(TaskChanged(task))

    def reschedule(self, note: Note, *, void: bool = False) -> None:
        """Record that a cell which had ended is to run in this attempt; what it made before
        may still serve when its recipe comes back, unless it is ``void``."""
        self.note(note, None, "", void=void)

    def take_back(self, cell: int) -> None:
        """Record that what a cell made serves for nothing, with whatever is recorded next."""
        self._void.append(self.tasks[cell].id)

    def restore(self, note: Note, outcome: Outcome) -> None:
        """Record that a task whose last attempt did not end well has an earlier outcome that
        serves after all; ``note`` has the state that it enters and why."""
        if self.tasks[note.cell].state_type.is_terminal:
            self.reschedule(replace(note, state=StateName.RESUMING))
        old = self.tasks[note.cell]
        task = replace(old, state_name=note.state, state_message=note.message)
        task = replace(task, end_time=self.clock(), seconds=outcome.seconds)
        self.tasks[note.cell] = task
        self._changes.append(TaskChange(task, old.state_name))
        self.tell(TaskChanged(task))

    def next_attempt(self) -> None:
        """The states that follow are those of the run's next attempt."""
        self.run = replace(self.run, attempt=self.run.attempt + 1)
        self._count_attempts()

    def _count_attempts(self) -> None:
        self._begun = {number: task.attempts_begun for number, task in self.tasks.items()}

    def settle(self) -> None:
        """Wait until everything so far is stored."""
        self.flush()
        self.drain()

    def drain(self) -> None:
        """Wait until everything that was flushed is stored; from any thread."""
        self._keeping.drain()
        self.writer.flush()

    def log(self, cell: int | None, level: int, logger: str, text: str, time: float) -> None:
        """Record something that a cell logged."""
        task = self.tasks.get(cell) if cell is not None else None
        record = LogRecord(
            self.run.id,
            None if task is None else task.name,
            datetime.fromtimestamp(time, UTC),
            level,
            logger,
            text,
            1 if task is None else task.attempt,
        )
        self._logs.append(record)
        self.tell(Logged(record))

    def showed(self, cell: int, event: Message) -> None:
        """Tell what a running cell shows, as far as it is text."""
        match event["type"]:
            case "stream":
                self.progress(cell, event["text"])
                self.tell(Printed(cell, event["name"], event["text"]))
            case "output":
                text = event["output"].get("data", {}).get("text/plain")
                if isinstance(text, str):
                    self.tell(Printed(cell, "result", text))

    def progress(self, cell: int, text: str = "", memory: int | None = None) -> None:
        """Tell what a running cell printed last, and its memory."""
        line = _LAST_LINE.search(text[-2000:])
        self.tell(TaskProgress(cell, line.group().strip() if line else "", memory))

    def flush(self) -> None:
        """Hand what has gathered to the store's writer, in one operation."""
        changes, self._changes = self._changes, []
        results, self._results = self._results, []
        logs, self._logs = self._logs, []
        void, self._void = self._void, []
        if not (changes or results or logs or void):
            return
        epoch = self.run.epoch

        def write(transaction: Transaction, kept: Sequence[ResultRecord]) -> None:
            for result in kept:
                transaction.record_result(result, epoch=epoch)
            # In one transaction with what proved it wrong: none is seen without the other.
            transaction.void_results(void, "made from inputs that were not final")
            for change in changes:
                transaction.set_task_states([change], epoch=epoch, by=_BY)
            transaction.append_logs(logs)

        self._submit(write, results)

    def beat(self) -> Future[None]:
        """Show that this driver lives; StaleClaimError in the future if it was taken for dead."""
        run = self.run  # not behind values that are on their way: others watch for it
        beaten = self.writer.submit(lambda t: t.beat(run.id, run.epoch))
        beaten.add_done_callback(self._check)
        return beaten

    def confirm(self) -> None:
        """Make sure that the run is still this driver's: what is written beside the store, such as
        the output notebook, has no other guard. Raises StaleClaimError."""
        error = self.beat().exception()
        if isinstance(error, StaleClaimError):
            self._keeping.close()
            raise error

    def keep_hints(self, notebook: str, hints: Mapping[str, Any]) -> None:
        """Keep what was learned of the notebook's cells, by source hash."""
        self._submit(lambda t, _: t.put_hints(notebook, hints))

    def end(self, run: FlowRun) -> None:
        """Record the end of the run, as ``in_state`` gave it; give the claim back, and wait until
        it is all stored."""
        self.flush()
        self._set_run(run)
        self._submit(lambda t, _: t.release(run.id, run.epoch))
        self._keeping.close()
        self.writer.flush()

    def ended_event(self, files: Sequence[str]) -> RunEnded:
        """The last event, for a run that has ended."""
        run = self.run
        seconds = 0.0
        if run.start_time is not None:
            seconds = ((run.end_time or self.clock()) - run.start_time).total_seconds()
        tasks = tuple(self.tasks[number] for number in sorted(self.tasks))
        return RunEnded(run, tasks, seconds, tuple(files))

    def on_failure(self, failed: Callable[[BaseException], None]) -> None:
        """Call ``failed``, in the store's thread, when the store refuses something."""
        self._failed = failed

    def _result(self, task: TaskRun, outcome: Outcome) -> ResultRecord:
        kept: dict[str, Any] = {"kept": False}
        if outcome.blob is None:
            kept["reason"] = outcome.unshippable or "it ran in the flow's own process"
            if outcome.no_room:
                self._keeping.not_kept(kept["reason"])
            if task.state_type is not StateType.COMPLETED:
                kept["reason"] = "it did not end well"
        else:
            manifest = Manifest.from_json(outcome.blob)
            signature = self.keyring.sign(manifest)
            kept = {
                "kept": True,
                "digest": manifest.digest,
                "manifest": outcome.blob,
                "size": manifest.size,
                "signature": signature.value,
                "key_id": signature.key_id,
            }
        return ResultRecord(
            self.run.id,
            task.id,
            outcome.bound,
            attempt=task.attempt,
            recipe=self.recipes.get(task.cell_number, ""),
            outcome=outcome.to_record(),
            **kept,
        )

    def _cut_off(self, task: TaskRun, shown: Sequence[Output]) -> ResultRecord:
        """The record of an attempt that ended without telling its outcome."""
        error = ErrorInfo("", task.state_message, ())
        outcome = Outcome(
            task.cell_number,
            task.attempt,
            outputs=tuple(shown),
            error=error,
            seconds=task.seconds or 0.0,
        )
        # Without a recipe it can't be taken for what the cell makes.
        return ResultRecord(
            self.run.id,
            task.id,
            (),
            kept=False,
            attempt=task.attempt,
            reason="it did not end well",
            outcome=outcome.to_record(),
        )

    def _note_cache(self, outcome: Outcome) -> None:
        """Keep with the last result what its outcome depends on, and the files it wrote."""
        result = self._results[-1]
        task = self.tasks[outcome.cell]
        note = self.cache(outcome.cell, outcome, task.state_name)
        if note is None:
            return
        usable = result.kept and not note.why_not
        key = note.key if usable else None
        self._results[-1] = replace(result, cache_key=key, cache_note=note.to_json())
        if note.files is None or not usable:
            return
        manifest = Manifest.from_json(note.files.manifest)
        files = ResultRecord(
            result.flow_run_id,
            result.task_run_id,
            (),
            kept=True,
            attempt=result.attempt,
            digest=manifest.digest,
            manifest=note.files.manifest,
            size=manifest.size,
            signature=note.files.signature,
            key_id=note.files.key_id,
        )
        self._results.append(files)

    def _submit(self, operation: Operation, results: Sequence[ResultRecord] = ()) -> None:
        self._keeping.submit(operation, self._check, results)

    def _check(self, future: Future[None]) -> None:
        error = future.exception()
        if error is not None and self._failed is not None:
            self._failed(error)


def _told_by(outcome: Outcome) -> dict[str, Any]:
    """What an outcome tells of its task."""
    told: dict[str, Any] = {
        "seconds": outcome.seconds,
        "peak_memory": outcome.peak_memory or None,
    }
    error = outcome.error
    if error is not None:
        told |= {
            "error_name": error.name,
            "error_value": error.value,
            "error_line": error.line,
        }
    return told
