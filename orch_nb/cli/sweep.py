"""`orch-nb sweep`: runs a notebook over a grid of parameters, and prints what the runs declared."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from orch_nb.cli.failure import CANCELLED, DONE, RUN_FAILED
from orch_nb.cli.flow_options import add_flow_options, take_flow_options
from orch_nb.cli.parameter_options import ParameterCommand
from orch_nb.cli.records import print_json
from orch_nb.cli.runs import Page, ascii_option, json_option
from orch_nb.cli.text import escape_text, near_path, one_line, pad_text
from orch_nb.durations import show_duration
from orch_nb.errors import InputError

if TYPE_CHECKING:
    from orch_nb.app import SweepControl, SweepResult, SweptRun
    from orch_nb.app.sweep_points import Point

_PAIR: dict[str, Any] = {"type": str, "nargs": 2, "multiple": True}
_WIDEST = 24


@click.command(cls=ParameterCommand, no_args_is_help=True)
@click.argument("notebook")
@click.option(
    "-p", "--param", "pairs", metavar="NAME VALUES", **_PAIR, help="values: 1,2,5 or 0..9"
)
@click.option("--from", "table_path", metavar="CSV", help="parameters from a table, a run a row")
@click.option("--max", "most", type=click.IntRange(min=1), help="no more runs than these")
@click.option("--random", "at_random", is_flag=True, help="draw them at random, none twice")
@click.option("--seed", type=int, default=0, help="for --random  [0]")
@click.option("--at-once", type=click.IntRange(min=1), help="runs that go on together")
@click.option("-o", "--output", metavar="FOLDER", help="for the notebooks  [NAME.sweep]")
@click.option("--sort", metavar="NAME", help="order of the table; -NAME has the largest first")
@click.option("--csv", "csv_path", metavar="FILE", help="write the table here, too")
@click.option("--tag", "tags", multiple=True, help="a tag for the runs")
@add_flow_options
@ascii_option
@json_option
def sweep(notebook: str, **values: Any) -> None:
    """Run NOTEBOOK once for each combination of the values of its parameters.

    What a cell declares with orch_nb.report(accuracy=…) is printed at the end, and written with a
    plot into summary.ipynb. What does not depend on the parameters that vary runs once.
    Exit codes: 0 done, 1 some run failed, 2 bad input, 130 cancelled.
    """
    from orch_nb import app
    from orch_nb.notebook.output_file import check_writable

    request = app.SweepRequest(
        notebook,
        tuple(_points(values)),
        values["output"],
        take_flow_options(values),
        tuple(values["tags"]),
        values["at_once"],
    )
    if values["csv_path"]:
        check_writable(values["csv_path"])
    page = Page(values["ascii_only"])
    total = len(request.points)
    control = app.SweepControl()
    lock = threading.Lock()

    def ended(run: SweptRun) -> None:
        if not values["as_json"]:
            with lock:
                page.state(run.state, _line(run, total))

    with _interrupts_cancel(control):
        result = app.sweep(request, ended, control)
    runs, unsorted = _in_order(result, values["sort"])
    if values["csv_path"]:
        Path(values["csv_path"]).write_text(result.to_csv(runs), encoding="utf-8")
    if values["as_json"]:
        print_json([_record(run) for run in runs])
    else:
        _print_table(page, result, runs)
        page.text(f"summary  {near_path(result.summary)}")
    if unsorted is not None:
        raise unsorted
    raise click.exceptions.Exit(_exit_code(result, control))


def _in_order(
    result: SweepResult, column: str | None
) -> tuple[Sequence[SweptRun], InputError | None]:
    """The runs as they are to be shown; what is wrong with the column is told after the table,
    which took longer to make."""
    if column is None:
        return result.runs, None
    try:
        return result.sorted_by(column), None
    except InputError as error:
        return result.runs, error


def _points(values: Mapping[str, Any]) -> list[Point]:
    from orch_nb.app import grid, parse_axis, table

    seed = values["seed"] if values["at_random"] else None
    axes = [parse_axis(name, text) for name, text in values["pairs"]]
    if values["table_path"] is None:
        if not axes:
            raise click.UsageError("nothing varies\ngive values, as in  -p alpha 0.1,0.2,0.5")
        return grid(axes, values["most"], seed)
    several = [axis.name for axis in axes if len(axis.values) > 1]
    if several:
        raise click.UsageError(f"with --from, -p {several[0]} takes one value")
    fixed = {axis.name: axis.values[0] for axis in axes}
    return [{**row, **fixed} for row in table(values["table_path"], values["most"], seed)]


def _line(run: SweptRun, total: int) -> str:
    parts = [f"{run.number}/{total}".rjust(2 * len(str(total)) + 1)]
    parts += [f"{name}={_shown(value)}" for name, value in run.parameters.items()]
    parts += [f"{name}={_shown(value)}" for name, value in run.metrics.items()]
    parts.append(show_duration(run.seconds))
    if not run.ok:
        parts.append(escape_text(run.error, 200))
    return "  ".join(parts)


def _print_table(page: Page, result: SweepResult, runs: Sequence[SweptRun]) -> None:
    parameters, metrics = result.columns
    head = ["run", *parameters, *metrics, "seconds"]
    rows = [
        [
            one_line(run.name, _WIDEST),
            *(_shown(run.parameters.get(name, "")) for name in parameters),
            *(_shown(run.metrics.get(name, "")) for name in metrics),
            f"{run.seconds:.1f}",
        ]
        for run in runs
    ]
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]
    page.text("")
    for row in [head, *rows]:
        cells = (pad_text(text, width) for text, width in zip(row, widths, strict=True))
        page.text("  ".join(cells).rstrip())


def _shown(value: Any) -> str:
    return one_line(f"{value:.6g}" if isinstance(value, float) else str(value), _WIDEST)


def _record(run: SweptRun) -> dict[str, Any]:
    return {
        "number": run.number,
        "name": run.name,
        "state_name": run.state.value,
        "parameters": dict(run.parameters),
        "metrics": dict(run.metrics),
        "seconds": run.seconds,
        "output": run.output,
        "error": run.error,
    }


def _exit_code(result: SweepResult, control: SweepControl) -> int:
    if control.cancelled:
        return CANCELLED
    return DONE if all(run.ok for run in result.runs) else RUN_FAILED


@contextmanager
def _interrupts_cancel(control: SweepControl) -> Iterator[None]:
    """While inside, SIGINT and SIGTERM cancel the sweep; a second one kills its runs."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def cancel(number: int, frame: FrameType | None) -> None:
        print("cancelling …", file=sys.stderr)
        control.cancel(kill=control.cancelled)

    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, cancel) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
