"""What would make a notebook fail, differ from run to run, or wait without need."""

from __future__ import annotations

from orch_nb.graph.check.fix import fix_document
from orch_nb.graph.check.names import name_problems
from orch_nb.graph.check.problem import Problem, Severity
from orch_nb.graph.check.tasks import task_problems
from orch_nb.graph.model import FlowGraph

__all__ = ["Problem", "Severity", "find_problems", "fix_document"]


def find_problems(graph: FlowGraph) -> list[Problem]:
    """All problems of a notebook's graph: by cell, errors first within a cell."""
    found = [*name_problems(graph), *task_problems(graph)]
    rank = list(Severity)
    return sorted(found, key=lambda p: (p.cell.number, rank.index(p.severity), p.rule, p.message))
