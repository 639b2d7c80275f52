"""Runs of deployments put into the queue, many in a few statements; each once."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import insert, select

from orch_nb.model import FlowRun, FlowRunId, Json
from orch_nb.options import FlowOptions
from orch_nb.schedules.deployment import DeployedRun, DeploymentSpec
from orch_nb.states import StateName
from orch_nb.store import deployment_rows, rows
from orch_nb.store.deployment_tables import DEPLOYED_RUNS
from orch_nb.store.ids import new_flow_run_id
from orch_nb.store.names import candidates
from orch_nb.store.tables import FLOW_RUNS, RUN_TAGS
from orch_nb.store.transaction import Transaction
from orch_nb.store.upsert import upsert_into

_FEW = 20  # runs at once that get a name of two words; among many such names collide


def scheduled_run(
    spec: DeploymentSpec, scheduled: datetime, parameters: Mapping[str, Json] | None = None
) -> FlowRun:
    """A run of a deployment that waits for its time; its name is given when it is recorded."""
    given = {name: value for name, value, _ in spec.parameters}
    sources = {name: source for name, _, source in spec.parameters}
    for name, value in (parameters or {}).items():
        given[name], sources[name] = value, "-p"
    # A deployment outlives versions of orch_nb: options that are gone are left out.
    known = {field.name for field in dataclasses.fields(FlowOptions)}
    options = {name: value for name, value in spec.given_options().items() if name in known}
    return FlowRun(
        id=new_flow_run_id(),
        name="",
        flow=spec.flow,
        notebook=spec.notebook,
        state_name=StateName.SCHEDULED,
        parameters=given,
        parameter_sources=sources,
        tags=spec.tags,
        options=FlowOptions(**options),
        scheduled_time=scheduled,
    )


def enqueue(
    transaction: Transaction, runs: Sequence[tuple[FlowRun, DeployedRun]], *, by: str
) -> tuple[FlowRun, ...]:
    """Record runs, unclaimed, with what their deployment gives them; returns those recorded.

    A run whose idempotency key its deployment has seen already is left out.
    """
    fresh = _without_repeats(transaction, runs)
    named = _insert_named(transaction, [run for run, _ in fresh])
    if not named:
        return ()
    connection = transaction.connection
    tags = [
        {"tag": rows.text(tag), "flow_run_id": run.id}
        for run in named
        for tag in sorted(set(run.tags))
    ]
    if tags:
        connection.execute(insert(RUN_TAGS), tags)
    connection.execute(
        insert(DEPLOYED_RUNS), [deployment_rows.deployed_run_row(given) for _, given in fresh]
    )
    for run in named:
        transaction.note_new_run(run, by)
    return tuple(named)


def find_by_key(transaction: Transaction, deployment_id: str, key: str) -> FlowRunId | None:
    """The run of a deployment with that idempotency key."""
    runs = DEPLOYED_RUNS.c
    found = transaction.connection.execute(
        select(runs.flow_run_id).where(
            runs.deployment_id == deployment_id, runs.idempotency_key == rows.text(key)
        )
    ).scalar()
    return None if found is None else FlowRunId(found)


def _without_repeats(
    transaction: Transaction, runs: Sequence[tuple[FlowRun, DeployedRun]]
) -> list[tuple[FlowRun, DeployedRun]]:
    """Callers hold the deployment's row where keys are in play, so a look is enough."""
    fresh = []
    seen: set[tuple[str, str]] = set()
    for run, given in runs:
        key = given.idempotency_key
        if key is not None:
            pair = (given.deployment_id, key)
            if pair in seen or find_by_key(transaction, *pair) is not None:
                continue
            seen.add(pair)
        fresh.append((run, given))
    return fresh


def _insert_named(transaction: Transaction, runs: Sequence[FlowRun]) -> list[FlowRun]:
    """Insert the runs' rows under names that are free."""
    connection = transaction.connection
    statement = (
        upsert_into(connection, FLOW_RUNS)
        .on_conflict_do_nothing(index_elements=["name"])
        .returning(FLOW_RUNS.c.id)
    )
    named: dict[FlowRunId, FlowRun] = {}
    left = list(runs)
    attempt = 0
    while left:
        plain = attempt == 0 and len(runs) <= _FEW
        chance = random.Random(new_flow_run_id())
        trying = {
            run.id: dataclasses.replace(run, name=_name(chance, plain), epoch=0) for run in left
        }
        added = connection.execute(statement, [rows.flow_run_row(run) for run in trying.values()])
        done = {FlowRunId(row[0]) for row in added}
        named |= {run_id: trying[run_id] for run_id in done}
        left = [run for run in left if run.id not in done]
        attempt += 1
    return [named[run.id] for run in runs]


def _name(chance: random.Random, plain: bool) -> str:
    pair = next(candidates("", chance))
    return pair if plain else f"{pair}-{chance.randrange(10**6):06}"
