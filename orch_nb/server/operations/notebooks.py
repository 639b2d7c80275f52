"""Notebooks as they are edited: graphs, problems, tags."""

from __future__ import annotations

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
    if found.notebook is not None:
        own = found.notebook.flow
        flow = {
            "name": own.name,
            "cell": own.cell,
            "options": to_mapping(None, own.options),
            "kernel": found.notebook.kernel,
            "notices": list(found.notebook.notices),
        }
    return {
        **_drawn(found.graph),
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
    return {
        **data.record(graph),
        "picture": draw(graph, names, {}),
        "words": [_words(node, names[node.cell.number], graph) for node in graph.nodes],
    }


def _words(node: Node, name: str, graph: FlowGraph) -> Json:
    number = node.cell.number
    gives: dict[str, list[int]] = {}
    takes: dict[str, int] = {}
    for edge in graph.edges:
        if edge.source == number:
            for each in edge.names:
                gives.setdefault(each, []).append(edge.target)
        elif edge.target == number:
            takes.update((each, edge.source) for each in edge.names)
    return {
        "number": number,
        "id": node.cell.id,
        "position": node.cell.position,
        "name": name,
        "task": node.task,
        "options": to_mapping(None, node.cell.options),
        "reads": sorted(node.reads),
        "sets": sorted(node.bound),
        "changes": sorted(node.changes),
        "takes": [{"name": each, "cell": takes[each]} for each in sorted(takes)],
        "gives": [{"name": each, "cells": gives[each]} for each in sorted(gives)],
        "files_read": sorted(node.files_read),
        "files_written": sorted(node.files_written),
        "barrier": node.barrier,
        "text": explain(node),
    }


def _problem(one: PlacedProblem) -> Json:
    return asdict(one)
