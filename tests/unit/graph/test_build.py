"""Building the graph: tasks by mode, `--needs`, learned edges, cells that take no part."""

from __future__ import annotations

from dataclasses import replace

import pytest

from orch_nb.errors import GraphError
from orch_nb.graph.build import build_graph
from orch_nb.graph.model import Edge, EdgeKind
from orch_nb.model import Cell, CellKind, CellsMode
from orch_nb.options import TaskOptions
from tests.unit.analysis.hazards import cells_of, graph_of

SOURCES = ("import os", "x = f()", "y = g()", "print(x, y)")


def tasks(*said: tuple[str, str, tuple[str, ...]]) -> list[Cell]:
    """Tagged cells from (name, source, needs)."""
    cells = cells_of(*(source for _, source, _ in said), kind=CellKind.TASK)
    return [
        replace(cell, name=name, named=True, options=TaskOptions(needs=needs))
        for cell, (name, _, needs) in zip(cells, said, strict=True)
    ]


def test_without_tags_every_plain_cell_but_imports_is_a_task() -> None:
    graph = graph_of(*SOURCES)
    assert [node.task for node in graph.nodes] == [False, True, True, True]
    assert [node.imports_only for node in graph.nodes] == [True, False, False, False]


def test_with_a_tag_only_tagged_cells_are_tasks_and_plain_ones_keep_their_order() -> None:
    cells = cells_of(*SOURCES)
    cells[1] = replace(cells[1], kind=CellKind.TASK)
    graph = build_graph(cells)
    assert [node.task for node in graph.nodes] == [False, True, False, False]
    order = [(e.source, e.target) for e in graph.edges if e.kind is EdgeKind.ORDER]
    assert order == [(3, 4)]


def test_tagged_and_all_say_it_outright() -> None:
    cells = cells_of(*SOURCES)
    assert not any(node.task for node in build_graph(cells, CellsMode.TAGGED).nodes)
    cells[1] = replace(cells[1], kind=CellKind.TASK)
    every = build_graph(cells, CellsMode.ALL)
    assert [node.task for node in every.nodes] == [False, True, True, True]


@pytest.mark.parametrize(
    "source",
    [
        "import os",
        "from os import path",
        "%load_ext orch_nb",
        "%matplotlib inline",
        "'''text'''\nimport os",
        "try:\n    import a\nexcept ImportError:\n    a = None",
        "# a remark",
        "",
    ],
)
def test_cells_of_imports_are_never_tasks(source: str) -> None:
    (node,) = graph_of(source).nodes
    assert node.imports_only
    assert not node.task


def test_skipped_and_bodiless_flow_cells_take_no_part() -> None:
    cells = cells_of("x = 1", "x = 2", "", "print(x)")
    cells[1] = replace(cells[1], kind=CellKind.SKIP)
    cells[2] = replace(cells[2], kind=CellKind.FLOW)
    graph = build_graph(cells)
    assert [(e.source, e.target) for e in graph.edges] == [(1, 4)]
    assert [len(node.writes) for node in graph.nodes] == [1, 0, 0, 0]
    assert graph.predecessors == {1: frozenset(), 2: frozenset(), 3: frozenset(), 4: {1}}


def test_needs_makes_an_edge() -> None:
    graph = build_graph(tasks(("a", "x = 1", ()), ("b", "y = 1", ("a",))))
    assert graph.edges == (Edge(1, 2, (), "needs 'a' (--needs)", EdgeKind.NEEDS),)
    assert graph.predecessors[2] == {1}


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ([("a", "1", ()), ("a", "2", ())], "two tasks are named 'a': cells 1 and 2"),
        ([("a", "1", ("z",))], "--needs z: there is no task of that name"),
        ([("a", "1", ("a",))], "--needs makes a cycle: cell 1 'a' needs itself"),
        ([("a", "1", ("b",)), ("b", "2", ("a",))], "--needs makes a cycle: cell 1 'a' needs 'b'"),
    ],
)
def test_needs_that_can_not_be_kept(
    said: list[tuple[str, str, tuple[str, ...]]], message: str
) -> None:
    with pytest.raises(GraphError) as caught:
        build_graph(tasks(*said))
    assert message in caught.value.message
    assert caught.value.where is not None
    assert caught.value.where.startswith("cell ")
    assert caught.value.hint


def test_learned_edges_are_added_and_none_is_dropped() -> None:
    learned = [
        Edge(1, 2, ("z",), "was seen to read 'z'", EdgeKind.VALUE),
        Edge(2, 9, (), "a cell that is gone", EdgeKind.VALUE),
    ]
    graph = build_graph(cells_of("x = 1", "y = 2", "print(x)"), learned=learned)
    assert [(e.source, e.target, e.kind) for e in graph.edges] == [
        (1, 2, EdgeKind.LEARNED),
        (1, 3, EdgeKind.VALUE),
    ]


def test_edges_are_sorted_and_predecessors_filled() -> None:
    graph = graph_of("x = 1", "y = 2", "print(y, x)", "print(x)")
    assert [(e.target, e.source) for e in graph.edges] == [(3, 1), (3, 2), (4, 1)]
    assert graph.predecessors == {1: frozenset(), 2: frozenset(), 3: {1, 2}, 4: {1}}


def test_a_cell_that_may_fail_binds_nothing_for_sure() -> None:
    cells = cells_of("x = 1", "x = 2\nraise E", "print(x)")
    cells[1] = replace(cells[1], source="x = f()", tags=("raises-exception",))
    graph = build_graph(cells)
    assert [(e.source, e.target) for e in graph.edges] == [(1, 3), (2, 3)]
    assert graph.node(2).binds == frozenset()


def test_timed_cells_run_alone_but_wait_only_for_what_they_read() -> None:
    graph = graph_of("x = 1", "y = 2", "%timeit x", "print(y)")
    assert graph.node(3).alone
    assert [(e.source, e.target) for e in graph.edges] == [(1, 3), (2, 4)]


@pytest.mark.parametrize(
    ("source", "light"),
    [
        ("x = 1", True),
        ("x = 1 + 2 * 3", True),
        ("print('a')", True),
        ("def f(): return sum(range(10**9))", True),
        ("x = [1, 2]\nx.append(3)", True),
        ("df.head()", True),
        ("f()", False),
        ("for i in y: pass", False),
        ("while y: pass", False),
        ("a @ b", False),
        ("[i for i in y]", False),
        ("df.groupby('a').sum()", False),
        ("sum(x)", False),
        ("!ls", False),
    ],
)
def test_light_cells_hold_nothing_that_may_take_long(source: str, light: bool) -> None:
    assert graph_of("y = f()", source).node(2).light is light


@pytest.mark.parametrize(
    "source",
    ["x = = 1", "x = (", "\0", "'''", "%%", "!", "?", "\\", "def f(:", "​x = 1", "x = 1\n  y = 2"],
)
def test_no_source_is_an_error(source: str) -> None:
    graph = graph_of("x = 1", source, "print(x)")
    assert len(graph.nodes) == 3
