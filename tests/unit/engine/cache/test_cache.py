"""The cache's decisions: what keys are made of, which version a cell reads, what is not kept."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from orch_nb.engine.cache.asks import Ask, asks_for
from orch_nb.engine.cache.compare import Verdict, compare, describe_change
from orch_nb.engine.cache.fields import Field, Group, code_field, key_of
from orch_nb.engine.cache.keys import Circumstances, key_fields, still_holds, why_never
from orch_nb.engine.cache.note import CacheNote, KeptFiles
from orch_nb.engine.cache.seen import is_declared, seen_fields, why_not_kept
from orch_nb.engine.cache.versions import Versions
from orch_nb.execution.job import Outcome
from orch_nb.execution.marks import Mark
from orch_nb.execution.outputs import ErrorInfo
from orch_nb.graph.build import build_graph
from orch_nb.graph.model import FlowGraph, Node
from orch_nb.model import Cell, CellKind
from orch_nb.options import TaskOptions

HERE = Circumstances("3.11", {"REGION": "EU", "HOME": "/home"})
PLAIN = TaskOptions()
BLOB = {"digest": "b" * 64}


def graph_of(*sources: str, options: TaskOptions = PLAIN) -> FlowGraph:
    return build_graph(
        [
            Cell(number, number, str(number), f"cell-{number}", CellKind.PLAIN, source, options)
            for number, source in enumerate(sources, 1)
        ]
    )


def node_of(source: str, **options: Any) -> Node:
    return graph_of(source, options=TaskOptions(**options)).nodes[0]


def outcome(cell: int, **names: str | Mark) -> Outcome:
    """An outcome that bound these names, each with a digest or a mark."""
    marks = {
        name: (Mark(value, "int") if isinstance(value, str) else value).to_json()
        for name, value in names.items()
    }
    return Outcome(cell, 1, bound=tuple(sorted(names)), observed=True, marks=marks)


def inputs(graph: FlowGraph, cell: int, outcomes: Mapping[int, Outcome]) -> dict[str, str]:
    versions = Versions(graph.nodes)
    for number, told in outcomes.items():
        versions.put(number, told)
    keyed = key_fields(graph.node(cell), versions, HERE)
    assert not keyed.why, keyed.why
    return {field.name: field.value for field in keyed.fields if field.group is Group.INPUT}


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("x = f(1,2)", "# why\nx = f( 1, 2 )  # so\n", True),
        ("x = 1", "x = 2", False),
        ("def f():\n    'a'", "def f():\n    'b'", False),
        ("%time x = 1", "%time  x=1", False),
        ("%time x = 1", "%time x = 1\n", True),
        ("!ls", "!ls -l", False),
        ("x = = 1", "x = = 1 ", True),
    ],
)
def test_code_counts_without_comments_and_formatting(one: str, other: str, same: bool) -> None:
    assert (code_field(node_of(one)) == code_field(node_of(other))) is same


def test_a_semicolon_that_hides_a_value_shows_in_the_key() -> None:
    keys = []
    for source in ("1 + 1", "1 + 1;"):
        graph = graph_of(source)
        keys.append(key_of(key_fields(graph.nodes[0], Versions(graph.nodes), HERE).fields))
    assert keys[0] != keys[1]


def test_a_read_binds_to_the_nearest_writer_that_did_write() -> None:
    graph = graph_of("x = 1", "if flag:\n    x = 2", "y = x")
    first, second = outcome(1, x="one"), outcome(2)
    assert inputs(graph, 3, {1: first, 2: second}) == {"x": "one"}
    assert inputs(graph, 3, {1: first, 2: outcome(2, x="two")}) == {"x": "two"}


def test_a_change_that_nobody_expected_is_a_version() -> None:
    graph = graph_of("x = [1]", "print('hello')", "y = x")
    touched = replace(outcome(2), changed=("x",), marks={"x": Mark("odd", "list").to_json()})
    assert inputs(graph, 3, {1: outcome(1, x="one"), 2: touched}) == {"x": "odd"}


def test_a_deleted_name_is_absent() -> None:
    graph = graph_of("x = 1", "del x", "y = x")
    gone = replace(outcome(2), deleted=("x",))
    assert inputs(graph, 3, {1: outcome(1, x="one"), 2: gone}) == {"x": "absent"}


def test_a_helper_s_helper_is_an_input_too() -> None:
    graph = graph_of("def g(): return 1", "def f(): return g()", "table = {'f': f}", "table['f']()")
    found = inputs(
        graph,
        4,
        {
            1: outcome(1, g="g1"),
            2: outcome(2, f=Mark("f1", "function", ("g",))),
            3: outcome(3, table=Mark("t1", "dict", ("g",))),
        },
    )
    assert found["g"] == "g1"
    assert found["table"] == "t1"


def test_names_that_show_one_object_are_told_apart_from_copies() -> None:
    graph = graph_of("x = [1]; y = x", "x.append(y)")
    alone = inputs(graph, 2, {1: outcome(1, x="a", y="a")})
    shared = Mark("a", "list", shared=("y",))
    assert inputs(graph, 2, {1: outcome(1, x=shared, y="a")}) != alone


def test_what_has_no_fingerprint_is_known_by_the_work_that_made_it() -> None:
    graph = graph_of("m = train()", "m.score()")
    told = replace(outcome(1, m=Mark("", "Model", why="Model: holds a lock")), blob=BLOB)
    versions = Versions(graph.nodes)
    versions.put(1, told)
    keyed = key_fields(graph.node(2), versions, HERE)
    assert keyed.why == "'m' from cell 1 has no fingerprint (Model: holds a lock)"
    assert not keyed.waits
    digests = []
    for made in ("work", "work", "other work"):
        versions.put(1, told, made)
        keyed = key_fields(graph.node(2), versions, HERE)
        digests.append(next(f.value for f in keyed.fields if f.name == "m"))
    assert digests[0] == digests[1] != digests[2]


def test_a_cell_waits_for_what_may_write_its_inputs() -> None:
    graph = graph_of("x = 1", "z = 0", "y = x")
    versions = Versions(graph.nodes)
    versions.put(2, outcome(2, z="0"))
    keyed = key_fields(graph.node(3), versions, HERE)
    assert (keyed.why, keyed.waits) == ("cell 1 has not ended", True)
    versions.put(1, outcome(1, x="1"))
    assert key_fields(graph.node(3), versions, HERE).fields
    versions.forget(1)
    assert key_fields(graph.node(3), versions, HERE).waits


def test_state_set_above_is_an_input_and_drawn_numbers_only_of_those_who_draw() -> None:
    graph = graph_of(
        "import numpy as np; np.random.seed(1); np.set_printoptions(precision=2)",
        "y = 1",
        "z = np.random.rand()",
    )
    versions = Versions(graph.nodes)
    told = replace(
        outcome(1, np="np"), ambient_marks={"numpy.random": "r", "numpy.printoptions": "p"}
    )
    versions.put(1, told)
    versions.put(2, outcome(2, y="y"))

    def states(cell: int) -> dict[str, str]:
        fields = key_fields(graph.node(cell), versions, HERE).fields
        return {f.name: f.value for f in fields if f.group is Group.AMBIENT}

    assert states(2) == {"numpy.printoptions": "p"}
    assert states(3) == {"numpy.printoptions": "p", "numpy.random": "r"}


def test_only_the_named_variables_of_the_environment_count_and_never_in_the_clear() -> None:
    graph = graph_of("import os", "r = os.environ['REGION'] + os.environ.get('NONE', '')")

    def fields(**environment: str) -> dict[str, str]:
        versions = Versions(graph.nodes)
        versions.put(1, outcome(1, os="os"))
        keyed = key_fields(graph.node(2), versions, Circumstances("3.11", environment))
        return {f.name: f.value for f in keyed.fields if f.group is Group.ENVIRONMENT}

    found = fields(REGION="EU", HOME="/a")
    assert set(found) == {"REGION", "NONE"}
    assert found == fields(REGION="EU", HOME="/b") != fields(REGION="US", HOME="/a")
    assert "EU" not in str(found)


def test_extras_and_python_are_in_the_key() -> None:
    graph = graph_of("x = 1")
    versions = Versions(graph.nodes)
    plain = key_of(key_fields(graph.nodes[0], versions, HERE).fields)
    extra = key_of(key_fields(graph.nodes[0], versions, HERE, ("v2", "")).fields)
    other = key_of(key_fields(graph.nodes[0], versions, replace(HERE, python="3.12")).fields)
    assert len({plain, extra, other}) == 3


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("x = 1", ""),
        ("exec(input())", "what it does can't be told"),
        ("import pandas as pd\nx = pd.read_csv('s3://bucket/a.csv')", "it reads s3://bucket/a.csv"),
        ("from orch_nb import run\nx = run.name", "it asks orch_nb about its run"),
    ],
)
def test_what_is_never_cached(source: str, why: str) -> None:
    found = why_never(node_of(source))
    assert found.startswith(why) if why else found == ""


def told(**fields: Any) -> Outcome:
    plain = Outcome(1, 1, observed=True, blob=BLOB, traced={"why": ""})
    return replace(plain, **fields)


@pytest.mark.parametrize(
    ("outcome", "writes", "why"),
    [
        (told(), (), ""),
        (told(effects=("starts a program", "writes a file")), ("out",), "it starts a program"),
        (
            told(effects=("writes a file",), files_written=("/w/a.csv",)),
            (),
            "it writes a.csv, not declared: --writes a.csv",
        ),
        (told(effects=("writes a file",), files_written=("/w/o/a.csv", "/w/o")), ("o/*.csv",), ""),
        (told(error=ErrorInfo("KeyError", "'a'", (), 1)), (), "it ended with an error"),
        (told(leftovers="a thread"), (), "it left a thread running"),
        (told(observed=False), (), "what it did was not looked at"),
        (
            told(blob=None, unshippable="'f' can't be pickled"),
            (),
            "its values are not kept: 'f' can't be pickled",
        ),
        (
            told(traced={"why": "a.csv was changed while it ran"}),
            (),
            "a.csv was changed while it ran",
        ),
    ],
)
def test_what_is_not_kept_says_why(outcome: Outcome, writes: tuple[str, ...], why: str) -> None:
    assert why_not_kept(outcome, node_of("x = 1"), writes, "/w") == why


def test_native_writes_that_the_source_names_need_to_be_declared() -> None:
    node = node_of("import polars as pl\npl.DataFrame().write_parquet('a.parquet')")
    assert "a.parquet" in why_not_kept(told(), node, (), "/w")
    assert why_not_kept(told(), node, ("a.parquet",), "/w") == ""


@pytest.mark.parametrize(
    ("path", "declared", "fits"),
    [
        ("out/a.png", "out", True),
        ("out/a.png", "out/", True),
        ("out/a.png", "out/*.png", True),
        ("out", "out/*.png", True),
        ("out/a.csv", "out/*.png", False),
        ("outer/a.png", "out", False),
        ("./a.csv", "a.csv", True),
    ],
)
def test_declared_paths(path: str, declared: str, fits: bool) -> None:
    assert is_declared(path, (declared,)) is fits


def test_what_was_seen_becomes_fields_relative_to_the_folder() -> None:
    traced = {
        "files": {"/w/a.csv": ["d1", 3, 5, True], "/else/b.csv": ["d2", 4, 6, True]},
        "modules": {"helpers": ["/w/helpers.py", ["d3", 7, 8, True]]},
        "packages": ["pandas"],
        "why": "",
    }
    node = node_of("x = 1")
    found = seen_fields(
        told(traced=traced),
        node,
        Versions([node]),
        folder="/w",
        version_of=lambda name: ("3.0", ()),
    )
    assert [(f.group, f.name, f.value, f.shown) for f in found] == [
        (Group.FILE, "/else/b.csv", "d2", "4 bytes"),
        (Group.FILE, "a.csv", "d1", "3 bytes"),
        (Group.MODULE, "helpers", "d3", "helpers.py"),
        (Group.PACKAGE, "pandas", "3.0", "3.0"),
    ]
    assert still_holds(found, lambda old: old) is None
    changed = replace(found[3], value="3.1", shown="3.1")
    assert still_holds(found, lambda old: changed if old == found[3] else old) == changed
    assert describe_change(found[3], changed) == "package pandas changed (3.0 → 3.1)"


def test_notes_survive_json_and_their_key_has_no_order() -> None:
    fields = (Field(Group.CODE, "code", "c"), Field(Group.INPUT, "x", "1", "int", ("h", 2)))
    note = CacheNote(fields, (Field(Group.FILE, "a", "d"),), "why", "missed", "run", 2.5)
    note = replace(note, files=KeptFiles({"digest": "d"}, "s", "k"))
    assert CacheNote.from_json(note.to_json()) == note
    assert CacheNote(fields[::-1]).key == note.key
    assert CacheNote(fields[:1]).key != note.key


def test_a_comparison_names_every_field_once() -> None:
    old = CacheNote(
        (Field(Group.CODE, "code", "c"), Field(Group.INPUT, "x", "1", "int")),
        (Field(Group.PACKAGE, "pandas", "2.2", "2.2"), Field(Group.FILE, "a.csv", "d")),
    )
    new = CacheNote(
        (Field(Group.CODE, "code", "c"), Field(Group.INPUT, "x", "2", "int")),
        (Field(Group.PACKAGE, "pandas", "2.3", "2.3"), Field(Group.MODULE, "m", "d", "m.py")),
    )
    assert [(c.label, c.verdict, c.detail) for c in compare(old, new)] == [
        ("the cell's code", Verdict.SAME, ""),
        ("input x", Verdict.CHANGED, "int"),
        ("file a.csv", Verdict.GONE, ""),
        ("module m", Verdict.NEW, "m.py"),
        ("package pandas", Verdict.CHANGED, "2.2 → 2.3"),
    ]


def test_cells_above_tell_the_versions_that_cells_below_read() -> None:
    graph = graph_of("x = 1", "y = x", "z = y", "w = z")
    asks = asks_for(graph.nodes, {3}, "/w")
    assert asks.of == {1: Ask(("y",)), 2: Ask(("y",)), 3: Ask((), ())}
    assert asks.kept == {3}


def test_what_cells_above_set_in_modules_counts_by_their_code_and_inputs() -> None:
    def key(scale: str, digest: str, read: str = "y = helpers.f(2)") -> str:
        graph = graph_of("import helpers\nn = 1", f"helpers.SCALE = {scale}", read)
        versions = Versions(graph.nodes)
        versions.put(1, outcome(1, helpers="h", n=digest))
        versions.put(2, outcome(2))
        assert "helpers" in why_never(graph.node(2))
        return key_of(key_fields(graph.node(3), versions, HERE).fields)

    assert key("n", "1") == key("n  # why", "1")
    assert len({key("n", "1"), key("n", "2"), key("n + 1", "1")}) == 3
