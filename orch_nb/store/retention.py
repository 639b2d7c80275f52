"""Runs that are kept or deleted for good, and what of their values then nobody names any more."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import delete, exists, false, select, update

from orch_nb.model import FlowRun, FlowRunId
from orch_nb.states import StateType
from orch_nb.store.claims import run_resource
from orch_nb.store.records import RunQuery
from orch_nb.store.store import Store
from orch_nb.store.tables import FLOW_RUNS, LEASES, RESULTS
from orch_nb.store.transaction import Transaction

ENDED = tuple(state for state in StateType if state.is_terminal)
_PAGE = 500
_PART = 400  # values in one statement


@dataclass(frozen=True, slots=True)
class Deleted:
    """Runs that were deleted, and the kept values that only they named: bytes by digest."""

    runs: tuple[FlowRunId, ...]
    values: dict[str, int]


def pin_run(transaction: Transaction, run_id: FlowRunId, *, pinned: bool) -> None:
    """Keep a run when old ones are deleted, or no longer."""
    transaction.connection.execute(
        update(FLOW_RUNS).where(FLOW_RUNS.c.id == run_id).values(pinned=pinned)
    )


def ended_runs(
    store: Store, *, flow: str | None = None, until: datetime | None = None
) -> Iterator[FlowRun]:
    """Runs that have ended, the newest first; with ``until``, those recorded before."""
    before: FlowRunId | None = None
    while True:
        page = store.list_runs(
            RunQuery(state_types=ENDED, flow=flow, until=until, before=before, limit=_PAGE)
        )
        yield from page
        if len(page) < _PAGE:
            return
        before = page[-1].id


def delete_ended(transaction: Transaction, runs: Sequence[FlowRun]) -> Deleted:
    """Delete those of ``runs`` that are as they were seen: ended, not pinned, held by nobody.

    Their tasks, history, logs and results' records go with them.
    """
    connection = transaction.connection
    deleted: list[FlowRunId] = []
    sizes: dict[str, int] = {}
    results = RESULTS.c
    for run in runs:
        held = exists(select(LEASES.c.slot).where(LEASES.c.resource == run_resource(run.id)))
        named = connection.execute(
            select(results.digest, results.size).where(
                results.flow_run_id == run.id, results.kept, results.digest.is_not(None)
            )
        ).all()
        done = connection.execute(
            delete(FLOW_RUNS).where(
                FLOW_RUNS.c.id == run.id,
                FLOW_RUNS.c.epoch == run.epoch,  # a claim raises it
                FLOW_RUNS.c.state_type.in_([state.value for state in ENDED]),
                FLOW_RUNS.c.pinned == false(),
                ~held,
            )
        )
        if done.rowcount == 1:
            deleted.append(run.id)
            sizes |= {row.digest: row.size for row in named}
    left = _named(transaction, sizes)
    return Deleted(tuple(deleted), {d: size for d, size in sizes.items() if d not in left})


def only_named_by(store: Store, runs: Sequence[FlowRunId]) -> dict[str, int]:
    """The kept values that no other run names: bytes by digest."""
    results = RESULTS.c
    ours = set(runs)
    sizes: dict[str, int] = {}
    for part in _parts(list(runs)):
        found = store.query(
            select(results.digest, results.size).where(
                results.flow_run_id.in_(part), results.kept, results.digest.is_not(None)
            )
        )
        sizes |= {row["digest"]: row["size"] for row in found}
    for part in _parts(list(sizes)):
        others = store.query(
            select(results.digest, results.flow_run_id).where(
                results.digest.in_(part), results.kept
            )
        )
        for row in others:
            if row["flow_run_id"] not in ours:
                sizes.pop(row["digest"], None)
    return sizes


def _named(transaction: Transaction, digests: dict[str, int]) -> set[str]:
    """Those of the digests that some kept result names."""
    results = RESULTS.c
    found: set[str] = set()
    for part in _parts(list(digests)):
        statement = select(results.digest).where(results.digest.in_(part), results.kept)
        found |= set(transaction.connection.execute(statement.distinct()).scalars())
    return found


def _parts(items: Sequence[str]) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), _PART):
        yield items[start : start + _PART]
