"""What becomes of the ticks that are due: which run, which are skipped, and why.

Pure: the past ticks, the policy, the deployment's running runs and the time are arguments.
"""

from __future__ import annotations

import enum
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from orch_nb.durations import show_duration


class CatchUp(enum.StrEnum):
    """What is done about ticks that came while no scheduler ran."""

    SKIP = "skip"  # none of them runs
    LATEST = "latest"  # the newest runs, unless one that is due now is newer still
    ALL = "all"  # the newest ``max_catch_up`` run, oldest first


class Overlap(enum.StrEnum):
    """What is done about a tick while an earlier run of the deployment has not ended."""

    QUEUE = "queue"  # it starts when the other has ended
    SKIP = "skip"
    CANCEL_RUNNING = "cancel-running"
    ALLOW = "allow"


@dataclass(frozen=True, slots=True)
class Policy:
    """A deployment's rules about time; durations in seconds.

    A tick is missed when it is older than ``grace``: within that, a scheduler that is merely slow
    is no downtime. A run that has not started ``start_deadline`` after its tick is skipped.
    """

    catch_up: CatchUp = CatchUp.LATEST
    max_catch_up: int = 24
    overlap: Overlap = Overlap.QUEUE
    start_deadline: float | None = None
    grace: float = 60.0


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one tick: a run, or none for ``reason``."""

    tick: datetime
    runs: bool
    reason: str = ""
    cancels: tuple[str, ...] = ()  # ids of runs to cancel for it


def decide(
    due: Sequence[datetime],
    policy: Policy,
    *,
    running: Sequence[tuple[str, str]],
    now: datetime,
) -> tuple[Decision, ...]:
    """A decision for each tick that is due, in the order given (ascending).

    ``running`` are ids and names of the deployment's runs that have not ended.
    """
    missed = [tick for tick in due if (now - tick).total_seconds() > policy.grace]
    kept = frozenset(_kept(due, missed, policy))
    decisions: list[Decision] = []
    active = [*running]
    for tick in due:
        reason = "" if tick not in missed or tick in kept else _why_missed(policy, due)
        reason = reason or _too_late(tick, policy, now)
        if reason:
            decisions.append(Decision(tick, False, reason))
            continue
        decision = _overlapping(tick, policy, active)
        decisions.append(decision)
        if decision.runs:
            active.append(("", f"the run of {tick:%Y-%m-%d %H:%M}Z"))
    return tuple(_only_last_survives(decisions, policy))


def _kept(
    due: Sequence[datetime], missed: Sequence[datetime], policy: Policy
) -> Sequence[datetime]:
    match policy.catch_up:
        case CatchUp.SKIP:
            return ()
        case CatchUp.LATEST:
            return missed[-1:] if len(missed) == len(due) else ()
        case CatchUp.ALL:
            return missed[-policy.max_catch_up :] if policy.max_catch_up else ()


def _why_missed(policy: Policy, due: Sequence[datetime]) -> str:
    match policy.catch_up:
        case CatchUp.SKIP:
            return "missed: no scheduler ran (catch-up skip)"
        case CatchUp.LATEST:
            return f"missed: no scheduler ran, and {due[-1]:%Y-%m-%d %H:%M}Z is later (latest)"
        case CatchUp.ALL:
            return f"missed: no scheduler ran, and {policy.max_catch_up} later ones were (all)"


def _too_late(tick: datetime, policy: Policy, now: datetime) -> str:
    deadline = policy.start_deadline
    if deadline is None or now <= tick + timedelta(seconds=deadline):
        return ""
    return f"not started within {show_duration(deadline)} of its time (start deadline)"


def _overlapping(tick: datetime, policy: Policy, active: Sequence[tuple[str, str]]) -> Decision:
    if active and policy.overlap is Overlap.SKIP:
        return Decision(tick, False, f"{active[-1][1]} had not ended (overlap skip)")
    if active and policy.overlap is Overlap.CANCEL_RUNNING:
        return Decision(tick, True, cancels=tuple(id for id, _ in active if id))
    return Decision(tick, True)


def _only_last_survives(decisions: Sequence[Decision], policy: Policy) -> Sequence[Decision]:
    """Under cancel-running, of several ticks due at once only the newest is worth starting."""
    if policy.overlap is not Overlap.CANCEL_RUNNING:
        return decisions
    started = [decision for decision in decisions if decision.runs]
    newest = started[-1] if started else None
    return [
        Decision(d.tick, False, "a later tick took its place (overlap cancel-running)")
        if d.runs and newest is not None and d is not newest
        else d
        for d in decisions
    ]
