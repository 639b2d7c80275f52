"""What the terminal shows of a run: a view, advanced by each event, and its lines.

Nothing here prints or reads a clock: ``now`` is monotonic seconds, given by the caller.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import PurePath

from rich.cells import cell_len

from orch_nb.cli.text import escape_text, format_bytes, format_clock, one_line
from orch_nb.durations import show_duration
from orch_nb.engine.events import Event, RunChanged, RunEnded, RunStarted, TaskChanged, TaskProgress
from orch_nb.model import CellKind, FlowRun, Json, TaskRun
from orch_nb.option_text import is_derived_name
from orch_nb.states import StateName, StateType

SHOWN = frozenset({StateType.RUNNING, StateType.FAILED, StateType.CRASHED, StateType.CANCELLING})
NOT_RUN = frozenset({StateName.UPSTREAM_FAILED})
NOTABLE_SECONDS = 1.0
NAME_WIDTH = 24

# tqdm's line: " 62%|██████▏   | 5200/8400 [00:03<00:02, 1.7krows/s]"
_TQDM = re.compile(r"(\d+)%\|[^|]*\|\s*(\S+?)/(\S+)\s*\[([^\]]*)\]")
_UNIT = re.compile(r"[\d.?][kMGTP]?([A-Za-z]+)/s|[\d.?]s/([A-Za-z]+)")  # a rate, or its inverse


@dataclass(frozen=True, slots=True)
class Row:
    """One task's line, in columns; every text may still hold what a notebook put there."""

    number: int
    state: StateName
    name: str
    place: str  # "cell 5, line 2", without the cell where the name says it ("cell-5")
    time: str  # "5.9s"
    text: str  # progress, memory, attempts or the error


@dataclass(frozen=True, slots=True)
class RunView:
    """All that the screen knows of one run. An event changes the dicts in place: there may be
    thousands of tasks, and two events for each. ``columns`` are the widths of the tasks' names
    and of their places, as they were when the run began: so nothing moves."""

    run: FlowRun | None = None
    tasks: dict[int, TaskRun] = field(default_factory=dict)  # by cell number
    started: dict[int, float] = field(default_factory=dict)  # when the attempt began
    progress: dict[int, TaskProgress] = field(default_factory=dict)
    columns: tuple[int, int] = (0, 0)
    counted: frozenset[int] = frozenset()  # the cells that count as tasks
    cells_total: int = 0
    workers: int = 1
    began: float = 0.0
    expected: float | None = None  # seconds the whole run should take
    interrupts: int = 0
    ended: RunEnded | None = None


def advance(view: RunView, event: Event, now: float) -> RunView:
    """The view after ``event``; unknown events leave it as it is."""
    match event:
        case RunStarted():
            return RunView(
                run=event.run,
                tasks={task.cell_number: task for task in event.tasks},
                columns=measure_columns(event.tasks),
                counted=_count_tasks(event),
                cells_total=event.cells_total,
                workers=event.workers,
                began=now,
                expected=_estimate_seconds(event),
                interrupts=view.interrupts,
            )
        case RunChanged(run=run):
            return replace(view, run=run)
        case TaskChanged(task=task):
            view.tasks[task.cell_number] = task
            if task.state_type is StateType.RUNNING:
                view.started[task.cell_number] = now
                view.progress.pop(task.cell_number, None)
            return view
        case TaskProgress(cell_number=number):
            known = view.progress.get(number)
            if known is not None:
                memory = event.memory if event.memory is not None else known.memory
                event = replace(event, text=event.text or known.text, memory=memory)
            view.progress[number] = event
            return view
        case RunEnded():
            return replace(
                view,
                run=event.run,
                tasks={task.cell_number: task for task in event.tasks} or view.tasks,
                ended=event,
            )
        case _:
            return view


def measure_columns(tasks: Iterable[TaskRun]) -> tuple[int, int]:
    """The widths of the name and place columns of these tasks."""
    names = places = 0
    for task in tasks:
        names = max(names, cell_len(one_line(task.name, NAME_WIDTH)))
        places = max(places, len(f"cell {task.cell_number}"))
    return names, places


def _count_tasks(event: RunStarted) -> frozenset[int]:
    if event.counted is not None:
        return event.counted
    tagged = frozenset(t.cell_number for t in event.tasks if t.kind is CellKind.TASK)
    if tagged and len(tagged) == event.tasks_total:
        return tagged
    return frozenset(t.cell_number for t in event.tasks)


def _estimate_seconds(event: RunStarted) -> float | None:
    """The longer of the longest chain and an even share per worker; None when a task is new."""
    if not event.tasks or any(task.cell_number not in event.expected for task in event.tasks):
        return None
    ends: dict[int, float] = {}
    for task in sorted(event.tasks, key=lambda task: task.cell_number):
        number = task.cell_number
        inputs = event.waits.get(number, ())
        ready = max((ends.get(source, 0.0) for _, source in inputs), default=0.0)
        ends[number] = ready + event.expected[number]
    share = sum(event.expected[task.cell_number] for task in event.tasks) / max(event.workers, 1)
    return max(max(ends.values()), share)


