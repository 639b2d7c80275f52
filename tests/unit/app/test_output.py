"""Whatever the order in which cells end, the output notebook is that of cells run one by one."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st

from orch_nb.app.output import RunOutput
from orch_nb.execution.job import Outcome
from orch_nb.model import CellKind, TaskRun
from orch_nb.states import StateName

CELLS = 4


@dataclass
class Page:
    """Stands in for the writer: the last outputs of each cell."""

    cells: dict[int, list[str]] = field(default_factory=dict)
    counts: dict[int, int | None] = field(default_factory=dict)
    widgets: dict = field(default_factory=dict)

    def set_outputs(self, number: int, outputs, *, execution_count) -> None:
        self.cells[number] = [output["data"] for output in outputs]
        self.counts[number] = execution_count

    def set_task(self, task: TaskRun) -> None: ...

    def set_run(self, run: object) -> None: ...

    def set_widgets(self, state: dict) -> None:
        self.widgets = state

    def save(self, *, final: bool = False) -> None: ...


def task(number: int, state: StateName) -> TaskRun:
    now = datetime.now(UTC)
    return TaskRun(f"t{number}", "r", "t", number, "c", CellKind.TASK, state, start_time=now)


def make(states: dict[int, StateName] | None = None) -> tuple[RunOutput, Page]:
    known = dict.fromkeys(range(1, CELLS + 1), StateName.COMPLETED) | (states or {})
    tasks = {number: task(number, state) for number, state in known.items()}
    page = Page()
    return RunOutput(page, SimpleNamespace(tasks=tasks, run=None)), page


def update(display_id: str, data: str) -> dict:
    return {"type": "update", "display_id": display_id, "data": data, "metadata": {}}


def show(display_id: str, data: str) -> list[dict]:
    output = {"output_type": "display_data", "data": data, "metadata": {}}
    added = {"type": "output", "output": output, "display_id": display_id}
    return [update(display_id, data), added]


def outcome_of(events: list[dict]) -> dict:
    """What a recorder tells at the end of a cell that gave these events."""
    outputs: list[dict] = []
    ids: dict[str, list[int]] = {}
    updates: dict[str, dict] = {}
    for event in events:
        if event["type"] == "clear":
            outputs, ids = [], {}
        elif event["type"] == "output":
            ids.setdefault(event["display_id"], []).append(len(outputs))
            outputs.append(dict(event["output"]))
        else:
            updates[event["display_id"]] = event
            for at in ids.get(event["display_id"], ()):
                outputs[at]["data"] = event["data"]
    return {
        "outputs": tuple(outputs),
        "display_ids": {key: tuple(at) for key, at in ids.items()},
        "display_updates": tuple(updates.values()),
    }


def run_cell(output: RunOutput, number: int, events: list[dict]) -> None:
    output.started(number, number)
    for event in events:
        output.showed(number, event)
    output.ended(number, Outcome(number, 1, **outcome_of(events)))


ids = st.sampled_from("ab")
texts = st.sampled_from("123456789")
event_lists = st.lists(
    st.one_of(
        st.builds(show, ids, texts),
        st.builds(lambda key, text: [update(key, text)], ids, texts),
        st.just([{"type": "clear"}]),
    ),
    max_size=4,
).map(lambda groups: [event for group in groups for event in group])


def serial(cells: list[list[dict]]) -> dict[int, list[str]]:
    """What a front-end would show after these cells, one after the other."""
    outputs: dict[int, list[tuple[str, str]]] = {}
    for number, events in enumerate(cells, 1):
        outputs[number] = []
        for event in events:
            if event["type"] == "clear":
                outputs[number] = []
            elif event["type"] == "output":
                outputs[number].append((event["display_id"], event["output"]["data"]))
            else:
                for above in outputs.values():
                    key = event["display_id"]
                    above[:] = [(k, event["data"] if k == key else old) for k, old in above]
    return {number: [data for _, data in shown] for number, shown in outputs.items()}


@given(
    cells=st.lists(event_lists, min_size=CELLS, max_size=CELLS),
    order=st.permutations(range(1, CELLS + 1)),
    saves=st.sets(st.integers(1, CELLS)),
    again=st.integers(1, CELLS),
)
def test_any_order_gives_what_one_by_one_gives(cells, order, saves, again) -> None:
    output, page = make()
    run_cell(output, again, [*show("a", "old"), update("b", "old")])  # an attempt that is dropped
    for number in order:
        run_cell(output, number, cells[number - 1])
        if number in saves:
            output.save()
    output.finish()
    assert page.cells == serial(cells)


@given(cells=st.lists(event_lists, min_size=CELLS, max_size=CELLS))
def test_running_cells_are_shown_like_ended_ones(cells) -> None:
    output, page = make()
    for number, events in enumerate(cells, 1):
        output.started(number, number)
        for event in events:
            output.showed(number, event)
            output.save()
    output.save()
    assert page.cells == serial(cells)


def test_what_lies_behind_a_failed_cell_changes_nothing_above_it() -> None:
    output, page = make({2: StateName.FAILED, 4: StateName.UPSTREAM_FAILED})
    run_cell(output, 1, show("a", "1"))
    run_cell(output, 2, [update("a", "2")])
    run_cell(output, 3, [update("a", "3"), *show("b", "3")])
    run_cell(output, 4, [update("b", "4"), *show("c", "4")])
    output.finish()
    assert page.cells == {1: ["2"], 2: [], 3: ["3"], 4: []}
    assert page.counts == {1: 1, 2: 2, 3: 3, 4: None}
