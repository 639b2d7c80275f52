"""The record of one problem found in a notebook."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from orch_nb.model import Cell


class Severity(enum.StrEnum):
    """How bad it is: errors make `check` fail."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem: ``rule`` is its short name, ``hint`` the remedy, ``fixable`` whether
    ``check --fix`` mends it."""

    rule: str
    severity: Severity
    cell: Cell
    message: str
    hint: str
    fixable: bool = False
