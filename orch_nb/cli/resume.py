"""`orch-nb resume` and `retry`: go on with a run that has ended, or show what that would do."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from orch_nb.cli.failure import DONE
from orch_nb.cli.parameter_options import ParameterCommand
from orch_nb.cli.records import print_json, run_record
from orch_nb.cli.run import exit_code, follow_events, result_record
from orch_nb.cli.runs import Page, ascii_option, json_option
from orch_nb.cli.terminal import NAME_WIDTH
from orch_nb.cli.text import escape_text, one_line, pad_text
from orch_nb.durations import show_duration

if TYPE_CHECKING:
    from orch_nb.app import ResumePlan, ResumeRequest

_PAIR: dict[str, Any] = {"type": str, "nargs": 2, "multiple": True}

_quiet_option = click.option("-q", "--quiet", is_flag=True, help="print only what went wrong")
_plan_option = click.option("--plan", "plan_only", is_flag=True, help="say what would run, and why")
_output_option = click.option("-o", "--output", help="the output notebook [where it was]")


@click.command(cls=ParameterCommand)
@click.argument("run", metavar="RUN")
@click.option("--from", "onward", metavar="TASK", help="run this task and all below it again")
@click.option("-p", "--param", "pairs", metavar="NAME VALUE", **_PAIR, help="another value")
@_output_option
@_plan_option
@_quiet_option
@ascii_option
@json_option
def resume(
    run: str,
    onward: str | None,
    pairs: tuple[tuple[str, str], ...],
    output: str | None,
    **shown: Any,
) -> None:
    """Go on with RUN (its name, or its id), which failed, crashed or was cancelled.

    What is done is not done again, but for cells that were edited, and what depends on them.
    Exit codes: 0 done, 1 the run failed, 2 bad input, 130 cancelled.
    """
    from orch_nb import app
    from orch_nb.app import ResumeRequest
    from orch_nb.notebook.binding import collect_parameters

    if app.is_function_flow(run):
        if onward or pairs or output or shown["plan_only"]:
            raise click.UsageError(
                f"run {run} is one of functions: --from, -p, -o and --plan are for notebooks"
            )
        _resume_functions(run, shown["ascii_only"], shown["as_json"])
    given = collect_parameters(texts=pairs)
    go_on(ResumeRequest(run, onward=onward, parameters=given, output=output), "resume", **shown)


def _resume_functions(run: str, ascii_only: bool, as_json: bool) -> None:
    from orch_nb import app

    ended = app.resume_functions(run)
    if as_json:
        print_json(run_record(ended))
    else:
        why = f": {ended.state_message}" if ended.state_message else ""
        words = f"{ended.name} is {ended.state_name}{why}"
        Page(ascii_only).state(ended.state_name, escape_text(words, 400))
    raise click.exceptions.Exit(exit_code(ended.state_type))


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("tasks", metavar="TASK...", nargs=-1, required=True)
@_output_option
@_plan_option
@_quiet_option
@ascii_option
@json_option
def retry(run: str, tasks: tuple[str, ...], output: str | None, **shown: Any) -> None:
    """Run tasks of RUN (names, or cell numbers) again, with all that depends on them.

    It is the same run, in its next attempt. Exit codes are those of `orch-nb resume`.
    """
    from orch_nb.app import ResumeRequest

    go_on(ResumeRequest(run, tasks=tasks, output=output), "retry", **shown)


def go_on(
    request: ResumeRequest,
    verb: str,
    *,
    plan_only: bool,
    quiet: bool,
    ascii_only: bool,
    as_json: bool,
) -> None:
    """Go on with a run on the screen, or print the plan; ends with the run's exit code."""
    from orch_nb import app
    from orch_nb.cli.live import open_screen

    if plan_only:
        _print_plan(app.plan_resume(request), verb, request, ascii_only, as_json)
        raise click.exceptions.Exit(DONE)
    screen = open_screen(
        sys.stdout, ascii_only=ascii_only, quiet=quiet or as_json, log_output=False
    )
    result = follow_events(
        lambda listener, control: app.resume(request, listener, control),
        screen,
        summary=not as_json,
    )
    if as_json:
        print_json(result_record(result))
    raise click.exceptions.Exit(exit_code(result.run.state_type))


def _print_plan(
    plan: ResumePlan, verb: str, request: ResumeRequest, ascii_only: bool, as_json: bool
) -> None:
    from orch_nb.app import Use

    if as_json:
        print_json(
            [
                {
                    "cell": cell.number,
                    "task": cell.name,
                    "use": cell.use.value,
                    "reason": cell.reason,
                    "seconds": cell.seconds,
                }
                for cell in plan.cells
            ]
        )
        return
    page = Page(ascii_only)
    shown = [cell for cell in plan.cells if cell.counted or cell.use is not Use.REUSE]
    width = min(max((len(cell.name) for cell in shown), default=0), NAME_WIDTH)
    for cell in shown:
        runs = cell.use is not Use.REUSE
        seconds = "" if cell.seconds is None else show_duration(cell.seconds)
        parts = [
            "run  " if runs else "reuse",
            pad_text(one_line(cell.name, width), width),
            f"{'~' if runs and seconds else ''}{seconds}".rjust(7),
            escape_text(cell.reason, 400),
        ]
        page.text("  ".join(parts).rstrip())
    for notice in plan.notices:
        page.text(escape_text(notice, 400))
    ahead = sum(cell.seconds or 0 for cell in plan.running)
    saved = sum(cell.seconds or 0 for cell in plan.cells if cell.use is Use.REUSE)
    page.text(
        f"{len(shown) - len(plan.running)} reused, {len(plan.running)} run, "
        f"about {show_duration(ahead)} (saves {show_duration(saved)}). "
        f"To start: orch-nb {verb} {' '.join([plan.run.name, *request.tasks])}"
    )
