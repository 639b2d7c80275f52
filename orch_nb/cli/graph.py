"""`orch-nb graph`: which cell waits for which, and why."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orch_nb.errors import GraphError, NotFoundError

if TYPE_CHECKING:
    from orch_nb.graph.model import FlowGraph
    from orch_nb.graph.notebooks import InnerGraph
    from orch_nb.notebook import Notebook

FORMATS = ("text", "json", "mermaid", "svg")


@click.command(no_args_is_help=True)
@click.argument("notebook")
@click.option("--format", "form", type=click.Choice(FORMATS), default="text", help="[text]")
@click.option("--json", "as_json", is_flag=True, help="the same as --format json")
@click.option("--cells", type=click.Choice(("auto", "tagged", "all")), help="which cells are tasks")
@click.option("--why", nargs=2, metavar="A B", help="why cell B waits for cell A")
@click.option("--explain", metavar="CELL", help="what one cell reads, sets and changes")
@click.option("--ascii", "ascii_only", is_flag=True, help="marks in ASCII")
def graph(
    notebook: str,
    form: str,
    as_json: bool,
    cells: str | None,
    why: tuple[str, str] | None,
    explain: str | None,
    ascii_only: bool,
) -> None:
    """Show the dataflow of NOTEBOOK, and of the notebooks that it runs. Cells are named by number
    or by task name."""
    from orch_nb.graph import render, words

    document, flow = load_graph(notebook, cells)
    inner = inner_graphs(notebook, flow)
    if why:
        one, other = (find_cell(document, text) for text in why)
        text = words.why(flow, one, other)
    elif explain:
        text = words.explain(flow.node(find_cell(document, explain)), flow)
    elif as_json or form == "json":
        text = render.as_json(flow, inner)
    elif form == "mermaid":
        text = render.as_mermaid(flow, inner)
    elif form == "svg":
        text = render.as_svg(flow, inner)
    else:
        columns = shutil.get_terminal_size().columns if sys.stdout.isatty() else 80
        text = render.as_text(flow, columns, ascii_only, document.filename, inner)
    if form in ("text",) and not as_json:
        text = "\n".join(_printable(line) for line in text.splitlines())
    click.echo(text)


def _printable(line: str) -> str:
    from orch_nb.cli.text import escape_text

    return escape_text(line)


def load_graph(path: str, cells: str | None = None) -> tuple[Notebook, FlowGraph]:
    """The notebook at a path and its graph. Raises InputError, naming the notebook."""
    from orch_nb.graph.build import build_graph
    from orch_nb.model import CellsMode
    from orch_nb.notebook import read_notebook

    document = read_notebook(path)
    try:
        return document, build_graph(
            document.cells, CellsMode(cells or document.flow.options.cells)
        )
    except GraphError as error:
        where = document.filename if error.where is None else f"{document.filename}, {error.where}"
        raise GraphError(error.message, where=where, hint=error.hint) from None


def inner_graphs(
    path: str, flow: FlowGraph, above: tuple[Path, ...] = ()
) -> tuple[InnerGraph, ...]:
    """The graphs of the notebooks that a notebook's cells run; ``above`` run it in turn. Paths
    are those in its folder, where its cells run."""
    from orch_nb.errors import OrchError
    from orch_nb.graph.notebooks import InnerGraph, without_graphs

    here = Path(path).resolve()
    above = (*above, here)
    found = []
    for called in without_graphs(flow):
        there = here.parent / called.path
        if there.resolve() in above:
            found.append(InnerGraph(called.cell, called.path, missing="it is above"))
            continue
        try:
            _, graph = load_graph(str(there))
        except OrchError as error:
            found.append(InnerGraph(called.cell, called.path, missing=error.message))
            continue
        inner = inner_graphs(str(there), graph, above)
        found.append(InnerGraph(called.cell, called.path, graph, inner))
    return tuple(found)


def find_cell(document: Notebook, text: str) -> int:
    """The number of the cell that a number or a task's name means."""
    for cell in document.cells:
        if text in (str(cell.number), cell.name):
            return cell.number
    names = ", ".join(cell.name for cell in document.cells if cell.named)
    raise NotFoundError(
        f"no cell {text!r}",
        where=document.filename,
        hint=f"cells are 1 to {len(document.cells)}" + (f", or {names}" if names else ""),
    )


command = graph
