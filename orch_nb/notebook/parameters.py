"""Reads the parameters of a notebook from its parameters cell."""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterator

from orch_nb.model import Cell, CellKind, Parameter
from orch_nb.notebook.document import Notebook
from orch_nb.notebook.syntax import check_cell, python_source

_COMMENT = re.compile(r"#\s*(?:type:\s*(?P<type>\S*)\s*)?(?P<help>.*)", re.DOTALL)
_DISPLAYS: dict[type[ast.expr], str] = {
    ast.List: "list",
    ast.ListComp: "list",
    ast.Dict: "dict",
    ast.DictComp: "dict",
    ast.Set: "set",
    ast.SetComp: "set",
    ast.Tuple: "tuple",
    ast.JoinedStr: "str",
}
_BLOCKS = ("body", "orelse", "finalbody")


def parameters_cell(notebook: Notebook) -> Cell | None:
    """The cell tagged `parameters`, the first one, as papermill has it.

    A notebook that has only the cell that an earlier run put in is asked for that.
    """
    return notebook.first(CellKind.PARAMETERS) or notebook.first(CellKind.INJECTED)


def read_parameters(notebook: Notebook) -> tuple[Parameter, ...]:
    """The names that the parameters cell sets, in its order; none where it is not Python.

    A type comes from an annotation, else a ``# type:`` comment, else the default's literal (then
    it is not ``declared``). Raises NotebookError when the cell has a syntax error.
    """
    cell = parameters_cell(notebook)
    if cell is None or not notebook.is_python:
        return ()
    check_cell(notebook, cell)
    try:
        source = cell.source
        tree = ast.parse(source)
    except SyntaxError:  # magics, which check_cell allows
        source = python_source(cell.source)
        tree = ast.parse(source)
    comments = _comments(source)
    found: dict[str, Parameter] = {}
    for name, annotation, value, line in _assignments(tree.body):
        parameter = _parameter(name, annotation, value, source, comments.get(line, ""))
        earlier = found.get(name)
        if earlier is not None and earlier.declared and not parameter.declared:
            parameter = Parameter(
                name, earlier.type, parameter.default, parameter.help or earlier.help, True
            )
        found[name] = parameter
    return tuple(found.values())


def _parameter(
    name: str, annotation: ast.expr | None, value: ast.expr | None, source: str, comment: str
) -> Parameter:
    default = (value is not None and ast.get_source_segment(source, value)) or ""
    match = _COMMENT.fullmatch(comment)
    written = (match["type"] or None) if match else None
    if annotation is not None:
        written = _annotation_text(annotation, source)
    return Parameter(
        name=name,
        type=written or _inferred(value),
        default=default,
        help=(match["help"] if match else "").strip(),
        declared=written is not None,
    )


def _annotation_text(annotation: ast.expr, source: str) -> str:
    if isinstance(annotation, ast.Constant) and isinstance(annotation.value, str):
        return annotation.value
    return ast.get_source_segment(source, annotation) or ast.unparse(annotation)


def _inferred(value: ast.expr | None) -> str | None:
    if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub | ast.UAdd):
        value = value.operand
    if isinstance(value, ast.Constant):
        known = isinstance(value.value, bool | int | float | str)
        return type(value.value).__name__ if known else None
    return None if value is None else _DISPLAYS.get(type(value))


def _assignments(
    body: list[ast.stmt],
) -> Iterator[tuple[str, ast.expr | None, ast.expr | None, int]]:
    """Name, annotation, value and last line of each name set, also in `if` and `try`."""
    for statement in body:
        line = statement.end_lineno or statement.lineno
        if isinstance(statement, ast.AnnAssign):
            if isinstance(statement.target, ast.Name):
                yield statement.target.id, statement.annotation, statement.value, line
        elif isinstance(statement, ast.Assign):
            for target in statement.targets:
                for name, value in _unpacked(target, statement.value):
                    yield name, None, value, line
        elif isinstance(statement, ast.If | ast.Try | ast.With):
            for block in _BLOCKS:
                yield from _assignments(getattr(statement, block, []))


def _unpacked(target: ast.expr, value: ast.expr) -> Iterator[tuple[str, ast.expr | None]]:
    if isinstance(target, ast.Name):
        yield target.id, value
    elif isinstance(target, ast.Tuple | ast.List):
        paired = (
            value.elts
            if isinstance(value, ast.Tuple | ast.List) and len(value.elts) == len(target.elts)
            else [None] * len(target.elts)
        )
        for part, item in zip(target.elts, paired, strict=True):
            if isinstance(part, ast.Name):
                yield part.id, item


def _comments(source: str) -> dict[int, str]:
    """The comment at the end of each line that has one."""
    comments = {}
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.COMMENT:
                comments[token.start[0]] = token.string
    except (tokenize.TokenError, SyntaxError):
        pass  # the parser took it, the tokenizer did not: no help texts then
    return comments
