"""A graph as lines for the terminal: a rail that forks where cells may run together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orch_nb.graph.layout import reduced
from orch_nb.graph.model import EdgeKind, FlowGraph, Node
from orch_nb.graph.notebooks import InnerGraph, without_graphs
from orch_nb.graph.topology import width
from orch_nb.graph.words import title
from orch_nb.model import CellKind

_ASCII = str.maketrans({"●": "*", "│": "|", "├": "+", "╮": "\\", "╯": "/", "→": ">", "←": "<"})


def as_text(
    graph: FlowGraph,
    columns: int = 80,
    ascii: bool = False,
    name: str = "NB",
    inner: Sequence[InnerGraph] | None = None,
) -> str:
    """The cells in document order, what each makes and reads, and how many may run at once.

    ``name`` is the notebook's, for the hint in the closing line; ``inner`` are the graphs of the
    notebooks that its cells run, each drawn below its cell.
    """
    inner = without_graphs(graph) if inner is None else inner
    text = [*_lines(graph, columns, inner), _closing(graph, name)]
    result = "\n".join(text)
    return result.translate(_ASCII) if ascii else result


def _lines(graph: FlowGraph, columns: int, inner: Sequence[InnerGraph]) -> list[str]:
    shown = [node for node in graph.nodes if _shown(node)]
    lines = _rails(graph, shown)
    titles = max((len(title(node)) for node in shown), default=0)
    titles = min(max(titles, 10), 24)
    makes = {node.cell.number: _makes(node) for node in shown}
    wide = min(max((len(text) for text in makes.values()), default=0), 24)
    rail = max((len(line) for line, _ in lines), default=1)
    digits = max((len(str(node.cell.number)) for node in shown), default=1)
    text = []
    for line, node in lines:
        if node is None:
            text.append(line.rstrip())
            continue
        heading = _cut(title(node), titles)
        row = (
            f"{line:<{rail}} {node.cell.number:>{digits + 1}}  {heading:<{titles}}"
            f"  {_cut(makes[node.cell.number], wide):<{wide}}  {_reads(graph, node)}"
        )
        text.append(_cut(row.rstrip(), columns))
        indent = " " * (rail + digits + 4)
        for called in inner:
            if called.cell == node.cell.number:
                why = f" ({called.missing})" if called.missing else ""
                text.append(_cut(f"{indent}→ runs {called.path}{why}", columns))
                if called.graph is not None:
                    below = _lines(called.graph, columns - len(indent) - 2, called.inner)
                    text += [f"{indent}  {line}" for line in below]
    return text


def _shown(node: Node) -> bool:
    return node.task or (
        not node.imports_only
        and node.cell.kind not in (CellKind.SKIP,)
        and (bool(node.bound) or bool(node.changes) or bool(node.barrier))
    )


def _rails(graph: FlowGraph, shown: list[Node]) -> list[tuple[str, Node | None]]:
    """Each cell's marks, with a line between where the rail forks or joins.

    Cells that could start at once stand on rails side by side.
    """
    keep = {node.cell.number for node in shown}
    level = _levels(graph, keep)
    groups: list[list[Node]] = []
    for node in shown:
        group = groups[-1] if groups else None
        if group and level[node.cell.number] == level[group[0].cell.number]:
            group.append(node)
        else:
            groups.append([node])
    lines: list[tuple[str, Node | None]] = []
    for group in groups:
        rails = min(len(group), 8)
        if rails > 1:
            if lines:
                lines.append(("├" + "┬" * (rails - 2) + "╮", None))
            for index, node in enumerate(group):
                slot = index % 8
                lines.append(("│" * slot + "●" + "│" * (rails - slot - 1), node))
            lines.append(("├" + "┴" * (rails - 2) + "╯", None))
        else:
            lines.append(("●", group[0]))
    if lines and lines[-1][1] is None:
        lines.pop()
    return lines


def _levels(graph: FlowGraph, keep: set[int]) -> Mapping[int, int]:
    above = reduced(graph, keep)
    level: dict[int, int] = {}
    for node in graph.nodes:
        number = node.cell.number
        if number in keep:
            level[number] = max((level[s] + 1 for s in above[number]), default=0)
    return level


def _makes(node: Node) -> str:
    names = sorted(node.bound - node.changes) or sorted(node.changes)
    if not names:
        return ""
    return "→ " + ", ".join(names[:2]) + (f" +{len(names) - 2}" if len(names) > 2 else "")


def _reads(graph: FlowGraph, node: Node) -> str:
    parts = []
    for edge in graph.edges:
        if edge.target == node.cell.number and not graph.node(edge.source).imports_only:
            if edge.kind is EdgeKind.FILE:
                parts.append(f"file {edge.names[0]}({edge.source})")
            elif edge.names:
                more = f" +{len(edge.names) - 1}" if len(edge.names) > 1 else ""
                parts.append(f"{edge.names[0]}({edge.source}){more}")
            else:
                parts.append(f"cell {edge.source}")
    own = sorted(node.files_read - {"."})
    known = {name for edge in graph.edges if edge.target == node.cell.number for name in edge.names}
    files = [path for path in own if path not in known]
    if files:
        more = f" +{len(files) - 1}" if len(files) > 1 else ""
        parts.append(f"file {files[0]}{more}")
    return "← " + ", ".join(parts) if parts else ""


def _closing(graph: FlowGraph, name: str) -> str:
    tasks = sum(node.task for node in graph.nodes)
    count = f"{tasks} task{'' if tasks == 1 else 's'}"
    edge = next((e for e in reversed(graph.edges) if graph.node(e.source).task), None)
    if not tasks:
        return "No tasks."
    hint = ""
    if edge is not None:
        hint = f" Why an edge: orch-nb graph {name} --why {edge.source} {edge.target}"
    return f"{count}, at most {width(graph)} at once.{hint}"


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: max(most - 1, 1)] + "…"
