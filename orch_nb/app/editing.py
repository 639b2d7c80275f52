"""A notebook as it is being edited: its graph, and its problems with places and fixes. Pure."""

from __future__ import annotations

import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orch_nb.errors import OrchError
from orch_nb.graph.build import GraphBuilder
from orch_nb.graph.check import Problem, find_problems, fix_document
from orch_nb.graph.model import FlowGraph
from orch_nb.model import CellsMode, Parameter
from orch_nb.notebook.document import Notebook
from orch_nb.notebook.parameters import read_parameters
from orch_nb.notebook.reader import notebook_from_dict
from orch_nb.notebook.syntax import check_syntax

_KEPT = 8  # notebooks whose analysis is kept from one keystroke to the next
_IN_CELL = re.compile(r"\bcell (\d+)\b")
_IN_LINE = re.compile(r"\bline (\d+)\b")
_QUOTED = re.compile(r"'([^']+)'|(--[\w-]+)")
_SUGGESTED = re.compile(r"did you mean '?(--[\w-]+|[\w.-]+)")


@dataclass(frozen=True, slots=True)
class Range:
    """A place in a cell's text: lines from 0, columns in UTF-16 units from 0, the end outside."""

    line: int
    column: int
    end_line: int
    end_column: int


@dataclass(frozen=True, slots=True)
class Fix:
    """What mends a problem: ``text`` for its range, or other ``metadata`` for its cell."""

    title: str
    text: str | None = None
    metadata: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class PlacedProblem:
    """A problem of a cell, or of the notebook when ``cell`` (its number) is None."""

    rule: str
    severity: str
    message: str
    hint: str
    where: str
    cell: int | None = None
    cell_id: str | None = None
    range: Range | None = None
    fixes: tuple[Fix, ...] = ()


@dataclass(frozen=True, slots=True)
class Edited:
    """What is known of a notebook as it is now; without a graph the problems say why."""

    notebook: Notebook | None
    graph: FlowGraph | None
    problems: tuple[PlacedProblem, ...]
    parameters: tuple[Parameter, ...] = ()


@dataclass(slots=True)
class _Kept:
    builder: GraphBuilder
    lock: threading.Lock = field(default_factory=threading.Lock)


class EditedNotebooks:
    """Looks at notebooks again and again; what an edit did not reach is not analysed anew."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[str, CellsMode], _Kept] = OrderedDict()
        self._lock = threading.Lock()

    def look(
        self, document: Mapping[str, Any], *, path: str, cells: CellsMode | None = None
    ) -> Edited:
        """The graph and the problems of a notebook's document; ``path`` names it."""
        try:
            notebook = notebook_from_dict(document, path=path)
        except OrchError as error:
            return Edited(None, None, (_unusable(error, document, path),))
        problems = []
        parameters: tuple[Parameter, ...] = ()
        try:
            check_syntax(notebook)
            parameters = read_parameters(notebook)
        except OrchError as error:
            problems.append(_placed(error, notebook.raw, notebook.filename, "syntax-error"))
        kept = self._builder(path, cells or CellsMode(notebook.flow.options.cells))
        try:
            with kept.lock:
                graph = kept.builder.build(notebook.cells)
        except OrchError as error:
            problems.append(_unusable(error, notebook.raw, notebook.filename))
            return Edited(notebook, None, tuple(problems), parameters)
        problems += [_of_graph(one, notebook) for one in find_problems(graph)]
        return Edited(notebook, graph, tuple(problems), parameters)

    def _builder(self, path: str, mode: CellsMode) -> _Kept:
        with self._lock:
            kept = self._kept.pop((path, mode), None) or _Kept(GraphBuilder(mode))
            self._kept[path, mode] = kept
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return kept


