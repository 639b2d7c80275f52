"""The notebook that a sweep ends with: its table, and a plot of the first metric."""

from __future__ import annotations

import json
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orch_nb.app.sweeping import SweepResult

_WIDTH, _HEIGHT, _MARGIN = 560, 320, 60
_COLOUR = "#0072b2"


def write_summary(path: Path, name: str, result: SweepResult) -> None:
    """Write the summary notebook, and the table beside it, which the notebook's code reads."""
    from orch_nb.notebook.output_file import write_file

    table = path.with_suffix(".csv")
    write_file(table, result.to_csv().encode())
    write_file(path, json.dumps(_document(name, result, table.name), indent=1).encode())


def _document(name: str, result: SweepResult, table: str) -> dict[str, Any]:
    parameters, metrics = result.columns
    done = sum(run.ok for run in result.runs)
    head = f"# Sweep of {name}\n\n{len(result.runs)} runs, {done} completed"
    cells = [_markdown(head, 0), _markdown(_table(result, parameters, metrics), 1)]
    numeric = [p for p in parameters if len(set(_numbers(result, p))) > 1]
    if numeric and metrics:
        across, up = numeric[0], metrics[0]
        source = (
            "import pandas as pd\n\n"
            f"runs = pd.read_csv({table!r})\n"
            f"runs.plot.scatter({across!r}, {up!r});"
        )
        cells.append(_code(source, plot(result, across, up), 2))
    return {
        "cells": cells,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}
        },
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _table(result: SweepResult, parameters: Sequence[str], metrics: Sequence[str]) -> str:
    columns = ["run", "state", *parameters, *metrics, "seconds"]
    lines = ["| " + " | ".join(map(_cell, columns)) + " |", "|" + "---|" * len(columns)]
    for run in result.runs:
        values = [f"[{run.name or run.number}](<{Path(run.output).name}>)", run.state.value]
        values += [_cell(run.parameters.get(name, "")) for name in parameters]
        values += [_cell(run.metrics.get(name, "")) for name in metrics]
        lines.append("| " + " | ".join([*values, f"{run.seconds:.1f}"]) + " |")
    return "\n".join(lines)


def _cell(value: Any) -> str:
    text = f"{value:.6g}" if isinstance(value, float) else str(value)
    return escape(text[:200]).replace("|", "\\|").replace("\n", " ")


def _numbers(result: SweepResult, name: str) -> list[float]:
    found = [run.parameters.get(name) for run in result.runs]
    return [float(v) for v in found if isinstance(v, int | float) and not isinstance(v, bool)]


def plot(result: SweepResult, across: str, up: str) -> str:
    """A scatter plot of a metric over a parameter, as SVG."""
    points = []
    for run in result.runs:
        x, y = run.parameters.get(across), run.metrics.get(up)
        if all(isinstance(v, int | float) and not isinstance(v, bool) for v in (x, y)):
            points.append((float(x or 0), float(y or 0)))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#fff"/>',
    ]
    if points:
        (left, right), (low, high) = (_span([p[i] for p in points]) for i in (0, 1))
        for x, y in points:
            at = _MARGIN + (x - left) / (right - left) * (_WIDTH - 2 * _MARGIN)
            top = _HEIGHT - _MARGIN - (y - low) / (high - low) * (_HEIGHT - 2 * _MARGIN)
            parts.append(
                f'<circle cx="{at:.1f}" cy="{top:.1f}" r="4" fill="{_COLOUR}" opacity="0.7"/>'
            )
        bottom = _HEIGHT - _MARGIN + 16
        parts += [
            _text(_MARGIN, bottom, f"{left:.4g}", "middle"),
            _text(_WIDTH - _MARGIN, bottom, f"{right:.4g}", "middle"),
            _text(_MARGIN - 8, _HEIGHT - _MARGIN, f"{low:.4g}", "end"),
            _text(_MARGIN - 8, _MARGIN, f"{high:.4g}", "end"),
        ]
    corner = f"M{_MARGIN} {_MARGIN}V{_HEIGHT - _MARGIN}H{_WIDTH - _MARGIN}"
    parts += [
        f'<path d="{corner}" fill="none" stroke="#555"/>',
        _text(_WIDTH / 2, _HEIGHT - 16, across, "middle"),
        _text(_MARGIN, 24, up, "middle"),
        "</svg>",
    ]
    return "".join(parts)


def _span(values: Sequence[float]) -> tuple[float, float]:
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 1, high + 1)


def _text(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{escape(words[:60])}</text>'


def _markdown(source: str, number: int) -> dict[str, Any]:
    return {
        "cell_type": "markdown",
        "id": f"summary-{number}",
        "metadata": {},
        "source": source,
    }


def _code(source: str, svg: str, number: int) -> dict[str, Any]:
    shown = {"image/svg+xml": svg, "text/plain": "<a plot>"}
    return {
        "cell_type": "code",
        "execution_count": None,
        "id": f"summary-{number}",
        "metadata": {},
        "outputs": [{"output_type": "display_data", "data": shown, "metadata": {}}],
        "source": source,
    }
