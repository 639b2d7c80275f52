"""A graph as the JSON that scripts rely on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from orch_nb.graph.model import FlowGraph
from orch_nb.graph.notebooks import InnerGraph, without_graphs


def record(graph: FlowGraph, inner: Sequence[InnerGraph] | None = None) -> dict[str, Any]:
    """``{"cells": [{number, id, name, kind}], "edges": [{from, to, names, reason}],
    "notebooks": [{cell, path}]}``; the latter are those that cells run, each with its own cells,
    edges and notebooks where ``inner`` has its graph."""
    inner = without_graphs(graph) if inner is None else inner
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
            | ({} if called.graph is None else record(called.graph, called.inner))
            for called in inner
        ],
    }


def as_json(graph: FlowGraph, inner: Sequence[InnerGraph] | None = None) -> str:
    """The record as text, indented."""
    return json.dumps(record(graph, inner), indent=2, ensure_ascii=False)
