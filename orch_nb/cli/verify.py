"""`orch-nb verify`: runs a notebook serially and in parallel, and compares everything."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orch_nb.cli.failure import DONE, RUN_FAILED
from orch_nb.cli.records import print_json
from orch_nb.cli.run import build_request
from orch_nb.cli.run import run as run_command
from orch_nb.cli.runs import Page
from orch_nb.cli.text import escape_text
from orch_nb.durations import show_duration
from orch_nb.states import StateName

if TYPE_CHECKING:
    from orch_nb.app import Verdict
    from orch_nb.engine.events import Event

_SHOWN = 20  # differences that are printed
_NOT_HERE = frozenset({"output", "output_option", "report_mode", "log_output", "name", "quiet"})


def verify(**values: Any) -> None:
    """Run NOTEBOOK one cell after the other, then in parallel, and compare.

    Variables, outputs and files must be equal; the folder is copied for each run and nothing in
    it changes. On a difference the notebook is run serially once more, to see whether serial
    agrees with itself. Exit codes: 0 equal, 1 different, 2 bad input.
    """
    from orch_nb import app

    request = build_request({**values, **dict.fromkeys(_NOT_HERE)})
    page = Page(values["ascii_only"])
    quiet = values["as_json"]

    def listen(which: str) -> Any:
        if not quiet:
            page.text(f"{request.notebook} · {which} …")

        def show(event: Event) -> None:
            """The runs themselves are not followed."""

        return show

    verdict = app.verify(request, listen)
    if values["as_json"]:
        print_json(_record(verdict))
    else:
        _print(page, verdict)
    raise click.exceptions.Exit(DONE if verdict.equal else RUN_FAILED)


def _print(page: Page, verdict: Verdict) -> None:
    serial, parallel = verdict.serial, verdict.parallel
    page.text(
        f"serial {show_duration(serial.seconds)} · parallel {show_duration(parallel.seconds)}"
    )
    if verdict.unstable:
        names = ", ".join(item.what for item in verdict.unstable[:_SHOWN])
        page.text(f"serial does not agree with itself on: {escape_text(names, 1000)}")
    if verdict.equal:
        variables, cells, files = verdict.compared
        state = StateName.COMPLETED
        words = f"equal: {variables} variables, outputs of {cells} cells, {files} files"
        if serial.run.state_name is not StateName.COMPLETED:
            words += f" (up to the cell that fails: {escape_text(serial.run.state_message, 200)})"
        page.state(state, words)
        return
    page.state(StateName.FAILED, f"different: {len(verdict.differences)} of them")
    for item in verdict.differences[:_SHOWN]:
        page.text(f"  {escape_text(item.what, 200)}")
        page.text(f"    serial    {escape_text(item.serial, 300)}")
        page.text(f"    parallel  {escape_text(item.parallel, 300)}")
    if verdict.suspect:
        page.text(f"  {escape_text(verdict.suspect, 500)}")


def _record(verdict: Verdict) -> dict[str, Any]:
    return {
        "equal": verdict.equal,
        "serial_seconds": verdict.serial.seconds,
        "parallel_seconds": verdict.parallel.seconds,
        "differences": [_difference(item) for item in verdict.differences],
        "unstable": [_difference(item) for item in verdict.unstable],
        "suspect": verdict.suspect,
    }


def _difference(item: Any) -> dict[str, Any]:
    return {
        "what": item.what,
        "cell": item.cell,
        "serial": item.serial,
        "parallel": item.parallel,
    }


command = click.Command(
    "verify",
    callback=verify,
    params=[option for option in run_command.params if option.name not in _NOT_HERE],
    help=verify.__doc__,
    no_args_is_help=True,
)
