"""Drive one run: feed the core with what happens, and do what it asks for.

All of it happens in one event loop, in a thread of its own; the pure decisions are the core's.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from orch_nb.durations import format_duration
from orch_nb.engine.cache.asks import Ask
from orch_nb.engine.core import Core
from orch_nb.engine.limiting import Limits, Unlimited
from orch_nb.engine.messages import (
    Acquire,
    Answer,
    Begin,
    CancelAsked,
    Command,
    Drop,
    EffectAsked,
    Ended,
    Event,
    Finish,
    Fork,
    HomeLost,
    Idle,
    Learn,
    Note,
    Promote,
    Question,
    Release,
    Replan,
    Retire,
    Retired,
    RetryDue,
    RunAtHome,
    Wait,
)
from orch_nb.engine.plan import Facts, Plan
from orch_nb.engine.recording import Recording
from orch_nb.engine.seen import facts_of
from orch_nb.engine.stand_ins import StandIns
from orch_nb.errors import OutputError
from orch_nb.execution.ambient import AMBIENT
from orch_nb.execution.job import Gate, Job, Message, Outcome, SessionSpec
from orch_nb.execution.outputs import Output
from orch_nb.execution.threads import count_cores
from orch_nb.model import Cell, CellKind, Json
from orch_nb.runners.base import (
    Applied,
    Asked,
    Collect,
    Done,
    FinalValues,
    Gone,
    Lost,
    Report,
    Runner,
    Said,
    Showed,
)
from orch_nb.states import StateName

_NO_ASK = Ask()
_BEAT = 2.0  # seconds between heartbeats, looks at the store, and saves of the output
_CANCEL_GRACE = 10.0  # seconds that a cancelled run has to end, before its processes are killed


# States that say what became of an attempt.
_TELLING = frozenset(
    {
        StateName.COMPLETED,
        StateName.CACHED,
        StateName.FAILED,
        StateName.TIMED_OUT,
        StateName.AWAITING_RETRY,
    }
)


class OutputNotebook(Protocol):
    """Where the run's outputs go, cell by cell."""

    def started(self, cell: int, count: int) -> None:
        """An attempt has begun: earlier outputs of the cell are dropped."""

    def showed(self, cell: int, event: Message) -> None:
        """A running cell showed something."""

    def ended(self, cell: int, outcome: Outcome) -> None:
        """An attempt has told its outcome."""

    def shown(self, cell: int) -> Sequence[Output]:
        """What the cell's attempt has shown so far."""

    def save(self) -> None:
        """Write the file, if something is new."""


class Questions(Protocol):
    """Where cells' questions go. All methods are called in the driver's event loop."""

    def open(self, feed: Callable[[Event], None]) -> None:
        """The run begins; what is answered is told to ``feed``."""

    def ask(self, cell: Cell) -> None:
        """Ask the cell's question; answered by Answered or Unanswered."""

    def idle(self) -> None:
        """Nothing else is left to do: let the run be suspended (Suspend), or say why not."""

    def given(self, cell: int) -> Mapping[str, Json]:
        """What the answer to a cell's question gives it, by name."""

    def close(self) -> None:
        """The run is over, for now."""


@dataclass(frozen=True, slots=True)
class DriveRequest:
    """What the driver needs beside the plan. ``counts`` are serial execution counts."""

    spec: SessionSpec
    counts: Mapping[int, int]
    setups: Sequence[int] = ()  # setup cells, run once in each worker process
    timeout: float | None = None  # of the whole run, in seconds
    keep_out: bool = False  # some cell names `_` or `Out`
    threads: int = 0  # for every cell; 0 shares the cores among those that run
    collect: Collect = Collect.NOTHING
    cancel_requested: Callable[[], str | None] = lambda: None
    known: Mapping[int, Outcome] = field(default_factory=dict)  # see Plan.known
    recall: Callable[[int], Outcome | None] | None = None  # asked before a cell starts
    asks: Mapping[int, Ask] = field(default_factory=dict)  # what cells tell for the cache
    limits: Limits = field(default_factory=Unlimited)
    questions: Questions | None = None  # for cells that ask
    calls: Mapping[int, Mapping[str, Json]] = field(default_factory=dict)  # see Job.calls


