"""Drive a claimed run to its end: plan it, run what is left, plan anew where that proves wrong."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

from orch_nb.app.abandoned import settle_children
from orch_nb.app.caching import open_desk
from orch_nb.app.called_cells import Calls, calls_of, end_calls
from orch_nb.app.destination import lasting_path
from orch_nb.app.earlier import decide_soundly, read_made
from orch_nb.app.hooks import after_end
from orch_nb.app.learning import new_hints
from orch_nb.app.limits import SharedLimits
from orch_nb.app.output import RunOutput
from orch_nb.app.preparing import Prepared, setup_cells
from orch_nb.app.questions import AskedQuestions
from orch_nb.app.requests import Control, RunRequest, RunResult
from orch_nb.app.reusing import Decision, Made, Use, Wishes, with_known
from orch_nb.app.secrets import forget_secret_values, resolve_references
from orch_nb.app.sending import preload_of, sending_of
from orch_nb.app.sessions import Session
from orch_nb.engine.cache.asks import Asks
from orch_nb.engine.driver import Driver, DriveRequest
from orch_nb.engine.events import Listener, RunStarted
from orch_nb.engine.messages import Note, Replan
from orch_nb.engine.plan import LIGHT_SECONDS, Plan
from orch_nb.engine.recording import Recording
from orch_nb.engine.seen import relative_files
from orch_nb.errors import OutputError, StaleClaimError
from orch_nb.execution import context
from orch_nb.execution.job import Outcome, SessionSpec
from orch_nb.execution.threads import count_cores
from orch_nb.model import FlowRun, TaskRun
from orch_nb.notebook.writer import OutputWriter
from orch_nb.results.location import Location
from orch_nb.runners.base import Collect
from orch_nb.runners.dask_cluster import is_dask
from orch_nb.runners.idle import IdleRunner
from orch_nb.runners.redacting import RedactingRunner, Redactor
from orch_nb.states import StateName, StateType
from orch_nb.store import Store, StoreWriter

RUN_FAILED = 1  # the exit code: it was no bad input, the run had begun
_MOST_CRASHES = 3  # after which `--on-crash resume` gives up


@dataclass(frozen=True, slots=True)
class ClaimedRun:
    """A run that this process has claimed, with all that driving it takes.

    ``decisions`` are what becomes of the cells in the first pass, and ``made`` what is on record
    of them; both are empty for a run that is new.
    """

    prepared: Prepared
    request: RunRequest
    record: FlowRun
    tasks: dict[int, TaskRun]
    output: str | None  # as it was given
    folder: str
    workers: int
    location: Location
    made: Mapping[int, Made] = field(default_factory=dict)
    decisions: Sequence[Decision] = ()
    mark_errors: bool = True


def drive_run(
    run: ClaimedRun,
    store: Store,
    writer: StoreWriter,
    session: Session,
    listener: Listener,
    control: Control,
) -> RunResult:
    """Drive ``run`` until it has ended; its record is complete then."""
    return _Driving(run, store, writer, session, listener, control).to_the_end()


class _Driving:
    def __init__(
        self,
        run: ClaimedRun,
        store: Store,
        writer: StoreWriter,
        session: Session,
        listener: Listener,
        control: Control,
    ) -> None:
        self._run = run
        self._store = store
        self._writer = writer
        self._session = session
        self._control = control
        self._document = OutputWriter(
            run.prepared.notebook, run.output, report_mode=run.request.report_mode
        )
        self._recording = Recording(
            run.record,
            run.tasks,
            writer,
            store.keyring(),
            listener,
            location=run.location,
            recipes=run.prepared.recipes,
            tries=run.prepared.plan.tries,
        )
        self._desk = open_desk(run.prepared, session.kernel, run.folder, store, run.location)
        if self._desk is not None:
            self._recording.cache = self._desk.note
        self._output = RunOutput(self._document, self._recording)
        self._prepared = run.prepared
        self._wishes = wishes_of(run.request)
        self._outcomes: dict[int, Outcome] = {}
        self._secrets: frozenset[str] = frozenset()
        self._failures: Mapping[int, int] = {}  # in this attempt of the run, by cell
        self._retries = 0
        self._crashes = 0
        self._hooked = False

    def to_the_end(self) -> RunResult:
        """Pass after pass, until none is wanted."""
        made, decisions = self._with_cache(self._run.made, self._run.decisions)
        self._recording.tell(run_started(self._run.prepared, self._run.record, self._run.tasks))
        try:
            while True:
                driver = self._pass(made, decisions)
                self._failures = driver.failures
                for replan in driver.replans:
                    self._wish(replan)
                if not driver.replans and not self._goes_on(driver):
                    return self._finish(driver)
                made, decisions = self._look_again()
        except StaleClaimError:
            raise  # what becomes of the run is another's to say
        except BaseException as error:
            recording = self._recording
            if not recording.run.state_type.is_terminal:
                why = f"{type(error).__name__}: {error}"
                recording.end(recording.in_state(StateName.CRASHED, why))
            self._after_end()
            raise

    def _pass(self, made: Mapping[int, Made], decisions: Sequence[Decision]) -> Driver:
        """Run what the decisions leave to be run."""
        run, recording = self._run, self._recording
        plan, known = with_known(run.prepared.plan, made, decisions, run.folder)
        asks = Asks()
        if self._desk is not None:
            asks = self._desk.asks()
            plan = replace(plan, cacheable=asks.kept, watched=frozenset(asks.of))
        plan = replace(plan, failures=self._failures)
        self._prepared = replace(run.prepared, plan=plan)
        for decision in decisions:
            task, record = recording.tasks[decision.cell], made.get(decision.cell)
            if decision.use is not Use.REUSE and task.state_type.is_terminal:
                note = Note(decision.cell, StateName.RESUMING, decision.reason)
                serves = record is not None and record.outcome is not None
                recording.reschedule(note, void=serves and decision.use is Use.RUN)
            if record is not None and _is_restored(decision, record, task):
                note = Note(decision.cell, StateName.COMPLETED, decision.reason)
                recording.restore(note, known[decision.cell])
        request = DriveRequest(
            spec=_session_spec(run, self._session),
            counts=run.prepared.counts,
            setups=setup_cells(plan.graph),
            timeout=run.prepared.options.timeout,
            keep_out=run.prepared.names_results,
            threads=run.request.threads or (count_cores() if run.prepared.options.exact else 0),
            collect=run.request.collect,
            cancel_requested=partial(self._store.cancel_requested, run.record.id),
            known=known,
            recall=None if self._desk is None else self._desk.recall,
            asks=asks.of,
            limits=SharedLimits(self._store, self._writer, run.record),
            questions=self._questions(plan),
            calls=self._calls(),
        )
        runner = IdleRunner() if plan.is_settled else self._redacting(self._runner(plan))
        driver = Driver(plan, request, runner, recording, self._output)
        recording.on_failure(driver.store_failed)
        self._outcomes |= _in_thread(driver, self._control)
        if runner.language_info:
            self._document.set_language_info(runner.language_info)
        done = {n for n, task in recording.tasks.items() if task.state_type is StateType.COMPLETED}
        left = {n: why for n, why in self._wishes.run.items() if n not in done}
        self._wishes = replace(self._wishes, run=left)
        return driver

    def _goes_on(self, driver: Driver) -> bool:
        """Whether a run that went wrong is tried once more; the wait is over then."""
        options, recording = self._run.prepared.options, self._recording
        if driver.state in (StateName.FAILED, StateName.TIMED_OUT):
            if self._retries >= options.flow_retries:
                return False
            delays = options.flow_retry_delay
            delay = delays[min(self._retries, len(delays) - 1)]
            self._retries += 1
        elif driver.state is StateName.CRASHED and options.on_crash == "resume":
            if self._crashes >= _MOST_CRASHES:
                return False
            delay = 0.0
            self._crashes += 1
        else:
            return False
        recording.set_run_state(StateName.AWAITING_RETRY, driver.message)
        if not self._control.wait(delay, recording.beat):
            driver.state, driver.message = StateName.CANCELLED, "cancelled by the user"
            return False
        recording.next_attempt()
        self._failures = {}
        return True

    def _runner(self, plan: Plan) -> Any:
        options, session = self._run.prepared.options, self._session
        if not plan.overlap or not is_dask(options.runner):
            return session.runner()
        sending = sending_of(self._run.prepared, self._run.folder, session, self._recording.notice)
        return session.dask_runner(options, sending)

    def _calls(self) -> Mapping[int, Calls]:
        """What cells that call others are told."""
        prepared = self._run.prepared
        if not prepared.calls:
            return {}
        runner = self._session.runner_of_calls(prepared.options)
        return calls_of(prepared, self._recording.run, runner, preload_of(prepared))

    def _redacting(self, runner: Any) -> Any:
        """The runner, whose reports hold none of the run's secrets."""
        own = resolve_references(self._run.record.parameters.values()).values()
        self._secrets = frozenset([*own, *self._run.request.secrets])
        redactor = Redactor(self._secrets)
        return RedactingRunner(runner, redactor) if redactor else runner

    def _questions(self, plan: Plan) -> AskedQuestions | None:
        """Where cells ask; nothing is looked up for a run in which none does."""
        if all(plan.policy(node.cell.number).question is None for node in plan.graph.nodes):
            return None
        return AskedQuestions(self._store, self._recording, self._why_not_suspend)

    def _why_not_suspend(self) -> str:
        """Which value would have to be made again with effort, if the processes ended now."""
        self._recording.drain()
        made, decisions, _ = self._decide(self._on_record())
        for decision in decisions:
            found = made[decision.cell].outcome if decision.cell in made else None
            if decision.use is Use.AGAIN and found is not None:
                node = self._run.prepared.graph.node(decision.cell)
                if found.seconds > LIGHT_SECONDS or (found.acted and not node.imports_only):
                    return f"{node.cell.label} is {decision.reason}"
        return ""

    def _wish(self, replan: Replan) -> None:
        """Take a surprise into account in the passes that follow."""
        cell = self._prepared.graph.node(replan.cell).cell
        if replan.apply:
            values = self._wishes.values | {replan.cell}
            self._wishes = replace(self._wishes, values=values)
        else:
            self._wishes = replace(
                self._wishes, run={**self._wishes.run, replan.cell: replan.reason}
            )
            if self._desk is not None:
                self._desk.refuse(replan.cell, replan.reason)
        self._recording.notice(f"planned anew: {cell.label}: {replan.reason}")

    def _with_cache(
        self, made: Mapping[int, Made], decisions: Sequence[Decision]
    ) -> tuple[Mapping[int, Made], Sequence[Decision]]:
        """What is on record of this run's cells and, for the others, in the cache. Where it was
        decided before what shall run, cells are looked up as they are about to start."""
        if self._desk is None:
            return made, decisions
        run = self._run
        found = self._desk.find_all(made) if not run.decisions else {}
        for decision in run.decisions:
            own = run.made.get(decision.cell)
            if own is not None and own.outcome is not None:
                self._desk.put(decision, own.outcome)
        if found:
            made, decisions, notices = self._decide({**made, **found})
            self._tell(notices)
        self._desk.begin(decisions)
        return made, decisions

    def _look_again(self) -> tuple[Mapping[int, Made], Sequence[Decision]]:
        """What is on record by now, and what becomes of the cells."""
        self._recording.settle()
        made, decisions, notices = self._decide(self._on_record())
        self._tell(notices)
        return self._with_cache(made, decisions)

    def _on_record(self) -> dict[int, Made]:
        """What this run's cells have made, and what was there before it."""
        run = self._run
        made = read_made(self._store, run.record, self._recording.tasks, run.prepared)
        return made | {number: record for number, record in run.made.items() if record.present}

    def _decide(
        self, made: dict[int, Made]
    ) -> tuple[dict[int, Made], tuple[Decision, ...], list[str]]:
        """``made``, put right where its values don't serve, what becomes of the cells, and what
        the user should know of it."""
        run = self._run
        decisions, notices = decide_soundly(
            run.prepared, made, self._wishes, run.folder, self._store.keyring(), run.location
        )
        return made, decisions, notices

    def _tell(self, notices: Sequence[str]) -> None:
        for notice in notices:
            self._recording.notice(notice)

    def _after_end(self) -> None:
        if not self._hooked and self._recording.run.state_type.is_terminal:
            self._hooked = True
            run = self._run
            after_end(self._recording, run.folder, run.prepared.notebook, self._session.kernel)

    def _finish(self, driver: Driver) -> RunResult:
        run, recording = self._run, self._recording
        recording.confirm()
        files = relative_files(self._outcomes, run.folder)
        recording.keep_hints(
            lasting_path(run.prepared.notebook.path),
            new_hints(self._prepared, recording, self._outcomes),
        )
        if run.prepared.calls:
            end_calls(self._store, self._writer, recording.run)
        final = recording.in_state(driver.state, driver.message)
        try:
            self._output.finish(final)
        except OutputError as error:
            recording.end(recording.in_state(StateName.FAILED, error.message))
            error.exit_code = RUN_FAILED
            raise
        recording.end(final)
        if final.state_type is StateType.CANCELLED:
            settle_children(self._store, run.record.id)
        forget_secret_values(self._store, run.record.id, run.location, self._secrets)
        self._after_end()
        recording.tell(ended := recording.ended_event(files))
        values, reasons = _read_values(driver, run.location.staging)
        return RunResult(
            final,
            ended.tasks,
            ended.seconds,
            files,
            final.output,
            self._document.document(with_markers=run.mark_errors),
            values,
            reasons,
            {} if driver.values is None else driver.values.fingerprints,
        )


