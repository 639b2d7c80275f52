"""`orch-nb logs`: what a run, or one of its tasks, logged."""

from __future__ import annotations

import logging

import click

from orch_nb.cli.records import log_record, print_json
from orch_nb.cli.text import escape_text
from orch_nb.model import LogRecord

LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("task", metavar="[TASK]", required=False)
@click.option(
    "--level",
    type=click.Choice(LEVELS, case_sensitive=False),
    default="DEBUG",
    help="the least level to print",
)
@click.option("--follow", is_flag=True, help="go on until the run has ended")
@click.option("--json", "as_json", is_flag=True, help="print JSON; with --follow, one a line")
def logs(run: str, task: str | None, level: str, follow: bool, as_json: bool) -> None:
    """Print what RUN (its name, or its id) logged; with TASK, only that task's records."""
    from orch_nb import app

    least = logging.getLevelNamesMapping()[level.upper()]
    records = app.logs(run, task=task, level=least, follow=follow)
    if as_json and not follow:
        print_json([log_record(record) for record in records])
        return
    for record in records:
        if as_json:
            print_json(log_record(record), indent=None)
        else:
            click.echo(format_record(record))


def format_record(record: LogRecord) -> str:
    """``10:02:31 WARNING load: 3 rows dropped``; further lines of a message are indented."""
    level = logging.getLevelName(record.level)
    task = f"{escape_text(record.task, 80)}: " if record.task else ""
    lines = [escape_text(line, 10_000) for line in record.message.splitlines()] or [""]
    clock = record.time.astimezone().strftime("%H:%M:%S")
    return f"{clock} {level:<7} {task}" + "\n         ".join(lines)
