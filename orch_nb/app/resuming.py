"""Go on with a run that has ended, in its next attempt: what is done is not done again."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from orch_nb.app.abandoned import outwait, settle_run
from orch_nb.app.destination import lasting_path
from orch_nb.app.driving import ClaimedRun, drive_run, wishes_of
from orch_nb.app.earlier import decide_soundly, read_made
from orch_nb.app.finding import find_task
from orch_nb.app.housekeeping import results_cap, tidy_quietly
from orch_nb.app.preparing import Prepared, check_folder, merge_options, prepare
from orch_nb.app.recipes import source_hash
from orch_nb.app.requests import Control, RunRequest, RunResult
from orch_nb.app.reusing import Decision, Made, Use
from orch_nb.app.running import kernel_of, task_runs
from orch_nb.app.sessions import Session
from orch_nb.engine.events import Listener, Notice
from orch_nb.errors import InputError
from orch_nb.model import FlowRun, TaskRun
from orch_nb.notebook.binding import (
    BoundParameters,
    GivenParameter,
    ParameterSource,
    bind_parameters,
)
from orch_nb.notebook.document import Notebook
from orch_nb.notebook.injection import inject_parameters
from orch_nb.notebook.last_cell import last_cell_of
from orch_nb.notebook.output_file import check_writable
from orch_nb.notebook.reader import read_notebook
from orch_nb.notebook.syntax import check_syntax
from orch_nb.options import FlowOptions
from orch_nb.results.location import Location, open_results
from orch_nb.runners.base import Collect
from orch_nb.runners.kernelspecs import KernelChoice, KernelMode
from orch_nb.states import StateName, StateType
from orch_nb.store import Store, StoreWriter, Transaction, new_holder, open_store

_NOT_GIVEN = (ParameterSource.DEFAULT, ParameterSource.INJECTED)


@dataclass(frozen=True, slots=True)
class ResumeRequest:
    """Which run to go on with, and how. ``tasks`` (names or cell numbers) run again with all that
    depends on them, also if the run is completed; ``onward`` is one task from which on, in
    document order, everything runs again. ``parameters`` replace the run's own.
    """

    run: str
    tasks: tuple[str, ...] = ()
    onward: str | None = None
    parameters: tuple[GivenParameter, ...] = ()
    options: Mapping[str, object] = field(default_factory=dict)
    output: str | None = None
    notebook: Notebook | None = None  # as it is now, where that is not in the run's own file
    collect: Collect = Collect.NOTHING
    completed_too: bool = False  # a completed run gives its values once more


@dataclass(frozen=True, slots=True)
class PlannedCell:
    """What a resume does with one cell. ``seconds`` it took, or is expected to take."""

    number: int
    name: str
    use: Use
    reason: str
    seconds: float | None
    counted: bool  # as a task


@dataclass(frozen=True, slots=True)
class ResumePlan:
    """What a resume would do, cell by cell, in document order."""

    run: FlowRun
    cells: tuple[PlannedCell, ...]
    notices: tuple[str, ...] = ()

    @property
    def running(self) -> tuple[PlannedCell, ...]:
        """The cells that run."""
        return tuple(cell for cell in self.cells if cell.use is not Use.REUSE)


@dataclass(frozen=True, slots=True)
class _Case:
    """A run that has ended, held against its notebook as it is now."""

    run: FlowRun
    notebook: Notebook
    request: RunRequest
    prepared: Prepared
    bound: BoundParameters
    kernel: KernelChoice
    folder: str
    location: Location
    recorded: Mapping[str, TaskRun]  # as they are in the store, by id
    tasks: dict[int, TaskRun]  # by the cells' numbers now
    added: tuple[TaskRun, ...]
    removed: tuple[TaskRun, ...]
    made: dict[int, Made]
    decisions: tuple[Decision, ...]
    notices: tuple[str, ...]
    taken_back: tuple[int, ...]  # cells whose outcomes serve no more


def plan_resume(request: ResumeRequest) -> ResumePlan:
    """What ``resume`` would do; nothing is written. Raises what it raises."""
    with open_store() as store:
        case = _study(store, request)
    counted = {node.cell.number for node in case.prepared.graph.nodes if node.task}
    cells = tuple(
        PlannedCell(
            decision.cell,
            case.tasks[decision.cell].name,
            decision.use,
            decision.reason,
            _seconds(case, decision.cell),
            decision.cell in counted,
        )
        for decision in case.decisions
    )
    return ResumePlan(case.run, cells, case.notices)


def resume(
    request: ResumeRequest,
    listener: Listener | None = None,
    control: Control | None = None,
    *,
    sessions: Callable[[KernelChoice, str], Session] = Session,
) -> RunResult:
    """Go on with a run and wait for its end, as ``run`` does; ``sessions`` makes the processes.

    Raises NotFoundError for a run or task that is not there, InputError for a run that can't be
    gone on with: one that has not ended, or is completed and no task of it was asked for.
    """
    tell = listener or _nobody
    with open_store() as store, StoreWriter(store) as writer, contextlib.ExitStack() as stack:
        started: list[Session] = []

        def get_ready(kernel: KernelChoice, folder: str, options: FlowOptions) -> int:
            """Have the processes come up while the plan is made; how many cells run at once."""
            session = sessions(kernel, folder)
            stack.callback(session.close)
            session.start()
            started.append(session)
            return session.slots(options)

        outwait(store, store.get_run(request.run), lambda text: tell(Notice(text)))
        case = _study(store, request, get_ready)
        if case.request.output is not None:
            check_writable(case.request.output)
        record = writer.submit(lambda transaction: _reopen(transaction, case)).result()
        for notice in (*case.notebook.notices, *store.notices, *case.notices):
            tell(Notice(notice))
        claimed = ClaimedRun(
            case.prepared,
            case.request,
            record,
            case.tasks,
            case.request.output,
            case.folder,
            case.prepared.plan.workers,
            case.location,
            made=case.made,
            decisions=case.decisions,
        )
        result = drive_run(claimed, store, writer, started[0], tell, control or Control())
        untidy = tidy_quietly(store, case.location, results_cap())
        if untidy:
            tell(Notice(f"old values were not deleted: {untidy}"))
        return result


def _nobody(event: object) -> None:
    """The listener of a run that nobody watches."""


def _no_processes(kernel: KernelChoice, folder: str, options: FlowOptions) -> int:
    """For a plan that is only looked at."""
    return options.max_workers or os.cpu_count() or 1


def _study(
    store: Store,
    request: ResumeRequest,
    get_ready: Callable[[KernelChoice, str, FlowOptions], int] = _no_processes,
) -> _Case:
    """Hold the run against its notebook, and decide what becomes of each cell; ``get_ready`` is
    told where cells will run as soon as that is known."""
    run = settle_run(store, store.get_run(request.run))
    _check_ended(run, request)
    plain = RunRequest(
        run.notebook,
        request.output or run.output,
        parameters=_parameters(run, request),
        options=request.options,
        kernel=run.request.get("kernel"),
        cwd=run.request.get("cwd"),
        report_mode=bool(run.request.get("report_mode")),
        tags=run.tags,
        name=run.name,
        collect=request.collect,
        until=last_cell_of(run.request.get("until")),
    )
    notebook = request.notebook or read_notebook(run.notebook, until=plain.until)
    options = merge_options(run.options, request.options)
    check_syntax(notebook, options.allow_errors)
    bound = _bind(notebook, run, request, plain)
    folder = check_folder(plain.cwd, notebook)
    injected = inject_parameters(notebook, bound)
    kernel = kernel_of(injected, plain)
    workers = get_ready(kernel, folder, options)
    prepared = prepare(
        injected,
        options,
        parameters=bound.record,
        workers=workers,
        hints=store.get_hints(lasting_path(notebook.path)),
        foreign=kernel.why if kernel.mode is KernelMode.FOREIGN else "",
        run_id=run.id,
    )
    old = store.task_runs(run.id)
    tasks, added, removed = _match(old, prepared, run)
    made = read_made(store, run, tasks, prepared)
    location = open_results()
    wishes = wishes_of(plain, _asked(prepared, tasks, run, request))
    decisions, notices = decide_soundly(prepared, made, wishes, folder, store.keyring(), location)
    taken_back = _take_back(made, decisions)
    return _Case(
        run,
        injected,
        plain,
        prepared,
        bound,
        kernel,
        folder,
        location,
        {task.id: task for task in old},
        tasks,
        added,
        removed,
        made,
        decisions,
        tuple(notices),
        taken_back,
    )


def _take_back(made: dict[int, Made], decisions: Sequence[Decision]) -> tuple[int, ...]:
    """The cells whose outcomes must not come back in a later resume, not even if this process
    is killed at once: those that run though an outcome would serve, and those whose files will
    be others. In ``made``, too, they are forgotten."""
    found = []
    for decision in decisions:
        record = made[decision.cell]
        if decision.use is Use.RUN and (record.outcome is not None or record.acted):
            made[decision.cell] = Made(why_run=decision.reason)
            found.append(decision.cell)
    return tuple(found)


def _check_ended(run: FlowRun, request: ResumeRequest) -> None:
    if run.state_name is StateName.SUSPENDED:
        return
    if not run.state_type.is_terminal:
        raise InputError(
            f"run {run.name} is {run.state_name}: it has not ended",
            hint=f"orch-nb cancel {run.name}  ends it",
        )
    asked = request.tasks or request.onward or request.parameters or request.completed_too
    if run.state_type is StateType.COMPLETED and not asked:
        raise InputError(
            f"run {run.name} is {run.state_name}: nothing is left to run",
            hint=f"orch-nb retry {run.name} TASK  runs a task again, and what depends on it",
        )
    if run.notebook == "-":
        raise InputError(
            f"run {run.name} read its notebook from standard input, and it is not there any more",
            hint="save the notebook and run it from its file",
        )


def _parameters(run: FlowRun, request: ResumeRequest) -> tuple[GivenParameter, ...]:
    """The run's own parameters, with those given now on top."""
    own = tuple(
        GivenParameter(name, value, ParameterSource.CALL)
        for name, value in run.parameters.items()
        if run.parameter_sources.get(name) not in _NOT_GIVEN
    )
    return (*own, *request.parameters)


