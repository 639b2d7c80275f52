"""`orch-nb check`: what would make notebooks fail, differ between runs, or wait without need."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orch_nb.cli.failure import RUN_FAILED, format_failure
from orch_nb.errors import InputError

if TYPE_CHECKING:
    from orch_nb.graph.check import Problem


@click.command(no_args_is_help=True)
@click.argument("notebooks", nargs=-1, required=True, metavar="NOTEBOOK...")
@click.option("--fix", is_flag=True, help="mend what is safe to mend, in the file")
@click.option("--json", "as_json", is_flag=True, help="print the problems as JSON")
@click.option("--cells", type=click.Choice(("auto", "tagged", "all")), help="which cells are tasks")
def check(notebooks: tuple[str, ...], fix: bool, as_json: bool, cells: str | None) -> None:
    """Find problems in each NOTEBOOK; exit code 1 where there are errors."""
    records: list[dict[str, Any]] = []
    for path in notebooks:
        if fix:
            for words in _mend(path):
                click.echo(f"fixed: {words}", err=as_json)
        records += _records(path, cells)
    if as_json:
        click.echo(json.dumps(records, indent=2, ensure_ascii=False))
    else:
        _print(records, len(notebooks))
    if any(record["severity"] == "error" for record in records):
        raise click.exceptions.Exit(RUN_FAILED)


def _records(path: str, cells: str | None) -> list[dict[str, Any]]:
    from orch_nb.cli.graph import load_graph
    from orch_nb.graph.check import find_problems

    try:
        document, graph = load_graph(path, cells)
    except InputError as error:
        if not Path(path).exists():
            raise
        return [_failure(path, error)]
    return [_record(document.filename, problem) for problem in find_problems(graph)]


def _record(filename: str, problem: Problem) -> dict[str, Any]:
    return {
        "notebook": filename,
        "cell": problem.cell.number,
        "name": problem.cell.name,
        "rule": problem.rule,
        "severity": str(problem.severity),
        "message": problem.message,
        "hint": problem.hint,
        "where": f"{filename}, {problem.cell.label}",
    }


def _failure(path: str, error: InputError) -> dict[str, Any]:
    return {
        "notebook": Path(path).name,
        "cell": None,
        "name": None,
        "rule": "unusable",
        "severity": "error",
        "message": error.message,
        "hint": error.hint,
        "where": error.where or Path(path).name,
    }


def _print(records: list[dict[str, Any]], notebooks: int) -> None:
    from orch_nb.cli.text import escape_text

    for record in records:
        text = format_failure(
            escape_text(record["message"]),
            escape_text(record["where"]),
            escape_text(record["hint"]) if record["hint"] else None,
        )
        click.echo(text.replace("error:", f"{record['severity']}:", 1))
    if not records:
        click.echo("No problems." if notebooks == 1 else f"No problems in {notebooks} notebooks.")


def _mend(path: str) -> list[str]:
    """Mend one file in place; a sentence for each thing done."""
    from orch_nb.graph.check import fix_document
    from orch_nb.notebook.output_file import write_file

    file = Path(path)
    try:
        text = file.read_text(encoding="utf-8")
        raw = json.loads(text)
    except (OSError, ValueError):
        return []  # reading it again says what is wrong
    if not isinstance(raw, dict):
        return []
    document, done = fix_document(raw)
    if done:
        ending = "\n" if text.endswith("\n") else ""
        content = json.dumps(document, indent=1, ensure_ascii=False) + ending
        write_file(file, content.encode("utf-8"))
    return [f"{file.name}, {words}" for words in done]


command = check
