"""`orch-nb run`: runs a notebook, follows it on a screen, and cancels it on Ctrl-C."""

from __future__ import annotations

import gc
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

import click

from orch_nb.cli.failure import CANCELLED, DONE, RUN_FAILED
from orch_nb.cli.flow_options import add_flow_options, take_flow_options
from orch_nb.cli.parameter_options import ParameterCommand
from orch_nb.cli.records import print_json, run_record, task_record
from orch_nb.engine.events import Event, Listener, RunEnded
from orch_nb.states import StateType

if TYPE_CHECKING:
    from orch_nb.app import Control, RunRequest, RunResult
    from orch_nb.cli.live import Screen

_PAIR: dict[str, Any] = {"type": str, "nargs": 2, "multiple": True}
_MANY: dict[str, Any] = {"type": str, "multiple": True}


@click.command(cls=ParameterCommand, no_args_is_help=True)
@click.argument("notebook")
@click.argument("output", required=False, metavar="[OUTPUT]")
@click.option("-o", "--output", "output_option", help="the output notebook [NAME.run.ipynb]")
@click.option(
    "-p", "--param", "--parameters", "pairs", metavar="NAME VALUE", **_PAIR, help="a parameter"
)
@click.option(
    "-r", "--parameters_raw", "raw_pairs", metavar="NAME TEXT", **_PAIR, help="one kept as text"
)
@click.option(
    "-f", "--parameters_file", "files", metavar="PATH", **_MANY, help="parameters in a YAML file"
)
@click.option(
    "-y", "--parameters_yaml", "yaml_texts", metavar="YAML", **_MANY, help="parameters as YAML"
)
@click.option(
    "-b",
    "--parameters_base64",
    "base64_texts",
    metavar="BASE64",
    **_MANY,
    help="parameters as YAML in base64",
)
@click.option("--param-json", "json_texts", metavar="JSON", **_MANY, help="parameters as JSON")
@add_flow_options
@click.option("-k", "--kernel", help="the kernel to use instead of the notebook's")
@click.option("--cwd", metavar="FOLDER", help="the working folder [the notebook's]")
@click.option("--report-mode/--no-report-mode", help="hide the cells' input in the output")
@click.option("--log-output/--no-log-output", help="print all that the cells print and log")
@click.option("--tag", "tags", **_MANY, help="a tag for the run")
@click.option("--name", help="a name for the run")
@click.option("--ascii", "ascii_only", is_flag=True, help="marks in ASCII")
@click.option("-q", "--quiet", is_flag=True, help="print only what went wrong")
@click.option("--json", "as_json", is_flag=True, help="print the run as JSON when it has ended")
@click.option("--no-warm", is_flag=True, help="start from cold, and keep nothing warm for the next")
def run(**values: Any) -> None:
    """Run NOTEBOOK as a flow; its outputs go to OUTPUT.

    Cells that do not wait for each other run at the same time; the result is that of Restart &
    Run All. Exit codes: 0 done, 1 the run failed, 2 bad input, 130 cancelled.
    """
    from orch_nb.cli.live import open_screen

    request = build_request(values)
    if request.output == "-" and values["as_json"]:
        raise click.UsageError("-o - and --json both print on stdout\ngive one of them")
    quiet = values["quiet"] or values["as_json"]
    screen = open_screen(
        sys.stderr if request.output == "-" else sys.stdout,
        ascii_only=values["ascii_only"],
        quiet=quiet,
        log_output=values["log_output"],
    )
    result = follow(request, screen, summary=not values["as_json"])
    if values["as_json"]:
        print_json(result_record(result))
    raise click.exceptions.Exit(exit_code(result.run.state_type))


def build_request(values: dict[str, Any]) -> RunRequest:
    """The request that the command line describes. Raises InputError where it contradicts."""
    from orch_nb.app import RunRequest
    from orch_nb.notebook.binding import collect_parameters

    if values["output"] and values["output_option"]:
        raise click.UsageError(
            f"two output notebooks, {values['output']} and {values['output_option']}\n"
            "give one, after the notebook or after -o"
        )
    return RunRequest(
        notebook=values["notebook"],
        output=values["output"] or values["output_option"],
        parameters=collect_parameters(
            base64=values["base64_texts"],
            files=values["files"],
            yaml=values["yaml_texts"],
            json=values["json_texts"],
            texts=values["pairs"],
            raw=values["raw_pairs"],
        ),
        options=take_flow_options(values),
        kernel=values["kernel"],
        cwd=values["cwd"],
        report_mode=bool(values["report_mode"]),
        log_output=bool(values["log_output"]),
        tags=tuple(values["tags"]),
        name=values["name"],
    )


def result_record(result: RunResult) -> dict[str, Any]:
    """What ``--json`` prints of a run that has ended."""
    return {
        **run_record(result.run),
        "output": result.output,
        "seconds": result.seconds,
        "files": list(result.files),
        "tasks": [task_record(task) for task in result.tasks],
    }


def follow(request: RunRequest, screen: Screen, *, summary: bool = True) -> RunResult:
    """Run the request with its events on the screen; the first Ctrl-C cancels, the next kills."""
    from orch_nb import app

    return follow_events(
        lambda listener, control: app.run(request, listener=listener, control=control),
        screen,
        summary=summary,
    )


def follow_events(
    drive: Callable[[Listener, Control], RunResult], screen: Screen, *, summary: bool
) -> RunResult:
    """Drive a run with its events on the screen; the first Ctrl-C cancels, the next kills."""
    from orch_nb import app

    control = app.Control()
    ended: list[RunEnded] = []

    def listen(event: Event) -> None:
        if isinstance(event, RunEnded):
            ended.append(event)
        screen.show(event)

    # What is imported by now is here to stay, and so is what is recorded of each task: looking
    # for garbage among it often took a tenth of a run of many small cells.
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    with screen, interrupts_cancel(control, screen):
        result = drive(listen, control)
    if summary:
        last = RunEnded(result.run, result.tasks, result.seconds, result.files)
        screen.close_run(ended[-1] if ended else last, result.output)
    return result


@contextmanager
def interrupts_cancel(control: Control, screen: Screen) -> Iterator[None]:
    """While inside, SIGINT, SIGTERM and SIGHUP cancel the run; a second one kills it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def cancel(number: int, frame: FrameType | None) -> None:
        screen.interrupts += 1
        control.cancel(kill=screen.interrupts > 1)

    before = {
        number: signal.signal(number, cancel)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def exit_code(state: StateType) -> int:
    """The exit code that scripts rely on."""
    codes = {StateType.COMPLETED: DONE, StateType.PAUSED: DONE, StateType.CANCELLED: CANCELLED}
    return codes.get(state, RUN_FAILED)
