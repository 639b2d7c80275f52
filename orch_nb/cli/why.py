"""`orch-nb why`: what a run waits for."""

from __future__ import annotations

import textwrap

import click

from orch_nb.cli.records import print_json, run_record
from orch_nb.cli.runs import Page, ascii_option, json_option
from orch_nb.cli.text import escape_text

_WIDTH = 79


@click.command()
@click.argument("run", metavar="RUN")
@ascii_option
@json_option
def why(run: str, ascii_only: bool, as_json: bool) -> None:
    """Say what RUN (its name, or its id) waits for, or why it is as it is."""
    from orch_nb.app.why import why as find_reason

    found = find_reason(run)
    if as_json:
        print_json(
            {
                **run_record(found.run),
                "headline": found.headline,
                "reasons": list(found.reasons),
                "outlook": found.outlook,
            }
        )
        return
    page = Page(ascii_only)
    lines = _wrap(found.headline, "")
    for reason in found.reasons:
        lines += _wrap(reason, "  ")
    for line in [*lines, *_wrap(found.outlook, "")]:
        page.text(line)


def _wrap(text: str, indent: str) -> list[str]:
    return textwrap.wrap(
        escape_text(text), _WIDTH, initial_indent=indent, subsequent_indent=indent + "  "
    )
