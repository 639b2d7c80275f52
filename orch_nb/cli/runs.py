"""`orch-nb runs`, `show` and `cancel`: what was recorded, for people and for scripts."""

from __future__ import annotations

import os
import sys
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime

import click
from rich.cells import cell_len
from rich.console import Console
from rich.text import Text

from orch_nb.cli.live import can_show_marks
from orch_nb.cli.marks import choose_palette
from orch_nb.cli.paint import Painter
from orch_nb.cli.records import change_record, print_json, run_record, task_record
from orch_nb.cli.terminal import NAME_WIDTH, RunView, make_row, measure_columns, show_value
from orch_nb.cli.text import escape_text, near_path, one_line, pad_text
from orch_nb.durations import show_duration
from orch_nb.model import FlowRun, StateChange, TaskRun
from orch_nb.states import TYPE_OF, StateName, StateType

ascii_option = click.option("--ascii", "ascii_only", is_flag=True, help="marks in ASCII")
json_option = click.option("--json", "as_json", is_flag=True, help="print JSON")


class Page:
    """Prints lines about recorded runs on stdout."""

    def __init__(self, ascii_only: bool) -> None:
        plain = ascii_only or not can_show_marks(sys.stdout, os.environ)
        self._console = Console(highlight=False, markup=False, emoji=False)
        self.painter = Painter(choose_palette(os.environ), plain)

    def text(self, line: str) -> None:
        """Print one line of words."""
        self.line(Text(self.painter.words(line)))

    def line(self, line: Text) -> None:
        """Print one painted line; the terminal wraps it if it must."""
        self._console.print(line, soft_wrap=True)

    def state(self, state: StateName, rest: str) -> None:
        """Print a mark and what it stands for."""
        self.line(self.painter.mark(state).append(self.painter.words(rest)))


@click.command()
@click.option("--flow", help="only runs of this flow")
@click.option("--state", help="only runs in this state, such as Failed")
@click.option("--tag", "tags", multiple=True, help="only runs with this tag")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20, help="how many  [20]")
@ascii_option
@json_option
def runs(
    flow: str | None,
    state: str | None,
    tags: tuple[str, ...],
    limit: int,
    ascii_only: bool,
    as_json: bool,
) -> None:
    """List recorded runs, the newest first."""
    from orch_nb import app

    found = app.runs(flow=flow, state=_state_named(state), tags=tags, limit=limit)
    if as_json:
        print_json([run_record(run) for run in found])
        return
    page = Page(ascii_only)
    if not found:
        page.text("no runs yet; start one with  orch-nb run NOTEBOOK")
        return
    names = _widest(run.name for run in found)
    flows = _widest(run.flow for run in found)
    for run in found:
        parts = [
            pad_text(one_line(run.name, names), names),
            pad_text(one_line(run.flow, flows), flows),
            f"{run.state_name:<10}",
            f"{_local(run.start_time or run.scheduled_time):<16}",
            f"{_took(run):>7}",
            escape_text(" ".join(f"#{tag}" for tag in run.tags), 200),
        ]
        page.state(run.state_name, "  ".join(parts).rstrip())


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("task", metavar="[TASK]", required=False)
@ascii_option
@json_option
def show(run: str, task: str | None, ascii_only: bool, as_json: bool) -> None:
    """Show one run (its name, or its id): tasks, history, parameters and files.

    With TASK, the attempts at that task, each with what it showed.
    """
    from orch_nb import app

    if task is not None:
        _show_attempts(run, task, ascii_only, as_json)
        return
    details = app.show(run)
    if as_json:
        print_json(
            {
                **run_record(details.run),
                "tasks": [task_record(task) for task in details.tasks],
                "history": [change_record(change) for change in details.history],
                "files": list(details.files),
                "parent": None if details.parent is None else details.parent.name,
                "children": [run_record(child) for child in details.children],
            }
        )
        return
    page = Page(ascii_only)
    _show_head(page, details.run)
    if details.parent is not None:
        page.text(f"  part of   {escape_text(details.parent.name, 80)} ({details.parent.flow})")
    if details.run.request.get("kind") == "function":
        _show_calls(page, details.tasks)
    else:
        _show_tasks(page, [task for task in details.tasks if not task.is_call])
        _show_calls(page, [task for task in details.tasks if task.is_call])
    for child in details.children:
        words = f"subflow {child.flow} · {child.name} · {child.state_name}"
        page.state(child.state_name, escape_text(words, 300))
    _show_history(page, details.run, details.history)
    if details.files:
        page.text("files   " + ", ".join(escape_text(path, 4096) for path in details.files))


