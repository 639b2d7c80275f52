"""The records that reading a notebook gives: the notebook, and the flow it declares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

from orch_nb.model import Cell, CellKind
from orch_nb.options import FlowOptions

PYTHON = frozenset({"python", "ipython", "python3"})


@dataclass(frozen=True, slots=True)
class Flow:
    """The flow's name and defaults; ``cell`` is the number of the cell that declares them.
    ``schedule`` and ``zone`` are what it is deployed with, as it was written there."""

    name: str
    options: FlowOptions = FlowOptions()
    cell: int | None = None
    schedule: str | None = None
    zone: str | None = None


@dataclass(frozen=True, slots=True)
class Notebook:
    """A notebook as read, complete and checked.

    ``raw`` is its nbformat 4.x document as plain dicts and lists, every source one string;
    nobody changes it. ``cells`` are all code cells, numbered from 1. ``kernel`` is the
    kernelspec's name, None when the notebook names none; ``language`` is in lower case.
    ``notices`` are sentences for the user that are no errors.
    """

    path: str
    name: str
    raw: Mapping[str, Any]
    cells: tuple[Cell, ...]
    flow: Flow
    kernel: str | None = None
    language: str = "python"
    notices: tuple[str, ...] = ()

    @property
    def is_python(self) -> bool:
        """Whether the cells are Python."""
        return self.language in PYTHON

    @property
    def filename(self) -> str:
        """The last part of the path, as messages name the notebook."""
        return PurePosixPath(self.path).name or self.path

    def where(self, cell: Cell | None = None, line: int | None = None) -> str:
        """How errors name a place: ``sales.ipynb, cell 3 'load', line 2``."""
        parts = [self.filename]
        if cell is not None:
            parts.append(cell.label)
        if line is not None:
            parts.append(f"line {line}")
        return ", ".join(parts)

    def first(self, kind: CellKind) -> Cell | None:
        """The first cell of a kind, if there is one."""
        return next((cell for cell in self.cells if cell.kind is kind), None)