def _bind(
    notebook: Notebook, run: FlowRun, request: ResumeRequest, plain: RunRequest
) -> BoundParameters:
    bound = bind_parameters(notebook, plain.parameters)
    fresh = {given.name for given in request.parameters}
    sources = {
        name: source if name in fresh else run.parameter_sources.get(name, source)
        for name, source in bound.sources.items()
    }
    return replace(bound, sources=sources)


def _match(
    old: Sequence[TaskRun], prepared: Prepared, run: FlowRun
) -> tuple[dict[int, TaskRun], tuple[TaskRun, ...], tuple[TaskRun, ...]]:
    """The run's task runs by the numbers their cells have now; those to add; those to remove.

    A cell is the same if it has the same id, else if it has the same source.
    """
    old = [task for task in old if not task.is_call]
    left = {task.id: task for task in old}
    by_id = {task.cell_id: task for task in old}
    by_source = {task.source_hash: task for task in old}
    tasks: dict[int, TaskRun] = {}
    added = []
    fresh = task_runs(prepared, run.id)
    for number, new in fresh.items():
        found = by_id.get(new.cell_id)
        if found is None or found.id not in left:
            found = by_source.get(new.source_hash)
        if found is None or found.id not in left:
            tasks[number] = new
            added.append(new)
            continue
        del left[found.id]
        tasks[number] = replace(
            found,
            name=new.name,
            cell_number=number,
            cell_id=new.cell_id,
            kind=new.kind,
        )
    return tasks, tuple(added), tuple(left.values())