class Driver:
    """One run of one plan."""

    def __init__(
        self,
        plan: Plan,
        request: DriveRequest,
        runner: Runner,
        recording: Recording,
        output: OutputNotebook,
    ) -> None:
        self._plan = plan
        self._request = request
        self._runner = runner
        self._recording = recording
        self._output = output
        # Of what is recalled, home has nothing to run.
        self._core = Core(plan, 1 if request.recall is not None else runner.home_queue)
        self._cores = count_cores()
        self._stand_ins = StandIns(plan.graph.nodes, AMBIENT)
        self._known = {
            cell: _recounted(outcome, request.counts[cell])
            for cell, outcome in request.known.items()
        }
        self._outcomes: dict[int, Outcome] = dict(self._known)
        self._where: dict[int, str] = {}
        self._jobs: dict[int, Job] = {}
        self._timers: dict[int, asyncio.TimerHandle] = {}
        self._insisting: asyncio.TimerHandle | None = None  # once it was cancelled
        self._finish: Finish | None = None
        self._broken: Exception | None = None
        self.values: FinalValues | None = None
        self.replans: list[Replan] = []  # if any, the run is not over: it is to be planned anew

    def bind_loop(self) -> None:
        """Take the running loop, in which ``drive`` will be awaited; ``cancel`` works from now."""
        self._loop = asyncio.get_running_loop()

    async def drive(self) -> Mapping[int, Outcome]:
        """Run everything; returns the outcomes by cell number.

        The run's record ends in a terminal state whatever happens, unless the store fails.
        """
        self._over = asyncio.Event()
        self._recording.set_run_state(StateName.RUNNING)
        for cell, outcome in self._known.items():
            self._output.started(cell, self._request.counts[cell])
            self._output.ended(cell, outcome)
        try:
            await self._runner.open(self._request.spec, self._hear)
            if self._request.timeout is not None:
                self._loop.call_later(self._request.timeout, self._out_of_time)
            self._request.limits.open(self._feed)
            if self._request.questions is not None:
                self._request.questions.open(self._feed)
            beating = self._loop.create_task(self._beat())
            try:
                self._feed(Begin())
                await self._over.wait()
                if self._broken is not None:
                    raise self._broken
            finally:
                beating.cancel()
            completed = self._finish and self._finish.state is StateName.COMPLETED
            if completed and self._request.collect is not Collect.NOTHING:
                self.values = await self._runner.collect(self._request.collect)
        finally:
            for timer in self._timers.values():
                timer.cancel()
            await self._runner.close()
            self._request.limits.close()
            if self._request.questions is not None:
                self._request.questions.close()
        finish = self._finish or Finish(StateName.CRASHED, "the run did not finish")
        self._recording.flush()
        self.state, self.message = finish.state, finish.message
        return self._outcomes

    @property
    def failures(self) -> Mapping[int, int]:
        """The attempts that have failed, by the number of their cell."""
        return {slot.number: slot.failures for slot in self._core.buffer.slots if slot.failures}

    def cancel(self, reason: str, *, kill: bool = False) -> None:
        """End the run; safe to call from any thread."""
        with contextlib.suppress(RuntimeError):  # the loop is closed: the run has ended
            self._loop.call_soon_threadsafe(self._cancel, reason, kill)

    def store_failed(self, error: BaseException) -> None:
        """The record can't be kept any more: end the run; called from the store's thread."""
        stop = CancelAsked(f"the store failed: {error}", StateName.CRASHED)
        with contextlib.suppress(RuntimeError):  # as above
            self._loop.call_soon_threadsafe(self._feed, stop)

    def _cancel(self, reason: str, kill: bool) -> None:
        self._feed(CancelAsked(reason))
        if kill:
            self._runner.kill()

    def _out_of_time(self) -> None:
        limit = format_duration(self._request.timeout or 0)
        self._feed(CancelAsked(f"the run took longer than {limit}", StateName.TIMED_OUT))

    def _insist(self) -> None:
        """What the core waits for may never come: home may hang with what it was given."""
        if not self._over.is_set():
            self._runner.kill()

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(_BEAT)
            beaten = self._recording.beat()
            self._request.limits.beat()
            for cell, memory in self._runner.memory().items():
                self._recording.progress(cell, memory=memory)
            by = await asyncio.to_thread(self._request.cancel_requested)
            if by is not None:
                self._feed(CancelAsked(f"cancelled by {by}"))
            if await asyncio.to_thread(beaten.exception) is not None:
                continue  # the run ends for it, and the file may be another driver's by now
            try:
                self._output.save()
            except OutputError as error:
                self._feed(CancelAsked(error.message, StateName.FAILED))

    # -- what is heard

    def _hear(self, report: Report) -> None:
        match report:
            case Done(outcome, where):
                if where:
                    self._where[outcome.cell] = where
                self._done(outcome)
            case Lost(cell, attempt, reason):
                self._end_timer(cell)
                self._outcomes.pop(cell, None)
                facts = Facts(ok=False, crashed=True, error=reason)
                self._feed(Ended(cell, attempt, facts))
            case Applied(cell, reason):
                self._feed(Retired(cell, reason))
            case Asked(cell, attempt, words, ambient, files):
                used = frozenset(ambient), frozenset(files)
                self._feed(EffectAsked(cell, attempt, words, *used))
            case Gone(reason):
                self._feed(HomeLost(reason))
            case Showed(cell, attempt, event):
                if self._core.buffer.slot(cell).attempt == attempt:
                    self._output.showed(cell, event)
                    self._recording.showed(cell, event)
            case Said(cell, level, logger, text, time):
                self._recording.log(cell, level, logger, text, time)

    def _done(self, outcome: Outcome) -> None:
        cell = outcome.cell
        slot = self._core.buffer.slot(cell)
        if slot.attempt != outcome.attempt:
            return
        self._end_timer(cell)
        self._outcomes[cell] = outcome
        if not outcome.refused:
            self._output.ended(cell, outcome)
        facts = facts_of(
            outcome,
            slot.node,
            self._request.spec.folder,
            may_fail=self._plan.policy(cell).may_fail,
            at_home=slot.at_home,
        )
        self._feed(Ended(cell, outcome.attempt, facts))

    # -- what is done

    def _feed(self, event: Event) -> None:
        if self._over.is_set():
            return
        if isinstance(event, CancelAsked) and self._insisting is None:  # it is asked every beat
            self._insisting = self._loop.call_later(_CANCEL_GRACE, self._insist)
        try:
            notes: list[Callable[[], None]] = []
            for command in self._core.handle(event):
                if isinstance(command, Note):
                    notes.append(self._note(command))
                    continue
                if not isinstance(command, RunAtHome) or self._request.recall is not None:
                    _do_all(notes)
                self._do(command)  # home runs the next cell while the last one is recorded
            _do_all(notes)
            self._recording.flush()
        except Exception as error:  # called from the loop, which would only log it
            self._broken = error
            self._over.set()

    def _do(self, command: Command) -> None:
        match command:
            case RunAtHome(cell):
                self._where[cell] = f"home: {command.why}"
                self._start(self._home_job(command), self._runner.run_at_home)
            case Fork(cell, attempt, apply, hide, in_order):
                self._where[cell] = "fork"
                job = self._job(
                    cell, attempt, apply=apply, hide=hide, gate=_gate(in_order), forked=True
                )
                self._start(job, self._runner.fork)
            case Retire(cell):
                manifest = self._outcomes[cell].blob
                if manifest is None:
                    raise RuntimeError(f"cell {cell} has nothing to retire")
                self._runner.retire(cell, self._request.counts[cell], manifest)
            case Promote(cell, attempt, apply):
                blobs = [(*self._blobs([number])[0], names) for number, names in apply]
                self._runner.promote(cell, attempt, blobs)
            case Drop(cell, attempt):
                self._end_timer(cell)
                self._runner.drop(cell, attempt)
            case Answer(cell, attempt, ok):
                self._runner.answer(cell, attempt, ok=ok)
            case Wait(cell, seconds):
                self._loop.call_later(seconds, lambda: self._feed(RetryDue(cell)))
            case Acquire(cell, uses):
                self._request.limits.acquire(cell, uses, self._recording.tasks[cell].name)
            case Release(cell):
                self._request.limits.release(cell)
            case Learn():
                self._learned(command)
            case Question(cell):
                self._questions.ask(self._core.buffer.slot(cell).node.cell)
            case Idle():
                self._questions.idle()
            case Replan(cell, _reason, apply):
                if not apply:
                    self._recording.take_back(cell)
                self.replans.append(command)
                self._over.set()
            case Finish():
                self._finish = command
                self._over.set()

    def _note(self, note: Note) -> Callable[[], None]:
        """What records a task's new state, with all that is known of it now."""
        told = self._outcomes.get(note.cell) if note.state in _TELLING else None
        shown = () if told is not None else self._output.shown(note.cell)
        where = self._where.get(note.cell, "")
        return lambda: self._recording.note(note, told, where, shown=shown)

    @property
    def _questions(self) -> Questions:
        if self._request.questions is None:
            raise RuntimeError("a cell asks, and nobody was named to be asked")
        return self._request.questions

    def _start(self, job: Job, run: Callable[[Job], None]) -> None:
        self._outcomes.pop(job.cell, None)
        recall = self._request.recall
        recalled = None if recall is None else recall(job.cell)
        if recalled is not None:
            self._where[job.cell] = ""
            self._output.started(job.cell, job.count)
            found = _recounted(recalled, job.count)
            again = replace(found, cell=job.cell, attempt=job.attempt, cached=True)
            self._loop.call_soon(self._done, again)
            return
        self._jobs[job.cell] = job
        self._output.started(job.cell, job.count)
        limit = self._plan.policy(job.cell).timeout
        if limit is not None:
            self._timers[job.cell] = self._loop.call_later(
                limit, self._attempt_out_of_time, job, limit
            )
        run(job)

    def _attempt_out_of_time(self, job: Job, limit: float) -> None:
        self._runner.drop(job.cell, job.attempt)
        error = f"took longer than {format_duration(limit)}"
        self._feed(Ended(job.cell, job.attempt, Facts(ok=False, timed_out=True, error=error)))

    def _end_timer(self, cell: int) -> None:
        timer = self._timers.pop(cell, None)
        if timer is not None:
            timer.cancel()

    def _home_job(self, command: RunAtHome) -> Job:
        return self._job(
            command.cell,
            command.attempt,
            observe=command.observe,
            ship=command.ship,
            thrifty=command.thrifty,
            behind=command.behind,
        )

    def _job(
        self,
        cell: int,
        attempt: int,
        *,
        apply: Sequence[int] = (),
        hide: Sequence[str] = (),
        gate: Gate = Gate.OPEN,
        forked: bool = False,
        **where: bool,
    ) -> Job:
        """The cell's next attempt; ``where`` are fields of a job that runs in the home process."""
        node = self._core.buffer.slot(cell).node
        counts = self._request.counts
        setups = [
            self._core.buffer.slot(number).node.cell.source
            for number in self._request.setups
            if forked and number < cell
        ]
        ask = self._request.asks.get(cell, _NO_ASK)
        return Job(
            cell=cell,
            attempt=attempt,
            source=node.cell.source,
            count=counts[cell],
            reads=tuple(sorted(node.reads | node.changes)),
            changes=tuple(sorted(node.changes)),
            hide=tuple(hide),
            apply=self._blobs(apply),
            setups=tuple(setups),
            gate=gate,
            sets=tuple(sorted(node.ambient_writes - node.ambient_reads)),
            imports=node.imports_only,
            keep_out=self._request.keep_out,
            stop_on_error=not self._plan.policy(cell).may_fail,
            no_stand_in=self._stand_ins.why_not(cell),
            threads=self._request.threads or self._share(),
            given={} if self._request.questions is None else self._questions.given(cell),
            task=self._recording.tasks[cell].name if node.cell.kind is CellKind.TASK else "",
            mark=ask.mark,
            trace=ask.trace,
            writes=ask.writes,
            calls=self._request.calls.get(cell, {}),
            **where,
        )

    def _share(self) -> int:
        """The threads that a cell which starts now may use for its libraries' own loops: all
        cores' when it runs alone, else its part of them."""
        slots = self._core.buffer.running()
        running = sum(not (slot.waits or slot.at_home) for slot in slots)
        running += any(slot.at_home for slot in slots)  # the others there are queued
        return max(1, self._cores // running) if running > 1 else 0

    def _blobs(self, cells: Iterable[int]) -> tuple[tuple[int, Message], ...]:
        """The kept changes of cells, each with its execution count."""
        found = []
        for number in cells:
            manifest = self._outcomes[number].blob
            if manifest is not None:
                found.append((self._request.counts[number], manifest))
        return tuple(found)

    def _learned(self, learn: Learn) -> None:
        told = self._outcomes.get(learn.source)
        if learn.target or told is None or not told.passing:
            self._recording.learned.append(learn)
        cells = self._plan.graph
        source = cells.node(learn.source).cell
        if learn.target:
            target = cells.node(learn.target).cell
            self._recording.notice(f"{target.label} waits for {source.label}: {learn.reason}")
        else:
            self._recording.notice(f"{source.label} runs in the flow's process: {learn.reason}")


def _gate(in_order: bool) -> Gate:
    return Gate.IN_ORDER if in_order else Gate.OPEN


def _do_all(notes: list[Callable[[], None]]) -> None:
    for note in notes:
        note()
    notes.clear()


def _recounted(outcome: Outcome, count: int) -> Outcome:
    """An outcome from before, as a cell of this execution count shows it: the cell may have
    moved since."""
    outputs = tuple(
        {**output, "execution_count": count} if "execution_count" in output else output
        for output in outcome.outputs
    )
    return replace(outcome, outputs=outputs)
