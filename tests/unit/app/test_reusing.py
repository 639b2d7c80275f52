"""What a resume runs and what it reuses: tables, and chance against an obvious reference."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from orch_nb.app.reusing import Decision, Made, Use, Wishes, decide, with_known
from orch_nb.engine.plan import Plan
from orch_nb.execution.job import Outcome
from orch_nb.graph.build import build_graph
from orch_nb.graph.model import FlowGraph
from orch_nb.model import CellKind
from tests.unit.analysis.hazards import cells_of

FOLDER = "/work"
BLOB = {"digest": "0" * 64}
NOTHING = Wishes()


def plan_of(*sources: str, kind: CellKind = CellKind.TASK) -> Plan:
    """Tasks, none of which has a name of its own."""
    return Plan(build_graph(cells_of(*sources, kind=kind)), workers=2)


def outcome(number: int, *bound: str, kept: bool = True, **more: object) -> Outcome:
    made = Outcome(number, 1, bound=bound, observed=True, blob=BLOB if kept else None)
    return replace(made, **more)  # type: ignore[arg-type]


def made(*records: tuple[str, ...] | Made | None, kept: bool = True) -> dict[int, Made]:
    """What is on record of cells 1, 2, …: the names they bound, or all of it; None: nothing."""
    found = {}
    for number, record in enumerate(records, 1):
        if isinstance(record, tuple):
            lacks = "" if kept else "no room"
            record = Made(outcome(number, *record, kept=kept), not_kept=lacks)
        found[number] = record or Made()
    return found


def said(decisions: tuple[Decision, ...]) -> list[str]:
    """Decisions in words: use, + for applied, the reason where it runs."""
    return [
        f"{d.use.value}{'+' if d.apply else ''}{'' if d.use is Use.REUSE else ': ' + d.reason}"
        for d in decisions
    ]


CHAIN = ("a = [1]", "b = sum(a)", "c = b + 1", "print(c)")


def test_nothing_runs_when_all_is_done() -> None:
    decisions = decide(plan_of(*CHAIN), made(("a",), ("b",), ("c",), ()), NOTHING, FOLDER)
    assert said(decisions) == ["reuse"] * 4
    assert [decision.reason for decision in decisions] == ["unchanged"] * 4


def test_only_the_values_that_what_is_left_reads_are_applied() -> None:
    decisions = decide(plan_of(*CHAIN), made(("a",), ("b",), ("c",), None), NOTHING, FOLDER)
    assert said(decisions) == ["reuse", "reuse", "reuse+", "run: not run"]


def test_what_follows_a_cell_that_runs_runs_and_says_of_what_it_waits() -> None:
    records = made(("a",), Made(why_run="failed: KeyError"), ("c",), ())
    decisions = decide(plan_of(*CHAIN), records, NOTHING, FOLDER)
    assert said(decisions) == ["reuse+", "run: failed: KeyError", "run: needs b", "run: needs c"]


def test_what_is_asked_for_runs_with_what_depends_on_it() -> None:
    wishes = Wishes(run={2: "asked for"})
    decisions = decide(plan_of(*CHAIN), made(("a",), ("b",), ("c",), ()), wishes, FOLDER)
    assert said(decisions) == ["reuse+", "run: asked for", "run: needs b", "run: needs c"]


def test_a_value_that_was_not_kept_is_made_again_with_all_that_it_takes() -> None:
    records = made(("a",), ("b",), ("c",), None, kept=False)
    assert said(decide(plan_of(*CHAIN), records, NOTHING, FOLDER)) == [
        "again: needed by cell 2, and not kept: no room",
        "again: needed by cell 3, and not kept: no room",
        "again: needed by cell 4, and not kept: no room",
        "run: not run",
    ]


def test_a_cell_made_again_says_that_it_acted() -> None:
    records = made(Made(outcome(1, "a", kept=False, acted="writes f.txt"), not_kept="x"), None)
    (again, _) = decide(plan_of("a = 1", "print(a)"), records, NOTHING, FOLDER)
    assert again.reason == "needed by cell 2, and not kept: x; writes f.txt"


def test_a_value_that_was_changed_in_place_comes_with_its_changes() -> None:
    plan = plan_of("a = [1]", "a.append(2)", "b = 1", "print(a)")
    records = made(("a",), Made(outcome(2, changed=("a",))), ("b",), None)
    assert said(decide(plan, records, NOTHING, FOLDER)) == [
        "reuse+",
        "reuse+",
        "reuse",
        "run: not run",
    ]


def test_a_change_that_speaks_of_other_names_takes_those_along() -> None:
    plan = plan_of("a = [1]", "b = {'a': a}", "print(b)")
    records = made(("a",), Made(outcome(2, "b", refs=("a",))), None)
    assert said(decide(plan, records, NOTHING, FOLDER)) == ["reuse+", "reuse+", "run: not run"]


def test_a_cell_that_left_nothing_is_not_made_again() -> None:
    records = made((), None, kept=False)
    decisions = decide(plan_of("print(1)", "%run x.py"), records, NOTHING, FOLDER)
    assert said(decisions)[0] == "reuse"


def test_ambient_state_comes_from_the_last_cell_that_changed_it() -> None:
    plan = plan_of("import random\nrandom.seed(1)", "a = 1", "random.random()", "print(2)")
    first = Made(outcome(1, ambient=("random",)))
    second = Made(outcome(3, ambient=("random",)))
    records = {1: first, 2: Made(outcome(2, "a")), 3: second, 4: Made()}
    assert said(decide(plan, records, NOTHING, FOLDER)) == [
        "reuse",
        "reuse",
        "reuse+",
        "run: not run",
    ]


def test_another_parameter_leaves_what_does_not_read_it() -> None:
    cells = cells_of("year = 1\nregion = 2", "a = year", "b = region", kind=CellKind.TASK)
    cells[0] = replace(cells[0], kind=CellKind.PARAMETERS)
    plan = Plan(build_graph(cells), workers=2)
    records = made(Made(why_run=""), Made(why_run=""), ("b",))
    decisions = decide(plan, records, NOTHING, FOLDER)
    assert said(decisions) == ["run: its inputs are others now", "run: needs year", "reuse"]
    _, outcomes = with_known(plan, records, decisions, FOLDER)
    assert outcomes.keys() == {3}


def test_values_that_are_asked_for_are_applied() -> None:
    wishes = Wishes(values=frozenset({1}))
    decisions = decide(plan_of(*CHAIN), made(("a",), ("b",), ("c",), ()), wishes, FOLDER)
    assert said(decisions) == ["reuse+", "reuse", "reuse", "reuse"]
    wishes = Wishes(all_values=True)
    decisions = decide(plan_of(*CHAIN), made(("a",), ("b",), ("c",), ()), wishes, FOLDER)
    assert said(decisions) == ["reuse+", "reuse+", "reuse+", "reuse"]


def test_a_plan_knows_what_is_reused_and_trusts_what_is_made_again() -> None:
    plan = plan_of(*CHAIN)
    lost = Made(outcome(1, "a", kept=False), not_kept="x")
    records = {1: lost, **{n: m for n, m in made(None, None, ("c",), None).items() if n != 1}}
    decisions = decide(plan, records, NOTHING, FOLDER)
    assert [d.use for d in decisions] == [Use.AGAIN, Use.RUN, Use.RUN, Use.RUN]
    known, outcomes = with_known(plan, records, decisions, FOLDER)
    assert (set(known.known), known.trusted, outcomes) == (set(), frozenset({1}), {})
    records = made(("a",), ("b",), ("c",), None)
    decisions = decide(plan, records, NOTHING, FOLDER)
    known, outcomes = with_known(plan, records, decisions, FOLDER)
    assert known.trusted == frozenset({1, 2, 3})
    assert {n: facts.shipped for n, facts in known.known.items()} == {1: False, 2: False, 3: True}
    assert outcomes == {n: records[n].outcome for n in (1, 2, 3)}


# -- against a reference


Notebook = tuple[FlowGraph, dict[int, Made], Wishes]
NAMES = "abcd"


@st.composite
def cases(draw: st.DrawFn) -> Notebook:
    """Cells that read and rebind a few names, some of which were done, kept, or asked for."""
    sources, bound = [], []
    for _ in range(draw(st.integers(1, 9))):
        reads = draw(st.sets(st.sampled_from(NAMES), max_size=2))
        binds = draw(st.sets(st.sampled_from(NAMES), max_size=2))
        line = ", ".join(sorted(reads))
        sources.append(
            "\n".join([f"({line},)" if line else "1", *(f"{n} = 1" for n in sorted(binds))])
        )
        bound.append(tuple(sorted(binds)))
    records = {}
    for number, names in enumerate(bound, 1):
        if draw(st.integers(0, 3)) == 0:
            records[number] = Made()
            continue
        kept = draw(st.booleans())
        records[number] = Made(outcome(number, *names, kept=kept), not_kept="" if kept else "x")
    asked = draw(st.sets(st.integers(1, len(bound)), max_size=1))
    graph = build_graph(cells_of(*sources, kind=CellKind.TASK))
    return graph, records, Wishes(run=dict.fromkeys(asked, "asked for"))


def reference(
    graph: FlowGraph, records: Mapping[int, Made], wishes: Wishes
) -> dict[int, tuple[Use, bool]]:
    """By definition: the least sets that are closed under the rules, found by trying again."""
    numbers = [node.cell.number for node in graph.nodes]
    binds = {n: set(o.bound) if (o := records[n].outcome) else set() for n in numbers}
    runs: set[int] = set()
    again: set[int] = set()
    apply: set[int] = set()

    def writer(name: str, number: int) -> int | None:
        return max((n for n in numbers if n < number and name in graph.node(n).binds), default=None)

    def grow(step: Callable[[], None]) -> None:
        before = None
        while before != (before := (len(runs), len(again), len(apply))):
            step()

    def run() -> None:
        for n in numbers:
            lost = any(p in runs for p in graph.predecessors.get(n, ()))
            if records[n].outcome is None or n in wishes.run or lost:
                runs.add(n)

    def need() -> None:
        for n in sorted(runs | again):
            for name in graph.node(n).reads:
                source = writer(name, n)
                if source is None or source in runs or not binds[source]:
                    continue
                made = records[source].outcome
                (apply if made is not None and made.blob else again).add(source)

    grow(run)
    grow(need)
    return {
        n: (Use.RUN if n in runs else Use.AGAIN if n in again else Use.REUSE, n in apply)
        for n in numbers
    }


@settings(max_examples=150, deadline=None)
@given(cases())
def test_any_case_is_decided_as_the_reference_does(case: Notebook) -> None:
    graph, records, wishes = case
    decisions = decide(Plan(graph, workers=2), records, wishes, FOLDER)
    assert {d.cell: (d.use, d.apply) for d in decisions} == reference(graph, records, wishes)