def _of_graph(problem: Problem, notebook: Notebook) -> PlacedProblem:
    cell = problem.cell
    source = str(notebook.raw["cells"][cell.position]["source"])
    place = _place(source, problem.message)
    return PlacedProblem(
        problem.rule,
        str(problem.severity),
        problem.message,
        problem.hint,
        notebook.where(cell),
        cell.number,
        cell.id,
        place,
        _suggestion(source, place, problem.message, problem.hint),
    )


def _unusable(error: OrchError, document: Mapping[str, Any], path: str) -> PlacedProblem:
    """The problem that keeps a notebook from having a graph, with what would mend it."""
    placed = _placed(error, document, path, "unusable")
    if placed.cell is None or placed.fixes:
        return placed
    try:
        mended, done = fix_document(document)
    except (TypeError, AttributeError, ValueError):  # no notebook's document at all
        return placed
    words = [text for text in done if text.startswith(f"cell {placed.cell}: ")]
    cell = _code_cell(mended, placed.cell)
    if not words or cell is None:
        return placed
    title = words[0].partition(": ")[2]
    fix = Fix(title[:1].upper() + title[1:], metadata=cell.get("metadata") or {})
    return PlacedProblem(
        placed.rule,
        placed.severity,
        placed.message,
        placed.hint,
        placed.where,
        placed.cell,
        placed.cell_id,
        placed.range,
        (fix,),
    )


def _placed(
    error: OrchError, document: Mapping[str, Any], filename: str, rule: str
) -> PlacedProblem:
    """An error as a problem, at the cell and line that it names."""
    where = error.where or filename
    found = _IN_CELL.search(where)
    number = int(found[1]) if found else None
    cell = None if number is None else _code_cell(document, number)
    if cell is None:
        return PlacedProblem(rule, "error", error.message, error.hint or "", where)
    source = _text(cell.get("source", ""))
    line = _IN_LINE.search(where)
    place = _place(source, error.message, int(line[1]) - 1 if line else None)
    named = cell.get("id")
    return PlacedProblem(
        rule,
        "error",
        error.message,
        error.hint or "",
        where,
        number,
        named if isinstance(named, str) else None,
        place,
        _suggestion(source, place, error.message, error.hint or ""),
    )


def _code_cell(document: Mapping[str, Any], number: int) -> dict[str, Any] | None:
    cells = document.get("cells")
    code = [
        cell
        for cell in (cells if isinstance(cells, list) else ())
        if isinstance(cell, dict) and cell.get("cell_type") == "code"
    ]
    return code[number - 1] if 0 < number <= len(code) else None


def _text(source: Any) -> str:
    return "".join(map(str, source)) if isinstance(source, list) else str(source)


def _place(source: str, message: str, line: int | None = None) -> Range:
    """Where the first word that a message quotes stands; else a line of the cell."""
    lines = source.split("\n")
    if line is None:
        for found in _QUOTED.finditer(message):
            word = found[1] or found[2]
            for row, text in enumerate(lines):
                match = re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", text)
                if match:
                    start, end = _units(text[: match.start()]), _units(text[: match.end()])
                    return Range(row, start, row, end)
        line = next((row for row, text in enumerate(lines) if text.strip()), 0)
    line = min(max(line, 0), len(lines) - 1)
    text = lines[line]
    indent = len(text) - len(text.lstrip())
    return Range(line, _units(text[:indent]), line, _units(text.rstrip()))


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _suggestion(source: str, place: Range, message: str, hint: str) -> tuple[Fix, ...]:
    """A fix where the hint says what was meant, and the place holds what the message quotes."""
    meant = _SUGGESTED.search(hint)
    quoted = _QUOTED.search(message)
    if meant is None or quoted is None:
        return ()
    line = source.split("\n")[place.line].encode("utf-16-le", "surrogatepass")
    there = line[2 * place.column : 2 * place.end_column].decode("utf-16-le", "surrogatepass")
    if there != (quoted[1] or quoted[2]):
        return ()
    return (Fix(f"Change to {meant[1]}", text=meant[1]),)
