"""Run a notebook as a flow run, from the request to the record and the output notebook."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from orch_nb.app.destination import lasting_path, output_path
from orch_nb.app.housekeeping import results_cap, tidy_quietly
from orch_nb.app.learning import new_hints
from orch_nb.app.output import RunOutput
from orch_nb.app.preparing import (
    Prepared,
    check_folder,
    merge_options,
    prepare,
    setup_cells,
)
from orch_nb.engine.driver import Driver, DriveRequest, relative_files
from orch_nb.engine.events import Listener, Notice, RunStarted
from orch_nb.engine.recording import Recording
from orch_nb.errors import KernelError, OutputError
from orch_nb.execution.job import Outcome, SessionSpec
from orch_nb.model import CellKind, FlowRun, FlowRunId, TaskRun
from orch_nb.notebook.binding import BoundParameters, GivenParameter, bind_parameters
from orch_nb.notebook.document import Notebook
from orch_nb.notebook.injection import inject_parameters
from orch_nb.notebook.reader import read_notebook
from orch_nb.notebook.syntax import check_syntax
from orch_nb.notebook.writer import OutputWriter
from orch_nb.options import FlowOptions
from orch_nb.places import find_places
from orch_nb.results.location import Location, open_location
from orch_nb.runners.base import Collect
from orch_nb.runners.kernelspecs import KernelChoice, KernelMode, find_kernel
from orch_nb.states import StateName
from orch_nb.store import (
    Store,
    StoreWriter,
    new_flow_run_id,
    new_holder,
    new_task_run_id,
    open_store,
)


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

    def attach(self, driver: Driver) -> None:
        """The run begins."""
        self._driver = driver
        for kill in self._asked:
            driver.cancel("cancelled by the user", kill=kill)


def run(
    request: RunRequest, listener: Listener | None = None, control: Control | None = None
) -> RunResult:
    """Run a notebook and wait for its end; the run's state says how it ended.

    ``listener`` gets the events, in the driver's thread. Raises InputError, before anything is
    written, when the request can't be run.
    """
    notebook = read_notebook(request.notebook)
    check_syntax(notebook)
    bound = bind_parameters(notebook, request.parameters)
    output = output_path(request.output, request.parameters, notebook)
    folder = check_folder(request.cwd, notebook)
    injected = inject_parameters(notebook, bound)
    return run_notebook_document(
        injected,
        request,
        bound=bound,
        output=output,
        folder=folder,
        listener=listener or _nobody,
        control=control or Control(),
    )


def _nobody(event: object) -> None:
    """The listener of a run that nobody watches."""


def run_notebook_document(
    notebook: Notebook,
    request: RunRequest,
    *,
    bound: BoundParameters,
    output: str | None,
    folder: str,
    listener: Listener,
    control: Control,
    mark_errors: bool = True,
) -> RunResult:
    """Run a notebook whose parameters are in place; see ``run``."""
    kernel = _kernel_of(notebook, request)
    cap = results_cap()
    places = find_places()
    location = open_location(places.results, places.home / "cache")
    options = merge_options(notebook.flow.options, request.options)
    workers = options.max_workers or os.cpu_count() or 1
    session = _Session(kernel, folder)
    try:
        with open_store() as store, StoreWriter(store) as writer:
            hints = store.get_hints(lasting_path(notebook.path))
            foreign = kernel.why if kernel.mode is KernelMode.FOREIGN else ""
            prepared = prepare(notebook, options, workers=workers, hints=hints, foreign=foreign)
            flow_run = _flow_run(prepared, request, bound, output)
            tasks = _task_runs(prepared, flow_run.id)
            flow_run = writer.submit(
                lambda t: t.create_flow_run(
                    flow_run, list(tasks.values()), holder=new_holder(), by="driver"
                )
            ).result()
            for text in (*notebook.notices, *store.notices):
                listener(Notice(text))
            result = _drive(
                _Run(
                    prepared,
                    request,
                    flow_run,
                    tasks,
                    output,
                    folder,
                    workers,
                    mark_errors,
                    location,
                ),
                store,
                writer,
                session,
                listener,
                control,
            )
            untidy = tidy_quietly(store, location, cap)
            if untidy:
                listener(Notice(f"old values were not deleted: {untidy}"))
            return result
    finally:
        session.close()


def _kernel_of(notebook: Notebook, request: RunRequest) -> KernelChoice:
    """The kernel of the request, else of the notebook, which errors then name."""
    try:
        return find_kernel(request.kernel or notebook.kernel, notebook.language)
    except KernelError as error:
        where = f"--kernel {request.kernel}" if request.kernel else notebook.where()
        raise KernelError(error.message, where=error.where or where, hint=error.hint) from None


@dataclass(frozen=True, slots=True)
class _Run:
    prepared: Prepared
    request: RunRequest
    record: FlowRun
    tasks: dict[int, TaskRun]
    output: str | None  # as it was given
    folder: str
    workers: int
    mark_errors: bool
    location: Location


class _Session:
    """The processes for one run, started early so that they come up while the rest is read."""

    def __init__(self, kernel: KernelChoice, folder: str) -> None:
        self._template = None
        self.kernel = kernel
        if kernel.mode is not KernelMode.FOREIGN:
            from orch_nb.runners.local import Template

            self._template = Template(kernel.python, folder)

    def runner(self) -> Any:
        """The runner of the run."""
        if self._template is not None:
            from orch_nb.runners.local import LocalRunner

            return LocalRunner(self._template)
        from orch_nb.runners.kernel import KernelRunner

        return KernelRunner(self.kernel)

    def close(self) -> None:
        """End what was started; a second time nothing happens."""
        if self._template is not None:
            self._template.close()


def _drive(
    run: _Run,
    store: Store,
    writer: StoreWriter,
    session: _Session,
    listener: Listener,
    control: Control,
) -> RunResult:
    prepared, record = run.prepared, run.record
    document = OutputWriter(prepared.notebook, run.output, report_mode=run.request.report_mode)
    recording = Recording(
        record, run.tasks, writer, store.keyring(), listener, location=run.location
    )
    output = RunOutput(document, recording)
    request = DriveRequest(
        spec=_session_spec(run, session.kernel),
        counts=prepared.counts,
        setups=setup_cells(prepared.graph),
        timeout=prepared.options.timeout,
        keep_out=prepared.names_results,
        collect=run.request.collect,
        cancel_requested=partial(store.cancel_requested, record.id),
    )
    driver = Driver(prepared.plan, request, session.runner(), recording, output)
    recording.on_failure(driver.store_failed)
    recording.tell(_run_started(run))
    try:
        outcomes = _in_thread(driver, control)
    except BaseException as error:
        why = f"{type(error).__name__}: {error}"
        recording.end(recording.in_state(StateName.CRASHED, why))
        raise
    files = relative_files(outcomes, run.folder)
    recording.keep_hints(
        lasting_path(prepared.notebook.path), new_hints(prepared, recording, outcomes)
    )
    final = recording.in_state(driver.state, driver.message)
    try:
        output.finish(final)
    except OutputError as error:
        recording.end(recording.in_state(StateName.FAILED, error.message))
        raise
    recording.end(final)
    recording.tell(final_event := recording.ended_event(files))
    values, reasons = _read_values(driver, run.location.staging)
    return RunResult(
        final,
        final_event.tasks,
        final_event.seconds,
        files,
        final.output,
        document.document(with_markers=run.mark_errors),
        values,
        reasons,
        {} if driver.values is None else driver.values.fingerprints,
    )


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


def _flow_run(
    prepared: Prepared, request: RunRequest, bound: BoundParameters, output: str | None
) -> FlowRun:
    notebook = prepared.notebook
    return FlowRun(
        id=new_flow_run_id(),
        name=request.name or "",
        flow=notebook.flow.name,
        notebook=lasting_path(notebook.path),
        state_name=StateName.PENDING,
        parameters=bound.record,
        parameter_sources=bound.sources,
        tags=request.tags,
        options=prepared.options,
        output=None if output is None else lasting_path(output),
        scheduled_time=datetime.now(UTC),
    )


def _task_runs(prepared: Prepared, run_id: FlowRunId) -> dict[int, TaskRun]:
    plan = prepared.plan
    return {
        node.cell.number: TaskRun(
            id=new_task_run_id(),
            flow_run_id=run_id,
            name=prepared.names[node.cell.number],
            cell_number=node.cell.number,
            cell_id=node.cell.id,
            kind=node.cell.kind,
            state_name=StateName.PENDING,
            max_attempts=len(plan.policy(node.cell.number).delays) + 1,
        )
        for node in plan.graph.nodes
        if plan.runs(node) or node.cell.kind is CellKind.SKIP
    }


def _run_started(run: _Run) -> RunStarted:
    plan = run.prepared.plan
    waits: dict[int, list[tuple[str, int]]] = {}
    for edge in plan.graph.edges:
        waits.setdefault(edge.target, []).extend((name, edge.source) for name in edge.names)
    return RunStarted(
        run=run.record,
        tasks=tuple(run.tasks.values()),
        cells_total=len(run.prepared.notebook.cells),
        tasks_total=sum(node.task for node in plan.graph.nodes),
        workers=plan.workers,
        waits={target: tuple(pairs) for target, pairs in waits.items()},
        expected=plan.expected,
        counted=frozenset(node.cell.number for node in plan.graph.nodes if node.task),
    )


def _session_spec(run: _Run, kernel: KernelChoice) -> SessionSpec:
    record = run.record
    return SessionSpec(
        folder=run.folder,
        results=str(run.location.staging),
        run={
            "id": record.id,
            "name": record.name,
            "flow": record.flow,
            "parameters": dict(record.parameters),
        },
        environment=dict(kernel.env),
        sources={
            str(run.prepared.counts[cell.number]): cell.source
            for cell in run.prepared.notebook.cells
            if cell.number in run.prepared.counts
        },
    )


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
