"""A graph as the JSON that scripts rely on."""

from __future__ import annotations

import json
from typing import Any

from orch_nb.graph.model import FlowGraph
from orch_nb.graph.notebooks import called_notebooks


def record(graph: FlowGraph) -> dict[str, Any]:
    """``{"cells": [{number, id, name, kind}], "edges": [{from, to, names, reason}],
    "notebooks": [{cell, path}]}``; the latter are those that cells run."""
    return {
        "cells": [
            {
                "number": node.cell.number,
                "id": node.cell.id,
                "name": node.cell.name,
                "kind": str(node.cell.kind),
            }
            for node in graph.nodes
        ],
        "edges": [
            {
                "from": edge.source,
                "to": edge.target,
                "names": list(edge.names),
                "reason": edge.reason,
            }
            for edge in graph.edges
        ],
        "notebooks": [
            {"cell": called.cell, "path": called.path}
            for called in called_notebooks([node.cell for node in graph.nodes])
        ],
    }


def as_json(graph: FlowGraph) -> str:
    """The record as text, indented."""
    return json.dumps(record(graph), indent=2, ensure_ascii=False)