@click.command()
@click.argument("run", metavar="RUN")
@ascii_option
@json_option
def cancel(run: str, ascii_only: bool, as_json: bool) -> None:
    """Cancel a run (its name, or its id) that has not ended."""
    from orch_nb import app

    cancelled = app.cancel(run)
    if as_json:
        print_json(run_record(cancelled))
        return
    Page(ascii_only).state(
        cancelled.state_name, f"{escape_text(cancelled.name, 80)} is {cancelled.state_name}"
    )


def _show_attempts(called: str, task: str, ascii_only: bool, as_json: bool) -> None:
    from orch_nb import app

    run, found, attempts = app.attempts(called, task)
    if as_json:
        rows = [{**asdict(one), "recorded": _iso(one.recorded)} for one in attempts]
        print_json({**task_record(found), "attempts": rows})
        return
    page = Page(ascii_only)
    page.state(
        found.state_name,
        f" {escape_text(found.name, 80)} · cell {found.cell_number} of {run.name} · "
        f"{found.state_name}",
    )
    for one in attempts:
        kept = "kept" if one.kept else f"not kept: {one.reason}"
        took = show_duration(one.seconds)
        page.text(
            f"attempt {one.number}  {_local(one.recorded, seconds=True)}  {took}  "
            + escape_text(one.error or kept, 400)
        )
        for line in one.text.splitlines():
            page.text("  " + escape_text(line, 2000))
    if not attempts:
        page.text("no attempt has told its outcome")


def _iso(time: datetime | None) -> str | None:
    return None if time is None else time.isoformat()


def _show_head(page: Page, run: FlowRun) -> None:
    words = f"{run.flow} · {run.name} · {run.state_name}"
    took = _took(run)
    page.state(run.state_name, escape_text(words + (f" · {took}" if took else ""), 300))
    rows = {
        "id": run.id,
        "notebook": near_path(run.notebook),
        "output": near_path(run.output) if run.output else "",
        "started": _local(run.start_time),
        "tags": " ".join(run.tags),
        "with": "  ".join(
            f"{name}={show_value(value)} ({run.parameter_sources.get(name, 'cell')})"
            for name, value in run.parameters.items()
        ),
        "why": run.state_message,
    }
    for label, value in rows.items():
        if value:
            page.text(f"  {label:<9} {escape_text(value, 4096)}")


def _show_tasks(page: Page, tasks: Sequence[TaskRun]) -> None:
    view = RunView(tasks={task.cell_number: task for task in tasks})
    columns = measure_columns(tasks)
    for task in tasks:
        row = make_row(view, task, 0.0)
        page.line(page.painter.row(row, 500, columns))


def _show_calls(page: Page, tasks: Sequence[TaskRun]) -> None:
    """Calls of functions and cells: those of a map in one line, and what failed of them."""
    groups: dict[tuple[int, bool], list[TaskRun]] = {}
    for task in tasks:
        groups.setdefault((task.cell_number, task.map_index is not None), []).append(task)
    for (_, mapped), calls in groups.items():
        if mapped:
            states = Counter(call.state_name for call in calls)
            counts = ", ".join(f"{count:,} {state}" for state, count in states.items())
            worst = max(states, key=lambda state: TYPE_OF[state] is not StateType.COMPLETED)
            name = one_line(calls[0].name, NAME_WIDTH)
            page.state(worst, f"{name}  {len(calls):,} items: {counts}")
        for call in calls:
            if mapped and call.state_type is StateType.COMPLETED:
                continue
            name = call.name if call.map_index is None else f"{call.name}[{call.map_index}]"
            took = "" if call.seconds is None else show_duration(call.seconds)
            parts = [one_line(name, NAME_WIDTH), took, escape_text(call.state_message, 200)]
            page.state(call.state_name, ("  " if mapped else "") + "  ".join(filter(None, parts)))


def _show_history(page: Page, run: FlowRun, history: Sequence[StateChange]) -> None:
    for change in history:
        if change.run_id == run.id:
            why = f": {change.message}" if change.message else ""
            page.text(
                f"  {_local(change.time, seconds=True)}  {change.new} by "
                + escape_text(change.by + why, 400)
            )


def _state_named(text: str | None) -> StateName | None:
    if text is None:
        return None
    for name in StateName:
        if name.lower() == text.lower():
            return name
    raise click.UsageError(f"no state {text!r}\nstates are {', '.join(StateName)}")


def _widest(texts: Iterable[str]) -> int:
    return max(cell_len(one_line(text, NAME_WIDTH)) for text in texts)


def _local(time: datetime | None, *, seconds: bool = False) -> str:
    if time is None:
        return ""
    return time.astimezone().strftime("%Y-%m-%d %H:%M:%S" if seconds else "%Y-%m-%d %H:%M")


def _took(run: FlowRun) -> str:
    if run.start_time is None or run.end_time is None:
        return ""
    return show_duration((run.end_time - run.start_time).total_seconds())
