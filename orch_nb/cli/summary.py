"""The lines that close a run: how it ended, what failed, where its output and log are."""

from __future__ import annotations

import shlex
from dataclasses import dataclass

from orch_nb.cli.terminal import NOT_RUN, describe_error
from orch_nb.cli.text import escape_text, format_clock, near_path
from orch_nb.durations import show_duration
from orch_nb.engine.events import RunEnded
from orch_nb.model import TaskRun
from orch_nb.option_text import is_derived_name
from orch_nb.states import StateName, StateType

MOST_FAILURES = 5
MOST_FILES = 4


@dataclass(frozen=True, slots=True)
class Summary:
    """A headline that takes the state's mark, and the indented lines below it."""

    state: StateName
    headline: str
    lines: tuple[str, ...]


def summarize(ended: RunEnded, output: str | None, counted: frozenset[int]) -> Summary:
    """The closing lines of a run; ``counted`` are the cell numbers that count as tasks."""
    run = ended.run
    took = show_duration(ended.seconds) if ended.seconds < 10 else format_clock(ended.seconds)
    name = escape_text(run.name, 80)
    if run.state_type is StateType.COMPLETED:
        count = len([task for task in ended.tasks if task.cell_number in counted])
        tasks = f"{count} task" if count == 1 else f"{count} tasks"
        headline = f"{run.state_name} in {took}: {tasks}{_count_retries(ended.tasks)}"
        lines = [_list_files(ended.files), f"output  {near_path(output)}" if output else ""]
        return Summary(run.state_name, headline, tuple(line for line in lines if line))
    joint = "after" if run.state_type is StateType.CANCELLED else "in"
    headline = f"{run.state_name} {joint} {took}: {_count_ends(ended.tasks, counted)}"
    failed = sorted(
        (task for task in ended.tasks if _failed(task)), key=lambda task: task.cell_number
    )
    lines = [escape_text(run.state_message, 400)] if run.state_message and not failed else []
    lines += [_describe_failure(task) for task in failed[:MOST_FAILURES]]
    if len(failed) > MOST_FAILURES:
        lines.append(f"… and {len(failed) - MOST_FAILURES} more")
    log = f"log  orch-nb logs {name}"
    if failed:
        log += f" {shlex.quote(escape_text(failed[0].name, 80))}"
    lines.append(_list_files(ended.files))
    lines.append(f"output  {near_path(output)}    {log}" if output else log)
    paused = run.state_type is StateType.PAUSED
    then = f"orch-nb answer {name}" if paused else f"orch-nb resume {name} --plan"
    lines.append(f"next    {then}")
    return Summary(run.state_name, headline, tuple(line for line in lines if line))


def _failed(task: TaskRun) -> bool:
    failed = task.state_type in (StateType.FAILED, StateType.CRASHED)
    return failed and task.state_name not in NOT_RUN


def _describe_failure(task: TaskRun) -> str:
    place = [] if is_derived_name(task.name) else [f"cell {task.cell_number}"]
    place += [f"line {task.error_line}"] if task.error_line else []
    where = f" ({', '.join(place)})" if place else ""
    attempts = f"  ({task.attempt} attempts)" if task.attempt > 1 else ""
    what = describe_error(task) if task.error_name else str(task.state_name)
    if not task.error_name and task.state_message:
        what += f": {escape_text(task.state_message, 400)}"
    return f"{escape_text(task.name, 40)}{where}  {what}{attempts}"


def _count_ends(tasks: tuple[TaskRun, ...], counted: frozenset[int]) -> str:
    """``2 completed, 1 failed, 1 not run``; a failed cell counts even if it is no task."""
    counts = dict.fromkeys(("completed", "failed", "crashed", "cancelled", "not run"), 0)
    for task in tasks:
        if task.cell_number in counted or _failed(task):
            counts[_end_of(task)] += 1
    return ", ".join(f"{count} {word}" for word, count in counts.items() if count) or "nothing run"


def _end_of(task: TaskRun) -> str:
    if task.state_type is StateType.COMPLETED:
        return "completed"
    if task.state_type is StateType.CRASHED:
        return "crashed"
    if _failed(task):
        return "failed"
    if task.state_type is StateType.CANCELLED and task.start_time is not None:
        return "cancelled"
    return "not run"


def _count_retries(tasks: tuple[TaskRun, ...]) -> str:
    retried = sum(1 for task in tasks if task.attempt > 1)
    return f", {retried} after a retry" if retried else ""


def _list_files(files: tuple[str, ...]) -> str:
    if not files:
        return ""
    more = f" +{len(files) - MOST_FILES}" if len(files) > MOST_FILES else ""
    return "files   " + ", ".join(near_path(path) for path in files[:MOST_FILES]) + more
