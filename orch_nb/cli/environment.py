"""`orch-nb where` and `doctor`: where things are kept, and what works here."""

from __future__ import annotations

import dataclasses
import sys

import click

from orch_nb.cli.failure import DONE, RUN_FAILED
from orch_nb.cli.records import print_json
from orch_nb.cli.runs import Page, ascii_option, json_option
from orch_nb.cli.text import escape_text
from orch_nb.states import StateName


@click.command()
@json_option
def where(as_json: bool) -> None:
    """Print where orch_nb keeps runs, results and logs."""
    from orch_nb import app

    places = dict(app.where())
    if as_json:
        print_json(places)
        return
    width = max(map(len, places), default=0)
    for name, place in places.items():
        click.echo(f"{name:<{width}}  {escape_text(place, 4096)}")


@click.command()
@ascii_option
@json_option
def doctor(ascii_only: bool, as_json: bool) -> None:
    """Check versions, store, kernels and tools; say what is off, and why.

    The exit code is 1 when something is broken; what is only off does not count.
    """
    from orch_nb import app

    checks = list(app.doctor())
    if as_json:
        print_json([dataclasses.asdict(check) for check in checks])
    else:
        page = Page(ascii_only)
        width = max((len(check.name) for check in checks), default=0)
        for check in checks:
            off = StateName.SKIPPED if check.optional else StateName.FAILED
            state = StateName.COMPLETED if check.ok else off
            page.state(state, f"{check.name:<{width}}  {escape_text(check.detail, 1000)}")
            if check.hint and not check.ok:
                page.text(f"    hint: {escape_text(check.hint, 1000)}")
    sys.stdout.flush()
    all_well = all(check.ok or check.optional for check in checks)
    raise click.exceptions.Exit(DONE if all_well else RUN_FAILED)
