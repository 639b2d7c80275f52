"""A graph as mermaid, which many editors and forges draw."""

from __future__ import annotations

from orch_nb.graph.layout import lay_out
from orch_nb.graph.model import FlowGraph
from orch_nb.graph.notebooks import called_notebooks
from orch_nb.graph.words import title

# Mermaid reads quotes, angle brackets and hashes in labels; entities are its own way out.
_ESCAPES = {ord(char): f"#{ord(char)};" for char in '"<>#&`|\\{}[]()'}
_ESCAPES |= {ord(char): " " for char in "\r\n\t"}


def as_mermaid(graph: FlowGraph) -> str:
    """A flowchart from top to bottom; tasks are boxes, cells run in place are rounded."""
    layout = lay_out(graph)
    lines = ["flowchart TD"]
    for number in sorted(layout.places):
        node = graph.node(number)
        label = _escaped(f"{number} · {title(node)}")
        shape = f'["{label}"]' if node.task else f'("{label}")'
        lines.append(f"  c{number}{shape}")
    names = {(edge.source, edge.target): edge.names for edge in graph.edges}
    for source, target in layout.lines:
        text = ", ".join(names.get((source, target), ())[:3])
        arrow = f' -- "{_escaped(text)}" --> ' if text else " --> "
        lines.append(f"  c{source}{arrow}c{target}")
    for number, called in enumerate(called_notebooks([node.cell for node in graph.nodes]), 1):
        lines.append(f'  n{number}[["{_escaped(called.path)}"]]')
        lines.append(f"  c{called.cell} -- runs --> n{number}")
    return "\n".join(lines)


def _escaped(text: str) -> str:
    return text.translate(_ESCAPES)
