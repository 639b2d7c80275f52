"""`orch-nb limits`: the limits that all runs share, and who holds them."""

from __future__ import annotations

import dataclasses

import click
from rich.cells import cell_len

from orch_nb.cli.records import print_json
from orch_nb.cli.runs import Page, ascii_option, json_option
from orch_nb.cli.terminal import NAME_WIDTH
from orch_nb.cli.text import crop_text, escape_text, one_line, pad_text

WIDTH = 80


@click.command()
@click.argument("sizes", nargs=-1, metavar="[NAME=N …]")
@click.option("--forget", metavar="NAME", help="forget a limit's size")
@ascii_option
@json_option
def limits(sizes: tuple[str, ...], forget: str | None, ascii_only: bool, as_json: bool) -> None:
    """List limits with their holders; with NAME=N, set them first.

    A task takes a place with  %%task load --uses db  while it runs, in whichever run. A run's own
    --limit db=4 sets the size, too.
    """
    from orch_nb.app.limits import forget_limit, set_limits
    from orch_nb.app.limits import limits as list_limits

    if sizes:
        set_limits(_parse(sizes))
    if forget is not None:
        forget_limit(forget)
    found = list_limits()
    if as_json:
        print_json([dataclasses.asdict(limit) for limit in found])
        return
    page = Page(ascii_only)
    if not found:
        page.text("no limits yet; make one with  orch-nb limits db=4")
        return
    width = max(cell_len(one_line(limit.name, NAME_WIDTH)) for limit in found)
    for limit in found:
        size = "?" if limit.size is None else limit.size
        head = f"{pad_text(one_line(limit.name, width), width)}  {len(limit.holders)} of {size}"
        holders = escape_text(", ".join(limit.holders), 500)
        page.text(crop_text(f"{head}  {holders}".rstrip(), WIDTH))


def _parse(texts: tuple[str, ...]) -> dict[str, int]:
    """The sizes given. Raises OptionError where one is no whole number above 0."""
    from orch_nb.option_text import parse_value
    from orch_nb.options import FlowOptions, option_specs

    (spec,) = (spec for spec in option_specs(FlowOptions) if spec.field == "limit")
    for text in texts:
        if "=" not in text:
            raise click.UsageError(f"{text!r} has no size\norch-nb limits {text}=4")
    return dict(parse_value(spec, ",".join(texts), where="orch-nb limits"))
