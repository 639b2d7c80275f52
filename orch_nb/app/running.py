"""Run a notebook as a flow run, from the request to the record and the output notebook."""

from __future__ import annotations

from datetime import UTC, datetime

from orch_nb.analysis.imports import imports_of
from orch_nb.app.destination import lasting_path, output_path
from orch_nb.app.driving import ClaimedRun, drive_run
from orch_nb.app.housekeeping import results_cap, tidy_quietly
from orch_nb.app.limits import check_limits
from orch_nb.app.packages import versions
from orch_nb.app.preparing import Prepared, check_cells, check_folder, merge_options, prepare
from orch_nb.app.recipes import source_hash
from orch_nb.app.requests import Control, RunRequest, RunResult
from orch_nb.app.secrets import resolve_references
from orch_nb.app.sessions import Session
from orch_nb.browser import refuse_in_browser
from orch_nb.engine.events import Listener, Notice
from orch_nb.errors import KernelError
from orch_nb.model import CellKind, FlowRun, FlowRunId, TaskRun
from orch_nb.notebook.binding import BoundParameters, bind_parameters
from orch_nb.notebook.document import Notebook
from orch_nb.notebook.injection import inject_parameters
from orch_nb.notebook.last_cell import last_cell_record
from orch_nb.notebook.reader import read_notebook
from orch_nb.results.location import open_results
from orch_nb.runners.kernelspecs import KernelChoice, KernelMode, find_kernel, find_notebook_kernel
from orch_nb.states import StateName
from orch_nb.store import (
    StoreWriter,
    Transaction,
    new_flow_run_id,
    new_holder,
    new_task_run_id,
    open_store,
)
from orch_nb.store.limits import put_sizes


def run(
    request: RunRequest, listener: Listener | None = None, control: Control | None = None
) -> RunResult:
    """Run a notebook and wait for its end; the run's state says how it ended.

    ``listener`` gets the events, in the driver's thread. Raises InputError, before anything is
    written, when the request can't be run.
    """
    refuse_in_browser("running a notebook in processes of its own", "it has no processes")
    notebook = read_notebook(request.notebook)
    check_cells(notebook, request.options)
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
    kernel = kernel_of(notebook, request)
    resolve_references(bound.record.values())  # a secret that is not there is known at once
    cap = results_cap()
    location = open_results()
    options = merge_options(notebook.flow.options, request.options)
    session = Session(kernel, folder, imports_of(cell.source for cell in notebook.cells))
    if not options.cache:  # else there may be nothing left to start
        session.start()
    try:
        workers = session.slots(options)
        with open_store() as store, StoreWriter(store) as writer:
            run_id = new_flow_run_id() if request.claimed is None else request.claimed.id
            prepared = prepare(
                notebook,
                options,
                parameters=bound.record,
                workers=workers,
                hints=store.get_hints(lasting_path(notebook.path)),
                foreign=kernel.why if kernel.mode is KernelMode.FOREIGN else "",
                run_id=run_id,
            )
            check_limits(prepared.graph, options.limit, store, notebook.filename)
            flow_run = make_flow_run(prepared, request, bound, output, run_id)
            record, tasks = record_run(prepared, flow_run, request.claimed, writer)
            for text in filter(None, (*notebook.notices, kernel.notice, *store.notices)):
                listener(Notice(text))
            claimed = ClaimedRun(
                prepared,
                request,
                record,
                tasks,
                output,
                folder,
                workers,
                location,
                mark_errors=mark_errors,
            )
            result = drive_run(claimed, store, writer, session, listener, control)
            untidy = tidy_quietly(store, location, cap)
            if untidy:
                listener(Notice(f"old values were not deleted: {untidy}"))
            return result
    finally:
        session.close()


def kernel_of(notebook: Notebook, request: RunRequest) -> KernelChoice:
    """The kernel of the request, else of the notebook, which errors then name."""
    try:
        if request.kernel:
            return find_kernel(request.kernel, notebook.language)
        return find_notebook_kernel(notebook.kernel, notebook.language)
    except KernelError as error:
        where = f"--kernel {request.kernel}" if request.kernel else notebook.where()
        raise KernelError(error.message, where=error.where or where, hint=error.hint) from None


def record_run(
    prepared: Prepared, flow_run: FlowRun, claimed: FlowRun | None, writer: StoreWriter
) -> tuple[FlowRun, dict[int, TaskRun]]:
    """Record a run that is about to begin, with its task runs, and claim it."""
    tasks = task_runs(prepared, flow_run.id)
    sources = {source_hash(cell): cell.source for cell in prepared.notebook.cells}

    def create(transaction: Transaction) -> FlowRun:
        transaction.put_sources(sources)
        put_sizes(transaction, dict(prepared.options.limit))
        if claimed is not None:
            transaction.fill_in_run(flow_run, list(tasks.values()), by="driver")
            return flow_run
        return transaction.create_flow_run(
            flow_run, list(tasks.values()), holder=new_holder(), by="driver"
        )

    return writer.submit(create).result(), tasks


def make_flow_run(
    prepared: Prepared,
    request: RunRequest,
    bound: BoundParameters,
    output: str | None,
    run_id: FlowRunId,
) -> FlowRun:
    """The record of a run that is about to begin."""
    notebook = prepared.notebook
    claimed = request.claimed
    return FlowRun(
        id=run_id,
        name=(request.name or "") if claimed is None else claimed.name,
        flow=notebook.flow.name,
        notebook=lasting_path(notebook.path),
        state_name=StateName.PENDING,
        parameters=bound.record,
        parameter_sources=bound.sources,
        tags=request.tags,
        options=prepared.options,
        request={
            "kernel": request.kernel,
            "cwd": None if request.cwd is None else lasting_path(request.cwd),
            "report_mode": request.report_mode,
            "until": last_cell_record(request.until),
            "packages": versions(cell.source for cell in notebook.cells),
        },
        output=None if output is None else lasting_path(output),
        scheduled_time=datetime.now(UTC) if claimed is None else claimed.scheduled_time,
        epoch=0 if claimed is None else claimed.epoch,
        parent_run=request.parent_run if claimed is None else claimed.parent_run,
    )


def task_runs(prepared: Prepared, run_id: FlowRunId) -> dict[int, TaskRun]:
    plan = prepared.plan
    tries = plan.tries
    return {
        node.cell.number: TaskRun(
            id=new_task_run_id(),
            flow_run_id=run_id,
            name=prepared.names[node.cell.number],
            cell_number=node.cell.number,
            cell_id=node.cell.id,
            kind=node.cell.kind,
            state_name=StateName.PENDING,
            source_hash=source_hash(node.cell),
            max_attempts=tries[node.cell.number],
        )
        for node in plan.graph.nodes
        if plan.runs(node) or node.cell.kind is CellKind.SKIP
    }
