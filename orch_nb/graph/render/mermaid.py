"""A graph as mermaid, which many editors and forges draw."""

from __future__ import annotations

from collections.abc import Sequence

from orch_nb.graph.layout import lay_out
from orch_nb.graph.model import FlowGraph
from orch_nb.graph.notebooks import InnerGraph, without_graphs
from orch_nb.graph.words import title

# Mermaid reads quotes, angle brackets and hashes in labels; entities are its own way out.
_ESCAPES = {ord(char): f"#{ord(char)};" for char in '"<>#&`|\\{}[]()'}
_ESCAPES |= {ord(char): " " for char in "\r\n\t"}


def as_mermaid(graph: FlowGraph, inner: Sequence[InnerGraph] | None = None) -> str:
    """A flowchart from top to bottom; tasks are boxes, cells run in place are rounded, notebooks
    that cells run are frames around their own cells, where ``inner`` has their graphs."""
    inner = without_graphs(graph) if inner is None else inner
    return "\n".join(["flowchart TD", *_lines(graph, inner, "")])


def _lines(graph: FlowGraph, inner: Sequence[InnerGraph], within: str) -> list[str]:
    """The lines of one notebook; ``within`` begins the names of all that is in it."""
    layout = lay_out(graph)
    lines = []
    for number in sorted(layout.places):
        node = graph.node(number)
        label = _escaped(f"{number} · {title(node)}")
        shape = f'["{label}"]' if node.task else f'("{label}")'
        lines.append(f"  {within}c{number}{shape}")
    names = {(edge.source, edge.target): edge.names for edge in graph.edges}
    for source, target in layout.lines:
        text = ", ".join(names.get((source, target), ())[:3])
        arrow = f' -- "{_escaped(text)}" --> ' if text else " --> "
        lines.append(f"  {within}c{source}{arrow}{within}c{target}")
    for position, called in enumerate(inner, 1):
        name = f"{within}n{position}"
        if called.graph is None:
            lines.append(f'  {name}[["{_escaped(called.path)}"]]')
        else:
            lines.append(f'  subgraph {name} ["{_escaped(called.path)}"]')
            lines += _lines(called.graph, called.inner, name)
            lines.append("  end")
        lines.append(f"  {within}c{called.cell} -- runs --> {name}")
    return lines


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
