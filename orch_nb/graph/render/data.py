"""A graph as the JSON that scripts rely on."""

from __future__ import annotations

import json
from typing import Any

from orch_nb.graph.model import FlowGraph


def record(graph: FlowGraph) -> dict[str, Any]:
    """``{"cells": [{number, id, name, kind}], "edges": [{from, to, names, reason}]}``."""
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
    }


def as_json(graph: FlowGraph) -> str:
    """The record as text, indented."""
    return json.dumps(record(graph), indent=2, ensure_ascii=False)
