"""The history as events: which part of it nothing can be added to any more."""

from __future__ import annotations

from datetime import UTC, datetime

from orch_nb.model import FlowRunId
from orch_nb.states import StateName
from orch_nb.store import open_store
from orch_nb.store.retention import delete_ended
from orch_nb.store.watching import Happening, Horizon, complete_part, happenings
from tests.sample_runs import a_run


def row(number: int) -> Happening:
    return Happening(
        number, datetime(2026, 1, 1, tzinfo=UTC), FlowRunId("r"), "r", "f", "n", None, None, None,
        None, None, StateName.PENDING, "", 1,
    )  # fmt: skip


def numbers(*there: int, after: int, horizon: int) -> list[int]:
    found = complete_part([row(number) for number in there], after=after, horizon=horizon)
    return [one.number for one in found]


def test_a_number_that_is_missing_is_waited_for() -> None:
    assert numbers(4, 5, 7, 8, after=3, horizon=3) == [4, 5]
    assert numbers(4, 5, 6, 7, 8, after=3, horizon=3) == [4, 5, 6, 7, 8]


def test_below_the_horizon_a_gap_stays_one() -> None:
    assert numbers(4, 5, 7, 9, after=1, horizon=7) == [4, 5, 7]


def test_the_numbers_of_deleted_runs_are_not_given_again() -> None:
    with open_store() as store:
        first, second = a_run(state_name=StateName.COMPLETED), a_run()
        store.write(lambda t: t.create_flow_run(first, [], holder=None, by="test"))
        seen = Horizon().look(store)
        store.write(lambda t: delete_ended(t, [first]))
        store.write(lambda t: t.create_flow_run(second, [], holder=None, by="test"))
        found = happenings(store, after=seen, limit=10)
    assert [one.run_id for one in found] == [second.id]
