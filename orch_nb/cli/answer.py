"""`orch-nb answer`: answer what a paused task asks; a suspended run goes on at once."""

from __future__ import annotations

from typing import Any

import click

from orch_nb.cli.records import print_json, run_record
from orch_nb.cli.resume import go_on
from orch_nb.cli.runs import Page, ascii_option, json_option
from orch_nb.cli.text import escape_text


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("task", required=False)
@click.argument("values", metavar="[NAME=VALUE]...", nargs=-1)
@click.option("--later", is_flag=True, help="leave a suspended run to `orch-nb resume`")
@click.option("-q", "--quiet", is_flag=True, help="print only what went wrong")
@ascii_option
@json_option
def answer(
    run: str, task: str | None, values: tuple[str, ...], later: bool, quiet: bool, **shown: Any
) -> None:
    """Answer what TASK of RUN asks; without TASK, show what is asked.

    A run whose process waits goes on there; a suspended one goes on here, unless --later.
    """
    from orch_nb import app

    if task is None:
        _show(run, **shown)
        return
    answered = app.answer(run, task, _pairs(values))
    if app.is_suspended(answered) and not later:
        request = app.ResumeRequest(answered.id)
        go_on(request, "resume", plan_only=False, quiet=quiet, **shown)
        return
    if shown["as_json"]:
        print_json(run_record(answered))
    elif not quiet:
        name = escape_text(answered.name, 80)
        waits = app.is_suspended(answered)
        how = f"to go on: orch-nb resume {name}" if waits else "its process goes on"
        Page(shown["ascii_only"]).text(f"answered; {how}")


def _show(run: str, *, ascii_only: bool, as_json: bool) -> None:
    from orch_nb import app

    asked = app.open_questions(run)
    if as_json:
        print_json(
            [
                {
                    "task": one.task.name,
                    "question": one.question,
                    "inputs": list(one.inputs),
                    "deadline": None if one.deadline is None else one.deadline.isoformat(),
                }
                for one in asked
            ]
        )
        return
    page = Page(ascii_only)
    if not asked:
        page.text("nothing is asked")
    for one in asked:
        until = f"  (until {one.deadline.astimezone():%Y-%m-%d %H:%M})" if one.deadline else ""
        asks = f"{one.task.name}  {escape_text(one.question, 400)}{until}"
        page.state(one.task.state_name, f" {asks}")
        inputs = " ".join(f"{name.partition(':')[0]}=…" for name in one.inputs)
        page.text(f"  orch-nb answer {one.run.name} {one.task.name} {inputs}".rstrip())


def _pairs(values: tuple[str, ...]) -> dict[str, str]:
    pairs = {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals:
            raise click.UsageError(f"{value!r} is no NAME=VALUE\nsuch as amount=3")
        pairs[name] = text
    return pairs