def _is_restored(decision: Decision, record: Made, task: TaskRun) -> bool:
    """Whether a task that did not end well the last time has an outcome of this run's own."""
    own = decision.use is Use.REUSE and not (record.cached or record.present)
    return own and task.state_type is not StateType.COMPLETED


def wishes_of(request: RunRequest, run: Mapping[int, str] | None = None) -> Wishes:
    """What a request asks of a plan, and the cells that shall ``run``, each with the reason."""
    return Wishes(run=run or {}, all_values=request.collect is not Collect.NOTHING)


def _in_thread(driver: Driver, control: Control) -> Mapping[int, Outcome]:
    """Drive in a thread of its own, so that no loop of the caller's is in the way."""
    result: list[Mapping[int, Outcome]] = []
    failure: list[BaseException] = []
    ended = threading.Event()

    async def drive() -> None:
        driver.bind_loop()
        control.attach(driver)
        result.append(await driver.drive())

    def work() -> None:
        try:
            asyncio.run(drive())
        except BaseException as error:
            failure.append(error)
        finally:
            ended.set()

    thread = threading.Thread(target=work, name="orch_nb driver")
    thread.start()
    while not ended.is_set():
        try:
            ended.wait()  # an interrupted join would take the thread for ended
        except KeyboardInterrupt:  # a script, or a kernel's cell, is interrupted
            control.cancel(kill=control.interrupted)
            control.interrupted = True
    thread.join()
    if failure:
        raise failure[0]
    return result[0]


