"""A graph as an SVG of its own: no script, no outside style, light and dark."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from orch_nb.graph.layout import Layout, Place, lay_out
from orch_nb.graph.model import FlowGraph, Node
from orch_nb.graph.notebooks import InnerGraph
from orch_nb.graph.words import listed, title

_WIDTH, _HEIGHT = 168, 44  # one node, in pixels
_GAP_X, _GAP_Y, _EDGE = 24, 40, 16
_LETTERS = 20  # that fit on a node
_TITLE = 20  # pixels for the name of a frame
_STYLE = """
.onb-graph{font:13px system-ui,sans-serif}
.onb-graph rect{fill:#fff;stroke:#6f747c}
.onb-graph .task rect{stroke:#1f6fd6;stroke-width:1.5}
.onb-graph .barrier rect{stroke-dasharray:4 3}
.onb-graph text{fill:#1b1d21}
.onb-graph .dim{fill:#5c6168;font-size:11px}
.onb-graph path{fill:none;stroke:#6f747c}
.onb-graph .head{fill:#6f747c;stroke:none}
.onb-graph .frame{fill:none;stroke-dasharray:2 3}
.onb-graph .runs{stroke-dasharray:2 3}
@media (prefers-color-scheme:dark){
.onb-graph rect{fill:#212121;stroke:#9a9fa6}
.onb-graph .task rect{stroke:#4393ff}
.onb-graph text{fill:#eceff1}
.onb-graph .dim{fill:#b0b5bb}
.onb-graph path{stroke:#9a9fa6}
.onb-graph .head{fill:#9a9fa6}
}
"""


def as_svg(graph: FlowGraph, inner: Sequence[InnerGraph] = ()) -> str:
    """One ``<svg>`` element, to be saved as a file or pasted into a page. ``inner`` are the graphs
    of the notebooks that its cells run, each in a frame below."""
    parts, width, height = _drawing(graph, inner)
    cells = _count(graph, inner)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="onb-graph" role="img" '
        f'aria-label="dataflow of {cells} cells" width="{width:g}" height="{height:g}" '
        f'viewBox="0 0 {width:g} {height:g}">'
    )
    marker = (
        '<defs><marker id="onb-head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
        'markerHeight="7" orient="auto"><path class="head" d="M0 0L8 4L0 8z"/></marker></defs>'
    )
    return "\n".join([head, f"<style>{_STYLE}</style>", marker, *parts, "</svg>"])


def _drawing(graph: FlowGraph, inner: Sequence[InnerGraph]) -> tuple[list[str], float, float]:
    """The parts of one notebook, and what room they take."""
    layout = lay_out(graph)
    width: float = 2 * _EDGE + max(layout.widest, 1) * (_WIDTH + _GAP_X) - _GAP_X
    height: float = 2 * _EDGE + max(layout.ranks, 1) * (_HEIGHT + _GAP_Y) - _GAP_Y
    reasons: dict[tuple[int, int], list[str]] = {}
    for edge in graph.edges:
        reasons.setdefault((edge.source, edge.target), []).append(edge.reason)
    parts = [
        _line(layout, source, target, reasons.get((source, target), []))
        for source, target in layout.lines
    ]
    parts += [_box(graph.node(place.number), place) for place in layout.places.values()]
    for called in inner:
        if called.graph is None:
            continue
        own, own_width, own_height = _drawing(called.graph, called.inner)
        framed = own_height + _TITLE
        if called.cell in layout.places:
            parts.append(_arrow(layout.places[called.cell], height, called))
        parts += [
            f'<g transform="translate({_EDGE} {height:g})">',
            f'<rect class="frame" width="{own_width:g}" height="{framed:g}" rx="8"/>',
            f'<text x="10" y="16">{_clean(_short(called.path))}</text>',
            f'<g transform="translate(0 {_TITLE})">',
            *own,
            "</g></g>",
        ]
        width = max(width, own_width + 2 * _EDGE)
        height += framed + _EDGE
    return parts, width, height


def _arrow(place: Place, top: float, called: InnerGraph) -> str:
    """From a cell, by its left side, to the frame of the notebook that it runs."""
    x, y = _corner(place)
    words = _clean(f"cell {called.cell} runs {called.path}")
    return (
        f'<path class="runs" marker-end="url(#onb-head)" d="M{x:g} {y + _HEIGHT / 2:g}'
        f'H{_EDGE / 2:g}V{top + 12:g}H{_EDGE}"><title>{words}</title></path>'
    )


def _count(graph: FlowGraph, inner: Sequence[InnerGraph]) -> int:
    """The cells that are drawn."""
    below = sum(_count(one.graph, one.inner) for one in inner if one.graph is not None)
    return len(lay_out(graph).places) + below


def _corner(place: Place) -> tuple[float, float]:
    return _EDGE + place.x * (_WIDTH + _GAP_X), _EDGE + place.rank * (_HEIGHT + _GAP_Y)


def _line(layout: Layout, source: int, target: int, reasons: list[str]) -> str:
    left, top = _corner(layout.places[source])
    right, bottom = _corner(layout.places[target])
    x1, y1 = left + _WIDTH / 2, top + _HEIGHT
    x2, y2 = right + _WIDTH / 2, bottom
    bend = (y2 - y1) / 2
    words = _clean("; ".join(reasons) or f"cell {target} comes after cell {source}")
    return (
        f'<path marker-end="url(#onb-head)" d="M{x1:g} {y1:g}C{x1:g} {y1 + bend:g} '
        f'{x2:g} {y2 - bend:g} {x2:g} {y2:g}"><title>{words}</title></path>'
    )


def _box(node: Node, place: Place) -> str:
    x, y = _corner(place)
    kinds = " ".join(
        word for word, holds in (("task", node.task), ("barrier", bool(node.barrier))) if holds
    )
    name = _short(f"{node.cell.number}  {title(node)}")
    made = _short("→ " + listed(node.binds, 3)) if node.binds else ""
    hint = _clean(f"{node.cell.label}: " + (node.barrier or f"sets {listed(node.binds) or '–'}"))
    return (
        f'<g class="{kinds}"><title>{hint}</title>'
        f'<rect x="{x:g}" y="{y:g}" width="{_WIDTH}" height="{_HEIGHT}" rx="6"/>'
        f'<text x="{x + 10:g}" y="{y + 18:g}">{_clean(name)}</text>'
        f'<text class="dim" x="{x + 10:g}" y="{y + 35:g}">{_clean(made)}</text></g>'
    )


def _clean(text: str) -> str:
    """Text for XML, without what XML can't hold."""
    return escape("".join(char if char.isprintable() else " " for char in text))


def _short(text: str) -> str:
    """Text that fits on a node."""
    return text if len(text) <= _LETTERS + 2 else text[: _LETTERS + 1] + "…"
