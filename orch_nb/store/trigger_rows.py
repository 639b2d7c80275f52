"""What starts a deployment beside its schedules: triggers, and what each has seen so far."""

from __future__ import annotations

import enum
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import delete, insert, select, update

from orch_nb.model import Json
from orch_nb.schedules.deployment import DeploymentId
from orch_nb.store.deployment_tables import DEPLOYMENTS, TRIGGERS
from orch_nb.store.ids import new_flow_run_id
from orch_nb.store.rows import to_json
from orch_nb.store.store import Store
from orch_nb.store.transaction import Transaction


class TriggerKind(enum.StrEnum):
    """What a trigger waits for."""

    FILE = "file"  # a path, or fsspec URL, appears or changes: spec {"path"}
    FLOW = "flow"  # a run of a flow or deployment enters a state: spec {"flow", "state"}
    HTTP = "http"  # a call with a token: spec {"token_hash"}


@dataclass(frozen=True, slots=True)
class Trigger:
    """One trigger of a deployment; ``seen`` is what it knows to be no news."""

    kind: TriggerKind
    spec: Mapping[str, Json]
    seen: Json = None
    deployment_id: DeploymentId = DeploymentId("")
    id: str = ""
    paused: bool = field(default=False)  # its deployment is


def set_triggers(
    transaction: Transaction, deployment_id: DeploymentId, triggers: Sequence[Trigger]
) -> None:
    """Make these the triggers of a deployment; unchanged ones keep what they have seen."""
    connection = transaction.connection
    columns = TRIGGERS.c
    known = {
        (row.kind, row.spec): row.id
        for row in connection.execute(
            select(TRIGGERS).where(columns.deployment_id == deployment_id)
        )
    }
    wanted = {
        (trigger.kind.value, to_json(dict(trigger.spec))): trigger.seen for trigger in triggers
    }
    gone = [trigger_id for key, trigger_id in known.items() if key not in wanted]
    if gone:
        connection.execute(delete(TRIGGERS).where(columns.id.in_(gone)))
    for (kind, spec), seen in wanted.items():
        if (kind, spec) not in known:
            connection.execute(
                insert(TRIGGERS).values(
                    id=str(new_flow_run_id()),
                    deployment_id=deployment_id,
                    kind=kind,
                    spec=spec,
                    seen=to_json(seen),
                )
            )


def list_triggers(
    store: Store, deployment_id: DeploymentId | None = None, kind: TriggerKind | None = None
) -> tuple[Trigger, ...]:
    """The triggers of a deployment, or all; of one kind, or all."""
    columns = TRIGGERS.c
    statement = (
        select(TRIGGERS, DEPLOYMENTS.c.paused)
        .join(DEPLOYMENTS, DEPLOYMENTS.c.id == columns.deployment_id)
        .order_by(columns.id)
    )
    if deployment_id is not None:
        statement = statement.where(columns.deployment_id == deployment_id)
    if kind is not None:
        statement = statement.where(columns.kind == kind.value)
    return tuple(
        Trigger(
            TriggerKind(row["kind"]),
            json.loads(row["spec"]),
            json.loads(row["seen"]),
            DeploymentId(row["deployment_id"]),
            row["id"],
            row["paused"],
        )
        for row in store.query(statement)
    )


def set_seen(transaction: Transaction, trigger: Trigger, seen: Json) -> bool:
    """Note what a trigger has seen now; False when another process noted something meanwhile."""
    columns = TRIGGERS.c
    done = transaction.connection.execute(
        update(TRIGGERS)
        .where(columns.id == trigger.id, columns.seen == to_json(trigger.seen))
        .values(seen=to_json(seen))
    )
    return done.rowcount == 1
