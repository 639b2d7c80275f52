"""The graph as people see it: text, mermaid, SVG, JSON, words; and its shape."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch_nb.graph import render, words
from orch_nb.graph.build import build_graph
from orch_nb.graph.layout import lay_out
from orch_nb.graph.model import FlowGraph
from orch_nb.graph.notebooks import InnerGraph
from orch_nb.graph.topology import ancestors, critical_path, descendants, path, width
from orch_nb.model import CellKind
from tests.unit.analysis.hazards import cells_of, graph_of

SALES = (
    "import pandas as pd",
    "years = [2022, 2023]",
    "sales = pd.read_csv('data/2022.csv')[years]",
    "regions = sales.groupby('region').sum()",
    "months = sales.groupby('month').sum()",
    "fig = regions.join(months).plot()",
)
TEXT = """\
●   2  parameters  → years
●   3  load        → sales    ← years(2), file data/2022.csv
├╮
●│  4  by_region   → regions  ← sales(3)
│●  5  by_month    → months   ← sales(3)
├╯
●   6  report      → fig      ← regions(4), months(5)
4 tasks, at most 2 at once. Why an edge: orch-nb graph sales.ipynb --why 5 6"""


@pytest.fixture
def sales() -> FlowGraph:
    cells = cells_of(*SALES)
    cells[1] = replace(cells[1], kind=CellKind.PARAMETERS)
    for index, name in ((2, "load"), (3, "by_region"), (4, "by_month"), (5, "report")):
        cells[index] = replace(cells[index], kind=CellKind.TASK, name=name, named=True)
    return build_graph(cells)


def test_the_rail_forks_where_cells_run_together(sales: FlowGraph) -> None:
    assert render.as_text(sales, name="sales.ipynb") == TEXT


def test_the_rail_in_ascii_has_no_other_letters(sales: FlowGraph) -> None:
    assert render.as_text(sales, ascii=True).isascii()


def test_json_is_the_contract(sales: FlowGraph) -> None:
    record = json.loads(render.as_json(sales))
    assert record["cells"][2] == {"number": 3, "id": "id-3", "name": "load", "kind": "task"}
    assert record["edges"][0] == {
        "from": 1,
        "to": 3,
        "names": ["pd"],
        "reason": "reads 'pd', set in cell 1",
    }


def test_mermaid_has_a_line_for_each_edge_that_matters(sales: FlowGraph) -> None:
    text = render.as_mermaid(sales)
    assert 'c3["3 · load"]' in text
    assert 'c3 -- "sales" --> c4' in text


def test_svg_is_one_well_formed_element(sales: FlowGraph) -> None:
    root = ET.fromstring(render.as_svg(sales))
    assert root.tag.endswith("svg")
    titles = [element.text for element in root.iter() if element.tag.endswith("title")]
    assert "reads 'sales', set in cell 3" in titles


def test_names_are_data_in_every_face() -> None:
    hostile = '<script>"]&`#;\n--> x\x1b[31m'
    cells = [replace(cell, name=hostile, named=True) for cell in cells_of("x = f()", "g(x)")]
    graph = build_graph(cells)
    svg = render.as_svg(graph)
    ET.fromstring(svg)
    assert "<script>" not in svg
    mermaid = render.as_mermaid(graph)
    assert "<script>" not in mermaid
    assert len(mermaid.splitlines()) == 4


def test_why_names_each_step(sales: FlowGraph) -> None:
    text = words.why(sales, 3, 6)
    assert text.startswith("cell 6 'report' waits for cell 3 'load':")
    assert "reads 'sales', set in cell 3" in text


def test_why_not(sales: FlowGraph) -> None:
    assert "does not wait" in words.why(sales, 4, 5)


def test_explain_tells_what_a_cell_does() -> None:
    graph = graph_of("x = []", "x.append(1)")
    assert words.explain(graph.node(2)) == (
        "cell 2, a task\n  reads    x\n  changes  x: by .append()"
    )


def test_the_shape_of_a_graph(sales: FlowGraph) -> None:
    assert ancestors(sales, 6) == {1, 2, 3, 4, 5}
    assert descendants(sales, 3) == {4, 5, 6}
    assert path(sales, 2, 6) in ((2, 3, 4, 6), (2, 3, 5, 6))
    assert width(sales) == 2
    assert critical_path(sales, {3: 8.0, 4: 1.0, 5: 6.0, 6: 2.0}) == (3, 5, 6)


@st.composite
def graphs(draw: st.DrawFn) -> FlowGraph:
    """Random graphs: each cell reads some of the names above it."""
    count = draw(st.integers(1, 12))
    sources = []
    for number in range(count):
        read = draw(st.sets(st.integers(0, number - 1), max_size=3)) if number else set()
        sources.append(f"x{number} = f({', '.join(f'1 + x{n}' for n in sorted(read))})")
    return graph_of(*sources)


@settings(max_examples=60, deadline=None)
@given(graphs())
def test_a_layout_keeps_the_graph(graph: FlowGraph) -> None:
    layout = lay_out(graph)
    assert set(layout.places) == {node.cell.number for node in graph.nodes}
    spots = [(place.rank, place.slot) for place in layout.places.values()]
    assert len(set(spots)) == len(spots)
    for source, target in layout.lines:
        assert layout.places[source].rank < layout.places[target].rank
    above: dict[int, set[int]] = {number: set() for number in layout.places}
    for source, target in sorted(layout.lines, key=lambda line: line[1]):
        above[target] |= {source} | above[source]
    assert above == {number: set(ancestors(graph, number)) for number in layout.places}
    assert lay_out(graph) == layout


def test_a_notebook_that_is_run_is_drawn_within_its_caller() -> None:
    outer = graph_of("import orch_nb", "x = 1", "r = orch_nb.run_notebook('in.ipynb', n=x)")
    inner = graph_of("n = 1", "m = n * 2")
    drawn = [InnerGraph(3, "in.ipynb", inner), InnerGraph(3, "gone.ipynb", missing="no file")]
    lines = render.as_text(outer, inner=drawn).splitlines()
    called = next(i for i, line in enumerate(lines) if "→ runs in.ipynb" in line)
    assert [line.split()[:3] for line in lines[called + 1 : called + 3]] == [
        ["●", "1", "cell-1"],
        ["●", "2", "cell-2"],
    ]
    assert "→ runs gone.ipynb (no file)" in lines[called + 3]
    mermaid = render.as_mermaid(outer, drawn).splitlines()
    begin = mermaid.index('  subgraph n1 ["in.ipynb"]')
    assert '  n1c1 -- "n" --> n1c2' in mermaid[begin : mermaid.index("  end")]
    assert mermaid[-3:-2] == ["  c3 -- runs --> n1"]
    record = json.loads(render.as_json(outer, drawn))["notebooks"]
    assert record[0]["edges"][0]["names"] == ["n"]
    assert record[1] == {"cell": 3, "path": "gone.ipynb"}
    root = ET.fromstring(render.as_svg(outer, drawn))
    boxes = list(root.iter("{http://www.w3.org/2000/svg}rect"))
    frames = [box for box in boxes if box.get("class") == "frame"]
    assert (len(boxes), len(frames)) == (len(lay_out(outer).places) + 2 + 1, 1)
