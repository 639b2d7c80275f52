"""What is up to date in a kernel: small notebooks, small histories, and a random model of both."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from orch_nb.app.live_state import KernelState, Standing, judge
from orch_nb.execution.by_hand import HandRun, HandRunRecorder, fingerprints
from orch_nb.graph.build import build_graph
from orch_nb.graph.model import FlowGraph
from orch_nb.model import CellsMode
from orch_nb.notebook.reader import notebook_from_dict

START = datetime(2026, 1, 1, tzinfo=UTC)


def graph_of(*sources: str) -> FlowGraph:
    cells = [
        {
            "cell_type": "code",
            "source": source,
            "metadata": {},
            "outputs": [],
            "execution_count": None,
        }
        for source in sources
    ]
    document = {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4}
    notebook = notebook_from_dict(document, path="a.ipynb")
    return build_graph(notebook.cells, CellsMode.TAGGED)


class Kernel:
    """A namespace, and what was run in it by hand."""

    def __init__(self) -> None:
        self.space: dict[str, Any] = {"__name__": "__main__"}
        self.runs: list[HandRun] = []

    def run(self, source: str) -> None:
        task = source.startswith("%%task")
        recorder = HandRunRecorder(
            self.space, source, number=len(self.runs) + 1, cell_id=None, task=task
        )
        body = source.partition("\n")[2] if task else source
        try:
            exec(body, self.space)
        except Exception as error:
            record = recorder.record(error=error)
        else:
            record = recorder.record(error=None)
        moment = START + timedelta(seconds=len(self.runs))
        self.runs.append(replace(record, started=moment))

    def judge(self, graph: FlowGraph, **more: Any) -> dict[int, Standing]:
        names = set[str]().union(*(n.reads | n.writes | n.changes for n in graph.nodes))
        state = KernelState(fingerprints(self.space, names), self.runs, **more)
        return judge(graph, graph.nodes, state)

    def to_run(self, graph: FlowGraph, **more: Any) -> list[int]:
        return [n for n, standing in self.judge(graph, **more).items() if standing.why]


CHAIN = ("n = 2", "%%task a\nx = n + 1", "%%task b\ny = x * 2", "z = y + 1")


def run_all(*sources: str) -> Kernel:
    kernel = Kernel()
    for source in sources:
        kernel.run(source)
    return kernel


def test_what_was_run_in_order_is_done() -> None:
    kernel = run_all(*CHAIN)
    standings = kernel.judge(graph_of(*CHAIN))
    assert [standing.why for standing in standings.values()] == ["", "", "", ""]
    assert standings[2].current.startswith("ran by hand, ")


def test_what_was_not_run_is_run_with_its_dependents() -> None:
    kernel = run_all(*CHAIN[:2])
    whys = {n: s.why for n, s in kernel.judge(graph_of(*CHAIN)).items()}
    assert whys == {1: "", 2: "", 3: "not run yet", 4: "needs b"}


def test_an_edit_counts() -> None:
    kernel = run_all(*CHAIN)
    edited = (CHAIN[0], "%%task a\nx = n + 10", *CHAIN[2:])
    whys = {n: s.why for n, s in kernel.judge(graph_of(*edited)).items()}
    assert whys == {1: "", 2: "edited", 3: "needs a", 4: "needs b"}
    options = (CHAIN[0], "%%task a --retries 3\nx = n + 1", *CHAIN[2:])
    assert kernel.to_run(graph_of(*options)) == []


def test_a_changed_input_counts_and_an_equal_one_does_not() -> None:
    kernel = run_all(*CHAIN)
    kernel.run("n = 2")
    assert kernel.to_run(graph_of(*CHAIN)) == []
    kernel.run("n = 3")
    assert kernel.judge(graph_of(*CHAIN))[2].why == "n changed"
    assert kernel.to_run(graph_of(*CHAIN)) == [2, 3, 4]


def test_a_lost_value_is_made_again() -> None:
    kernel = run_all(*CHAIN)
    kernel.run("x = None")
    assert kernel.to_run(graph_of(*CHAIN)) == [2, 3, 4]
    kernel = run_all(*CHAIN)
    kernel.run("del y")
    assert kernel.to_run(graph_of(*CHAIN)) == [3, 4]


def test_a_change_in_place_is_not_repeated() -> None:
    cells = ("box = []", "%%task a\nbox.append(1)", "%%task b\nn = len(box)")
    kernel = run_all(*cells)
    assert kernel.to_run(graph_of(*cells)) == []
    edited = (cells[0], "%%task a\nbox.append(2)", cells[2])
    assert kernel.to_run(graph_of(*edited)) == [1, 2, 3]


def test_a_rebinding_is_run_again_where_the_first_one_is() -> None:
    cells = ("%%task a\nx = 1", "%%task b\ny = x", "%%task c\nx = 5")
    kernel = run_all(*cells)
    assert kernel.to_run(graph_of(*cells)) == []
    edited = (cells[0], "%%task b\ny = x + 1", cells[2])
    assert kernel.to_run(graph_of(*edited)) == [1, 2, 3]


def test_a_failure_and_a_newer_file_count() -> None:
    kernel = run_all("%%task a\n1 / 0")
    assert "ZeroDivisionError" in kernel.judge(graph_of("%%task a\n1 / 0"))[1].why
    graph = graph_of("%%task b\ns = open('in.txt').read()")
    kernel = Kernel()
    kernel.runs.append(
        HandRun(1, "%%task b\ns = open('in.txt').read()", None, START, ok=True, task=True)
    )
    before, after = START - timedelta(1), START + timedelta(1)
    assert kernel.to_run(graph, changed_files={"in.txt": before}) == []
    assert kernel.to_run(graph, changed_files={"in.txt": after}) == [1]
    modules = {1: ["/home/me/own.py"]}
    assert kernel.to_run(graph, changed_files={"/home/me/own.py": before}, modules=modules) == []
    why = kernel.judge(graph, changed_files={"/home/me/own.py": after}, modules=modules)[1].why
    assert why == "own.py has changed"


def test_refresh_runs_all() -> None:
    assert run_all(*CHAIN).to_run(graph_of(*CHAIN), refresh=True) == [1, 2, 3, 4]


# A model: after the cells that are judged to need it have run, in order, from what the kernel
# holds, the kernel holds what a serial run would give.

NAMES = ("a", "b", "c")
TASKS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.sampled_from(NAMES), st.integers(0, 2)),
        st.tuples(st.just("copy"), st.sampled_from(NAMES), st.sampled_from(NAMES)),
        st.tuples(st.just("add"), st.sampled_from(NAMES), st.integers(0, 2)),
    ),
    min_size=1,
    max_size=6,
)


def source_of(number: int, step: tuple[str, str, Any]) -> str:
    kind, name, other = step
    body = {
        "set": f"{name} = [{other}]",
        "copy": f"{name} = list({other}) + [{number}]",
        "add": f"{name}.append({other})",
    }[kind]
    return f"%%task t{number}\n{body}"


def serial(sources: list[str]) -> Mapping[str, Any]:
    kernel = Kernel()
    for source in ("a, b, c = [], [], []", *sources):
        kernel.run(source)
    return {name: kernel.space[name] for name in NAMES}


@settings(max_examples=150, deadline=None)
@given(TASKS, TASKS, st.data())
def test_running_what_is_judged_to_need_it_gives_what_serial_gives(
    steps: list[Any], others: list[Any], data: st.DataObject
) -> None:
    first = "a, b, c = [], [], []"
    sources = [source_of(number, step) for number, step in enumerate(steps)]
    kernel = Kernel()
    kernel.run(first)
    order = data.draw(st.lists(st.integers(0, len(sources) - 1), max_size=8))
    for number in order:  # by hand, in any order, some twice, some never
        kernel.run(sources[number])
    for number, step in enumerate(others):  # and some of them are edited
        if number < len(sources) and data.draw(st.booleans()):
            sources[number] = source_of(number, step)
    graph = graph_of(first, *sources)
    for number, standing in kernel.judge(graph).items():
        if standing.why:
            kernel.run([first, *sources][number - 1])
    assert {name: kernel.space[name] for name in NAMES} == serial(sources)