def headline(view: RunView) -> str:
    """``sales.ipynb · brave-otter · 4 tasks of 9 cells · local ×4 · years=[2025] (-p)``."""
    run = view.run
    if run is None:
        return ""
    parts = [
        PurePath(run.notebook).name or run.notebook,
        run.name,
        f"{_plural(len(view.counted), 'task')} of {_plural(view.cells_total, 'cell')}",
        f"{run.options.runner} ×{view.workers}",
    ]
    given = [
        f"{name}={show_value(run.parameters.get(name))} ({source})"
        for name, source in run.parameter_sources.items()
        if source.startswith("-")
    ]
    return " · ".join(escape_text(part, 200) for part in [*parts, *given])


def show_value(value: Json) -> str:
    """A parameter's value as Python writes it, shortened."""
    shown = repr(value)
    return shown if len(shown) <= 40 else shown[:39] + "…"


def live_rows(view: RunView, now: float) -> list[Row]:
    """Failed tasks, then running ones, each in document order."""
    shown = [task for task in list(view.tasks.values()) if _is_live(task)]
    shown.sort(key=lambda task: (task.state_type is StateType.RUNNING, task.cell_number))
    return [make_row(view, task, now) for task in shown]


def _is_live(task: TaskRun) -> bool:
    return task.state_type in SHOWN and task.state_name not in NOT_RUN


def is_notable(view: RunView, task: TaskRun) -> bool:
    """Whether an ended task leaves a line behind: notebooks have many instant plain cells."""
    if not task.state_type.is_terminal or _is_live(task) or task.state_name in NOT_RUN:
        return False
    return task.kind is CellKind.TASK or (task.seconds or 0.0) >= NOTABLE_SECONDS


def make_row(view: RunView, task: TaskRun, now: float) -> Row:
    """The columns of one task's line."""
    number = task.cell_number
    place = "" if is_derived_name(task.name) else f"cell {number}"
    progress = view.progress.get(number)
    words: list[str] = []
    seconds = task.seconds
    if task.state_type is StateType.RUNNING:
        seconds = now - view.started.get(number, now)
    if task.attempt > 1:
        words.append(f"attempt {task.attempt} of {max(task.attempt, task.max_attempts)}")
    if task.error_name and task.state_type is not StateType.COMPLETED:
        place = ", ".join(
            words
            for words in (place, f"line {task.error_line}" if task.error_line else "")
            if words
        )
        words.append(describe_error(task))
    elif task.state_type is StateType.RUNNING and progress is not None:
        words.append(condense_progress(progress.text))
        words.append(format_bytes(progress.memory) if progress.memory else "")
    elif task.state_message and task.state_type is not StateType.COMPLETED:
        words.append(escape_text(task.state_message, 200))
    elif task.peak_memory:
        words.append(format_bytes(task.peak_memory))
    return Row(
        number=number,
        state=task.state_name,
        name=task.name,
        place=place,
        time="" if seconds is None else show_duration(seconds),
        text="  ".join(word for word in words if word),
    )


def describe_error(task: TaskRun) -> str:
    """``KeyError: 'month'``, on one line."""
    name = task.error_name or str(task.state_name)
    value = (task.error_value or "").strip()
    return escape_text(f"{name}: {value}" if value else name, 500)


def condense_progress(text: str) -> str:
    """The latest printed line; a tqdm bar becomes ``62 %  5200/8400 rows``."""
    lines = [line for line in re.split(r"[\r\n]", text[-2000:]) if line.strip()]
    line = lines[-1].strip() if lines else ""
    bar = _TQDM.search(line)
    if bar is None:
        return escape_text(line, 500)
    percent, done, total, rest = bar.groups()
    rate = _UNIT.search(rest)
    unit = (rate.group(1) or rate.group(2)) if rate else ""
    return escape_text(f"{percent} %  {done}/{total} {'' if unit == 'it' else unit}".rstrip(), 200)


def count_states(view: RunView, numbers: Iterable[int]) -> tuple[int, int, int]:
    """How many of the cells wait, are done (ended in any way), and run."""
    waiting = done = running = 0
    for number in numbers:
        task = view.tasks.get(number)
        if task is None:
            continue
        if task.state_type.is_terminal:
            done += 1
        elif task.state_type in (StateType.RUNNING, StateType.CANCELLING):
            running += 1
        else:
            waiting += 1
    return waiting, done, running


def counter(view: RunView, now: float) -> str:
    """``1 waiting   1 done · 2 running · 0:14 of ~0:31 · Ctrl-C cancels``."""
    waiting, done, running = count_states(view, view.counted)
    clock = format_clock(now - view.began)
    if view.expected is not None:
        clock += f" of ~{format_clock(max(view.expected, 1.0))}"
    keys = {0: "Ctrl-C cancels", 1: "cancelling · Ctrl-C kills"}.get(view.interrupts, "killing")
    return f"{waiting} waiting   {done} done · {running} running · {clock} · {keys}"


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
