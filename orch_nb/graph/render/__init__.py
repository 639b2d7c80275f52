"""A graph as text for the terminal, as mermaid, as SVG, and as JSON."""

from orch_nb.graph.render.data import as_json, record
from orch_nb.graph.render.mermaid import as_mermaid
from orch_nb.graph.render.svg import as_svg
from orch_nb.graph.render.text import as_text

__all__ = ["as_json", "as_mermaid", "as_svg", "as_text", "record"]
