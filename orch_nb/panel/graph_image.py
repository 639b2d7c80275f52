"""The graph as an image inside the HTML: an SVG in a data address, where no script can run."""

from __future__ import annotations

import base64
from html import escape

from orch_nb.app.view_schema import GraphEdge, GraphNode
from orch_nb.app.viewing import RunView
from orch_nb.panel.marks import COLOURS, look_of

MOST_NODES = 300
_WIDTH, _HEIGHT = 168, 44  # one box, in pixels
_GAP_X, _GAP_Y, _EDGE = 24, 36, 16
_LETTERS = 18  # that fit on a box


def graph_image(view: RunView) -> str:
    """An ``<img>``; empty where there is no graph, or one too large for a still picture."""
    nodes = view.graph["nodes"]
    if not 0 < len(nodes) <= MOST_NODES:
        return ""
    svg = _svg(view)
    data = base64.b64encode(svg.encode()).decode()
    names = ", ".join(node["name"] for node in nodes[:20])
    words = f"dataflow of {len(nodes)} cells: {names}"
    return f'<img alt="{escape(words)}" src="data:image/svg+xml;base64,{data}"/>'


def _svg(view: RunView) -> str:
    nodes = {node["cell"]: node for node in view.graph["nodes"]}
    width = 2 * _EDGE + max(_left(node) + _WIDTH for node in nodes.values()) - _EDGE
    height = 2 * _EDGE + max(_top(node) + _HEIGHT for node in nodes.values()) - _EDGE
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}" font-family="sans-serif" font-size="13">',
        f'<rect width="{width:g}" height="{height:g}" rx="6" fill="#fff"/>',
        *(_line(edge, nodes) for edge in view.graph["edges"]),
        *(_box(node, view) for node in nodes.values()),
        "</svg>",
    ]
    return "".join(parts)


def _left(node: GraphNode) -> float:
    return _EDGE + node["x"] * (_WIDTH + _GAP_X)


def _top(node: GraphNode) -> float:
    return _EDGE + node["rank"] * (_HEIGHT + _GAP_Y)


def _line(edge: GraphEdge, nodes: dict[int, GraphNode]) -> str:
    source, target = nodes.get(edge["source"]), nodes.get(edge["target"])
    if source is None or target is None:
        return ""
    x1, y1 = _left(source) + _WIDTH / 2, _top(source) + _HEIGHT
    x2, y2 = _left(target) + _WIDTH / 2, _top(target) - 6
    bend = max(12.0, (y2 - y1) / 2)
    return (
        f'<path fill="none" stroke="#6f747c" d="M{x1:g} {y1:g}C{x1:g} {y1 + bend:g} {x2:g} '
        f'{y2 - bend:g} {x2:g} {y2:g}"/><path fill="#6f747c" d="M{x2 - 4:g} {y2 - 1:g}h8l-4 7z"/>'
    )


def _box(node: GraphNode, view: RunView) -> str:
    x, y = _left(node), _top(node)
    row = view.rows[node["row"]] if 0 <= node["row"] < len(view.rows) else None
    look = None if row is None else look_of(row["state"])
    colour = COLOURS["wait" if look is None else look.role]
    dash = ' stroke-dasharray="4 3"' if look is None else ""
    name = node["name"] if look is None else f"{look.sign} {node['name']}"
    below = f"cell {node['cell']}" + ("" if look is None else f" · {look.word}")
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="6" fill="#fff" '
        f'stroke="{colour}" stroke-width="1.5"{dash}/>'
        f'<text x="{x + 10:g}" y="{y + 18:g}" fill="#1b1d21">{escape(_short(name))}</text>'
        f'<text x="{x + 10:g}" y="{y + 35:g}" fill="#5c6168" font-size="11">{escape(below)}</text>'
    )


def _short(text: str) -> str:
    return text if len(text) <= _LETTERS + 1 else text[:_LETTERS] + "…"
