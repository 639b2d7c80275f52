"""A flow's graph as a picture for the views: where each cell stands, and why it waits."""

from __future__ import annotations

from collections.abc import Mapping

from orch_nb.app.plain import plain_line
from orch_nb.app.view_schema import GraphEdge, GraphNode, GraphPicture
from orch_nb.graph.layout import lay_out
from orch_nb.graph.model import FlowGraph
from orch_nb.graph.words import listed

_MOST_REASONS = 4  # of one line; more would hide the picture

NO_PICTURE: GraphPicture = {
    "nodes": [],
    "edges": [],
    "missing": "the notebook as it was run is not to be had any more",
}


def draw(
    graph: FlowGraph, names: Mapping[int, str], rows: Mapping[tuple[int, str | None], int]
) -> GraphPicture:
    """The picture of a graph. ``names`` are by cell number, ``rows`` has the rows' places."""
    layout = lay_out(graph)
    nodes: list[GraphNode] = []
    for number in sorted(layout.places):
        place = layout.places[number]
        node = graph.node(number)
        nodes.append(
            {
                "cell": number,
                "row": rows.get((number, None), -1),
                "x": round(place.x, 2),
                "rank": place.rank,
                "name": plain_line(names.get(number, node.cell.name), 120),
                "makes": plain_line(listed(node.binds, 3), 80),
            }
        )
    reasons: dict[tuple[int, int], list[str]] = {}
    for edge in graph.edges:
        reasons.setdefault((edge.source, edge.target), []).append(edge.reason)
    edges: list[GraphEdge] = []
    for source, target in layout.lines:
        why = reasons.get((source, target)) or [f"comes after cell {source}"]
        shown = [plain_line(reason, 200) for reason in why[:_MOST_REASONS]]
        if len(why) > _MOST_REASONS:
            shown.append(f"and {len(why) - _MOST_REASONS} more")
        edges.append({"source": source, "target": target, "why": shown})
    return {"nodes": nodes, "edges": edges}


def with_rows(picture: GraphPicture, rows: Mapping[tuple[int, str | None], int]) -> GraphPicture:
    """The picture, with the places that rows have now."""
    nodes: list[GraphNode] = [
        {**node, "row": rows.get((node["cell"], None), -1)} for node in picture["nodes"]
    ]
    return {**picture, "nodes": nodes}
