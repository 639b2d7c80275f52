"""Catch-up, overlap and deadlines: from past ticks and the policy to decisions with reasons."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orch_nb.schedules import CatchUp, Overlap, Policy, decide, parse_cron, ticks_between

NOW = datetime(2026, 3, 9, 12, 0, 5, tzinfo=UTC)
WEEK = list(ticks_between(parse_cron("@hourly"), NOW - timedelta(days=7), NOW))


@pytest.mark.parametrize(
    ("policy", "runs"),
    [
        (Policy(CatchUp.SKIP), 1),  # the tick of 12:00 is five seconds old: nothing was missed
        (Policy(CatchUp.LATEST), 1),
        (Policy(CatchUp.ALL, max_catch_up=24), 25),
        (Policy(CatchUp.ALL, max_catch_up=1000), 168),
        (Policy(CatchUp.ALL, max_catch_up=0), 1),
        (Policy(CatchUp.ALL, max_catch_up=1000, start_deadline=7200), 2),
        (Policy(CatchUp.ALL, max_catch_up=1000, overlap=Overlap.SKIP), 1),
        (Policy(CatchUp.ALL, max_catch_up=1000, overlap=Overlap.CANCEL_RUNNING), 1),
        (Policy(CatchUp.ALL, max_catch_up=1000, overlap=Overlap.ALLOW), 168),
    ],
)
def test_a_week_without_a_scheduler(policy: Policy, runs: int) -> None:
    decisions = decide(WEEK, policy, running=(), now=NOW)
    assert [d.tick for d in decisions] == WEEK
    assert sum(d.runs for d in decisions) == runs
    assert all(d.runs or d.reason for d in decisions)


def test_the_latest_missed_tick_is_the_one_that_runs() -> None:
    decisions = decide(WEEK[:-1], Policy(CatchUp.LATEST), running=(), now=NOW)
    assert [d.tick for d in decisions if d.runs] == [WEEK[-2]]
    assert decisions[0].reason == (
        "missed: no scheduler ran, and 2026-03-09 11:00Z is later (latest)"
    )


def test_overlap_while_a_run_has_not_ended() -> None:
    running = [("id1", "brave-otter")]
    tick = WEEK[-1:]
    reasons = {}
    for overlap in Overlap:
        (reasons[overlap],) = decide(tick, Policy(overlap=overlap), running=running, now=NOW)
    assert {overlap: (d.runs, d.reason, d.cancels) for overlap, d in reasons.items()} == {
        Overlap.QUEUE: (True, "", ()),
        Overlap.SKIP: (False, "brave-otter had not ended (overlap skip)", ()),
        Overlap.CANCEL_RUNNING: (True, "", ("id1",)),
        Overlap.ALLOW: (True, "", ()),
    }


@given(
    ages=st.lists(st.integers(0, 10**6), max_size=40, unique=True),
    policy=st.builds(
        Policy,
        st.sampled_from(CatchUp),
        st.integers(0, 50),
        st.sampled_from(Overlap),
        st.none() | st.integers(1, 10**6).map(float),
    ),
    running=st.lists(st.tuples(st.text(min_size=1), st.text(min_size=1)), max_size=3),
)
def test_each_tick_has_one_decision_and_each_skip_a_reason(
    ages: list[int], policy: Policy, running: list[tuple[str, str]]
) -> None:
    due = [NOW - timedelta(seconds=age) for age in sorted(ages, reverse=True)]
    decisions = decide(due, policy, running=running, now=NOW)
    assert [d.tick for d in decisions] == due
    assert all(d.runs != bool(d.reason) for d in decisions)
    if policy.overlap in (Overlap.SKIP, Overlap.CANCEL_RUNNING):
        assert sum(d.runs for d in decisions) <= 1
