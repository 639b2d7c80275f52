"""`orch-nb diff` and `orch-nb pull`: what two runs don't share, and what a task has made."""

from __future__ import annotations

from pathlib import Path

import click

from orch_nb.cli.records import print_json
from orch_nb.cli.runs import Page, ascii_option, json_option
from orch_nb.cli.text import escape_text, one_line, pad_text
from orch_nb.errors import InputError

_ASPECT, _NAME, _VALUE = 10, 24, 30


@click.command()
@click.argument("run", metavar="RUN")
@click.argument("other", metavar="RUN")
@ascii_option
@json_option
def diff(run: str, other: str, ascii_only: bool, as_json: bool) -> None:
    """Say which cells, parameters, values, packages and timings of two runs differ."""
    from orch_nb.app.comparing import compare_runs

    found = compare_runs(run, other)
    if as_json:
        print_json(
            [
                {"aspect": d.aspect.value, "name": d.name, "one": d.one, "other": d.other}
                for d in found.differences
            ]
        )
        return
    page = Page(ascii_only)
    if not found.differences:
        page.text(f"no difference between {found.one.name} and {found.other.name}")
        return
    rows = [("", "", found.one.name, found.other.name)]
    rows += [(d.aspect.value, d.name, d.one, d.other) for d in found.differences]
    for aspect, name, one, two in rows:
        columns = [
            pad_text(one_line(text, width), width)
            for text, width in ((aspect, _ASPECT), (name, _NAME), (one, _VALUE))
        ]
        page.text("  ".join([*columns, one_line(two, _VALUE)]).rstrip())


@click.command()
@click.argument("task", metavar="RUN.TASK")
@click.option("--to", "target", required=True, metavar="FILE", help="a pickle of {name: value}")
@ascii_option
def pull(task: str, target: str, ascii_only: bool) -> None:
    """Write what a task of a past run made into a file that `pickle.load` reads."""
    import cloudpickle

    from orch_nb.app.pulling import pull as bring

    found = bring(task, {})
    if Path(target).exists():
        raise InputError(f"{target} is there already", hint="name another file with --to")
    with Path(target).open("xb") as file:
        cloudpickle.dump(dict(found.loaded.values), file)
    page = Page(ascii_only)
    names = ", ".join(sorted(found.loaded.values))
    page.text(escape_text(f"{target}: {names}", 400))
    for name, why in sorted(found.loaded.missing.items()):
        page.text(escape_text(f"not to be had: {name}: {why}", 400))