def run_started(prepared: Prepared, record: FlowRun, tasks: Mapping[int, TaskRun]) -> RunStarted:
    """A run's first event, from its plan and its records."""
    plan = prepared.plan
    waits: dict[int, list[tuple[str, int]]] = {}
    for edge in plan.graph.edges:
        waits.setdefault(edge.target, []).extend((name, edge.source) for name in edge.names)
    return RunStarted(
        run=record,
        tasks=tuple(tasks.values()),
        cells_total=len(prepared.notebook.cells),
        tasks_total=sum(node.task for node in plan.graph.nodes),
        workers=plan.workers,
        waits={target: tuple(pairs) for target, pairs in waits.items()},
        expected=plan.expected,
        counted=frozenset(node.cell.number for node in plan.graph.nodes if node.task),
        graph=plan.graph,
    )


def _session_spec(run: ClaimedRun, session: Session) -> SessionSpec:
    record = run.record
    return SessionSpec(
        folder=run.folder,
        results=str(run.location.staging),
        run={
            "id": record.id,
            "name": record.name,
            "flow": record.flow,
            "parameters": dict(record.parameters),
            "attempt": record.attempt,
            "depth": context.current.depth + 1,
            "data_interval": _interval(run.request),
        },
        environment={
            **session.kernel.env,
            **resolve_references(record.parameters.values()),
        },
        sources={
            str(run.prepared.counts[cell.number]): cell.source
            for cell in run.prepared.notebook.cells
            if cell.number in run.prepared.counts
        },
    )


def _interval(request: RunRequest) -> list[str] | None:
    if request.data_interval is None:
        return None
    return [moment.isoformat() for moment in request.data_interval]


def _read_values(driver: Driver, staging: Path) -> tuple[Mapping[str, bytes], Mapping[str, str]]:
    """The pickles of the final values. The blob came from this run's own processes."""
    if driver.values is None:
        return {}, {}
    if driver.values.manifest is None:
        return {}, driver.values.reasons
    import pickle

    from orch_nb.results.blob import Manifest, blob_path, read_blob

    manifest = Manifest.from_json(driver.values.manifest)
    path = blob_path(staging, manifest.digest)
    data, _ = read_blob(path, manifest)
    return pickle.loads(data), driver.values.reasons
