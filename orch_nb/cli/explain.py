"""`orch-nb explain`: why a task was, or was not, answered from the cache."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

import click

from orch_nb.cli.records import format_time, print_json, task_record
from orch_nb.cli.runs import Page, ascii_option, json_option
from orch_nb.cli.text import escape_text, one_line, pad_text

if TYPE_CHECKING:
    from orch_nb.app import Explanation

_WIDTH = 80
_VERDICT = 7
_LABEL = 34


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("task", metavar="TASK")
@ascii_option
@json_option
def explain(run: str, task: str, ascii_only: bool, as_json: bool) -> None:
    """Say why TASK of RUN was, or was not, answered from the cache, field by field.

    It is compared with the newest earlier run that noted this task.
    """
    from orch_nb import app

    found = app.explain(run, task)
    if as_json:
        print_json(_record(found))
        return
    page = Page(ascii_only)
    cell = f"cell {found.task.cell_number}"
    head = f"{found.task.name} · {cell} · {found.run.name} · {found.task.state_name}"
    page.state(found.task.state_name, one_line(head, _WIDTH - 2))
    for line in _wrapped(found.summary):
        page.text(f"  {line}")
    if found.fields:
        page.text("")
        page.text(f"  {_compared(found)}")
    room = _WIDTH - 4 - _VERDICT - 2 - _LABEL
    for field in found.fields:
        verdict = pad_text("" if found.other is None else field.verdict.value, _VERDICT)
        label = pad_text(escape_text(field.label, 200), _LABEL)
        page.text(f"  {verdict}  {label}  {one_line(field.detail, room)}".rstrip())
    if found.why_not_kept:
        page.text("")
        for line in _wrapped(f"not kept for later runs: {found.why_not_kept}"):
            page.text(f"  {line}")


def _compared(found: Explanation) -> str:
    if found.other is None:
        return "what it depends on; no earlier run noted this task"
    return f"compared with {one_line(found.other.name, 40)}, {_local(found.made)}"


def _local(time: datetime | None) -> str:
    return "" if time is None else time.astimezone().strftime("%Y-%m-%d %H:%M:%S")


def _wrapped(text: str) -> list[str]:
    """``text`` in lines that fit a terminal of 80 columns."""
    import textwrap

    return textwrap.wrap(escape_text(text, 1000), _WIDTH - 2)


def _record(found: Explanation) -> dict[str, object]:
    return {
        "run": found.run.name,
        "task": task_record(found.task),
        "summary": found.summary,
        "not_kept": found.why_not_kept,
        "compared_with": None if found.other is None else found.other.name,
        "compared_time": format_time(found.made),
        "fields": [
            {
                "group": field.group,
                "name": field.name,
                "verdict": field.verdict,
                "detail": field.detail,
            }
            for field in found.fields
        ],
    }
