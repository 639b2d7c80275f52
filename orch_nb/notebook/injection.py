"""Puts the parameters of a run into a copy of the notebook, where papermill puts them."""

from __future__ import annotations

import ast
import copy
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any

from orch_nb.errors import ParameterError
from orch_nb.model import CellKind, Parameter
from orch_nb.notebook.binding import BoundParameters
from orch_nb.notebook.document import Notebook
from orch_nb.notebook.literals import json_value, python_source
from orch_nb.notebook.parameters import parameters_cell, read_parameters
from orch_nb.notebook.reader import notebook_from_dict
from orch_nb.notebook.secret_text import secret_expression, secret_name

# class methods that stand between the type and the call, as in `date.today()`
_MAKERS = frozenset({"today", "now", "utcnow", "fromisoformat", "fromtimestamp", "strptime"})


def inject_parameters(notebook: Notebook, bound: BoundParameters) -> Notebook:
    """The notebook with a cell tagged `injected-parameters` that sets the given values.

    It replaces an earlier one, else it follows the parameters cell; without given values the
    notebook is returned as it is. Cells after it get new numbers. Other languages than Python
    are written by papermill's translators; ParameterError where it has none.
    """
    if not bound.given:
        return notebook
    document = copy.deepcopy(dict(notebook.raw))
    cells: list[dict[str, Any]] = document["cells"]
    new: dict[str, Any] = {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {"tags": [CellKind.INJECTED.value]},
        "outputs": [],
        "source": _source(notebook, bound),
    }
    earlier = notebook.first(CellKind.INJECTED)
    if earlier is not None:
        if "id" in cells[earlier.position]:
            new["id"] = cells[earlier.position]["id"]
        cells[earlier.position] = new
    else:
        cell = parameters_cell(notebook)
        cells.insert(cell.position + 1 if cell else 0, new)
    papermill = document["metadata"].setdefault("papermill", {})
    papermill["parameters"] = {name: json_value(value) for name, value in bound.given.items()}
    read = notebook_from_dict(document, path=notebook.path)
    return replace(read, notices=notebook.notices)


def python_cell(values: Mapping[str, Any], parameters: Mapping[str, Parameter]) -> str:
    """The source of the injected cell. For what JSON can say it is papermill's, to the letter."""
    lines = ["# Parameters"]
    for name, value in values.items():
        secret = secret_name(value)
        if secret is not None:
            lines.append(f"{name} = {secret_expression(secret)}")
            continue
        callee = _callee(parameters.get(name), value) if isinstance(value, date) else None
        lines.append(f"{name} = {python_source(value, callee=callee)}")
    return "\n".join(lines) + "\n"


def _source(notebook: Notebook, bound: BoundParameters) -> str:
    if notebook.is_python:
        parameters = {parameter.name: parameter for parameter in read_parameters(notebook)}
        return python_cell(bound.given, parameters)
    from papermill.exceptions import PapermillException
    from papermill.translators import translate_parameters

    values = {name: json_value(value) for name, value in bound.given.items()}
    try:
        source = translate_parameters(notebook.kernel, _spelled(notebook), values, "Parameters")
    except (PapermillException, NotImplementedError) as error:
        raise ParameterError(
            f"parameters can't be written in {notebook.language}: {error}",
            where=notebook.where(),
            hint="leave the parameters out, or install a papermill translator for it",
        ) from None
    return str(source)


def _spelled(notebook: Notebook) -> str:
    """The language with its capitals, which papermill's table of translators goes by."""
    metadata = notebook.raw["metadata"]
    named = metadata.get("language_info", {}).get("name")
    return str(named or metadata.get("kernelspec", {}).get("language") or notebook.language)


def _callee(parameter: Parameter | None, value: date) -> str | None:
    """How the default spells the type: ``dt.date`` of ``dt.date(2025, 1, 1)``.

    The notebook evaluates its default, so that name is there when the injected cell runs.
    """
    kind = "datetime" if isinstance(value, datetime) else "date"
    try:
        node: ast.expr = ast.parse((parameter and parameter.default) or "", mode="eval").body
    except SyntaxError:
        return None
    if not isinstance(node, ast.Call):
        return None
    callee = node.func
    if isinstance(callee, ast.Attribute) and callee.attr in _MAKERS:
        callee = callee.value
    if isinstance(callee, ast.Name):
        return callee.id if callee.id == kind else None
    if isinstance(callee, ast.Attribute) and isinstance(callee.value, ast.Name):
        return ast.unparse(callee) if callee.attr == kind else None
    return None
