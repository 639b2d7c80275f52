"""Notebooks as they are edited: graphs, problems, tags."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import asdict
from typing import Any

from orch_nb.app.drawing import NO_PICTURE, draw
from orch_nb.app.editing import Edited, PlacedProblem
from orch_nb.app.naming import name_tasks
from orch_nb.app.tagging import CellText, tag_cell
from orch_nb.graph.model import FlowGraph, Node
from orch_nb.graph.render import data
from orch_nb.graph.words import explain
from orch_nb.model import CellKind, CellsMode, Json
from orch_nb.option_text import to_mapping
from orch_nb.server.call import Call


def graph(call: Call) -> Json:
    """The graph with all that views show of it; without cells where the problems say why."""
    found = _look(call)
    flow = None
    drawn = _drawn(found.graph)
    if found.notebook is not None:
        own = found.notebook.flow
        for words in drawn["words"]:
            if words["number"] == own.cell:
                given = own.name if own.name != found.notebook.name else None
                words["options"] = to_mapping(given, own.options)
        flow = {
            "name": own.name,
            "cell": own.cell,
            "options": to_mapping(None, own.options),
            "kernel": found.notebook.kernel,
            "notices": list(found.notebook.notices),
        }
    return {
        **drawn,
        "parameters": [asdict(one) for one in found.parameters],
        "flow": flow,
        "problems": [_problem(one) for one in found.problems],
    }


def check(call: Call) -> Json:
    """The problems alone."""
    return {"problems": [_problem(one) for one in _look(call).problems]}


def tag(call: Call) -> Json:
    """A cell with another kind or other options."""
    cell = CellText(call.body["source"], call.body.get("metadata") or {})
    made = tag_cell(cell, CellKind(call.body["kind"]), call.body.get("options") or {})
    return {"source": made.source, "metadata": dict(made.metadata)}


def _look(call: Call) -> Edited:
    mode = call.body.get("cells")
    return call.desk.edited.look(
        call.document or {}, path=call.path, cells=None if mode is None else CellsMode(mode)
    )


def _drawn(graph: FlowGraph | None) -> dict[str, Any]:
    if graph is None:
        return {"cells": [], "edges": [], "picture": NO_PICTURE, "words": []}
    names = name_tasks(graph)
    takes: defaultdict[int, dict[str, int]] = defaultdict(dict)
    gives: defaultdict[int, dict[str, list[int]]] = defaultdict(dict)
    for edge in graph.edges:
        for name in edge.names:
            takes[edge.target][name] = edge.source
            gives[edge.source].setdefault(name, []).append(edge.target)
    return {
        **data.record(graph),
        "picture": draw(graph, names, {}),
        "words": [
            {
                **_words(node, names[node.cell.number]),
                "takes": [
                    {"name": name, "cell": cell}
                    for name, cell in sorted(takes[node.cell.number].items())
                ],
                "gives": [
                    {"name": name, "cells": cells}
                    for name, cells in sorted(gives[node.cell.number].items())
                ],
            }
            for node in graph.nodes
        ],
    }


def _words(node: Node, name: str) -> dict[str, Any]:
    return {
        "number": node.cell.number,
        "id": node.cell.id,
        "position": node.cell.position,
        "name": name,
        "task": node.task,
        "options": to_mapping(node.cell.name if node.cell.named else None, node.cell.options),
        "reads": sorted(node.reads),
        "sets": sorted(node.bound),
        "changes": sorted(node.changes),
        "files_read": sorted(node.files_read),
        "files_written": sorted(node.files_written),
        "barrier": node.barrier,
        "text": explain(node),
    }


def _problem(one: PlacedProblem) -> Json:
    return asdict(one)