def _asked(
    prepared: Prepared, tasks: Mapping[int, TaskRun], run: FlowRun, request: ResumeRequest
) -> dict[int, str]:
    """The cells that are asked to run, each with the reason."""
    own = tuple(tasks.values())
    asked = {find_task(own, run, called).cell_number: "asked for" for called in request.tasks}
    if request.onward is not None:
        start = find_task(own, run, request.onward).cell_number
        nodes = [node for node in prepared.graph.nodes if prepared.plan.runs(node)]
        later = [node.cell.number for node in nodes]
        asked |= dict.fromkeys(later[later.index(start) :], f"from {tasks[start].name} on")
    return asked


def _reopen(transaction: Transaction, case: _Case) -> FlowRun:
    """Claim the run for its next attempt, and fit its record to the notebook as it is now."""
    run = case.run
    epoch = transaction.claim(run.id, new_holder())
    record = replace(
        run,
        state_name=StateName.RESUMING,
        state_message="",
        attempt=run.attempt + (run.state_name is not StateName.SUSPENDED),
        parameters=case.bound.record,
        parameter_sources=case.bound.sources,
        options=case.prepared.options,
        output=None if case.request.output is None else lasting_path(case.request.output),
        start_time=None,
        end_time=None,
        epoch=epoch,
    )
    transaction.set_flow_state(record, expected=run.state_name, by="resume")
    back = [case.tasks[number].id for number in case.taken_back]
    transaction.void_results(back, "it was to run again")
    transaction.touch_results(_used(case))
    cells = {cell.number: cell for cell in case.prepared.notebook.cells}
    transaction.put_sources({source_hash(cell): cell.source for cell in cells.values()})
    revised = []
    for number, task in case.tasks.items():
        recorded = case.recorded.get(task.id)
        now = replace(task, source_hash=source_hash(cells[number]))
        if recorded is not None and now != recorded:  # most are as they were
            revised.append(now)
        case.tasks[number] = now
    transaction.revise_task_runs(run.id, revised, case.removed, epoch=epoch)
    transaction.add_task_runs(run.id, case.added, epoch=epoch, by="resume")
    return record


def _used(case: _Case) -> list[str]:
    """The digests of the kept values that this attempt begins with."""
    outcomes = [case.made[one.cell].outcome for one in case.decisions if one.apply]
    return [one.blob["digest"] for one in outcomes if one is not None and one.blob is not None]


def _seconds(case: _Case, number: int) -> float | None:
    """How long the cell took when it made what serves, or is expected to take."""
    made = case.made.get(number)
    if made is not None and made.outcome is not None:
        return made.outcome.seconds
    return case.prepared.plan.expected.get(number, case.tasks[number].seconds)
