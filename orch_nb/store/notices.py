"""Who is told of what: rules, and one row for each event and rule, so that nobody is told twice."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from sqlalchemy import and_, delete, insert, or_, select, update

from orch_nb.model import FlowRunId
from orch_nb.schedules.deployment import DeploymentId
from orch_nb.states import StateName
from orch_nb.store.deployment_tables import DEPLOYED_RUNS, NOTIFICATIONS, NOTIFY_RULES
from orch_nb.store.ids import new_flow_run_id
from orch_nb.store.rows import text, to_json
from orch_nb.store.store import Store
from orch_nb.store.tables import RUN_TAGS, STATE_HISTORY
from orch_nb.store.times import micros, now_micros
from orch_nb.store.transaction import Transaction
from orch_nb.store.upsert import upsert_into

PENDING, SENDING, SENT, GIVEN_UP, UNKNOWN = "pending", "sending", "sent", "given up", "unknown"

_BACK = 1_000  # rows of the history looked at again: rows may come out of their numbers' order
_PAGE = 2_000
_LOOKED_AT = "notifications_looked_at"


@dataclass(frozen=True, slots=True)
class NotifyRule:
    """Tell ``target`` (an apprise URL without secrets, or ``secret:NAME``) when a run of the
    deployment, or a run with the tag, enters one of the states."""

    states: tuple[StateName, ...]
    target: str
    deployment_id: DeploymentId | None = None
    tag: str | None = None
    id: str = ""


@dataclass(frozen=True, slots=True)
class Notification:
    """One thing to tell, or told."""

    rule_id: str
    event_id: int
    flow_run_id: FlowRunId
    state: StateName
    status: str
    attempts: int
    target: str
    error: str = ""


def set_rules(
    transaction: Transaction, deployment_id: DeploymentId, rules: Sequence[NotifyRule]
) -> None:
    """Make these the rules of a deployment; unchanged ones keep their ids, and what they sent."""
    connection = transaction.connection
    columns = NOTIFY_RULES.c
    known = {
        (row.states, row.target): row.id
        for row in connection.execute(
            select(NOTIFY_RULES).where(columns.deployment_id == deployment_id)
        )
    }
    wanted = {
        (to_json([state.value for state in rule.states]), text(rule.target)): rule for rule in rules
    }
    gone = [rule_id for key, rule_id in known.items() if key not in wanted]
    if gone:
        connection.execute(delete(NOTIFY_RULES).where(columns.id.in_(gone)))
    for key, rule in wanted.items():
        if key not in known:
            add_rule(transaction, replace(rule, deployment_id=deployment_id))


def add_rule(transaction: Transaction, rule: NotifyRule) -> str:
    """Record a rule for what happens from now on; returns its id."""
    rule_id = str(new_flow_run_id())
    transaction.connection.execute(
        insert(NOTIFY_RULES).values(
            id=rule_id,
            deployment_id=rule.deployment_id,
            tag=None if rule.tag is None else text(rule.tag),
            states=to_json([state.value for state in rule.states]),
            target=text(rule.target),
            since=now_micros(),
        )
    )
    return rule_id


def delete_rule(transaction: Transaction, rule_id: str) -> None:
    """Forget a rule and what it sent."""
    transaction.connection.execute(delete(NOTIFY_RULES).where(NOTIFY_RULES.c.id == rule_id))


def list_rules(store: Store, deployment_id: DeploymentId | None = None) -> tuple[NotifyRule, ...]:
    """The rules of a deployment, or all."""
    statement = select(NOTIFY_RULES).order_by(NOTIFY_RULES.c.id)
    if deployment_id is not None:
        statement = statement.where(NOTIFY_RULES.c.deployment_id == deployment_id)
    return tuple(
        NotifyRule(
            tuple(StateName(state) for state in json.loads(row["states"])),
            row["target"],
            None if row["deployment_id"] is None else DeploymentId(row["deployment_id"]),
            row["tag"],
            row["id"],
        )
        for row in store.query(statement)
    )


def has_rules(store: Store) -> bool:
    """Whether anybody is to be told of anything."""
    return bool(store.query(select(NOTIFY_RULES.c.id).limit(1)))


def note_events(transaction: Transaction, now: datetime) -> int:
    """Note what the rules say is to be told of the history since the last look; how much."""
    connection = transaction.connection
    rules, history = NOTIFY_RULES.c, STATE_HISTORY.c
    if connection.execute(select(rules.id).limit(1)).first() is None:
        return 0
    looked_at = int(transaction.put_meta(_LOOKED_AT, "0"))
    newest = connection.execute(
        select(history.id).where(history.id > looked_at).order_by(history.id).limit(_PAGE)
    ).scalars()
    last = max(newest, default=looked_at)
    if last == looked_at:
        return 0
    statement = (
        select(history.id, history.flow_run_id, history.new, rules.id.label("rule"), rules.states)
        .select_from(STATE_HISTORY)
        .outerjoin(DEPLOYED_RUNS, DEPLOYED_RUNS.c.flow_run_id == history.flow_run_id)
        .join(
            NOTIFY_RULES,
            and_(
                history.time >= rules.since,
                or_(
                    rules.deployment_id == DEPLOYED_RUNS.c.deployment_id,
                    rules.tag.in_(
                        select(RUN_TAGS.c.tag)
                        .where(RUN_TAGS.c.flow_run_id == history.flow_run_id)
                        .correlate(STATE_HISTORY)
                    ),
                ),
            ),
        )
        .where(history.id > looked_at - _BACK, history.id <= last, history.task_run_id.is_(None))
    )
    found = [
        {
            "rule_id": row.rule,
            "event_id": row.id,
            "flow_run_id": row.flow_run_id,
            "state": row.new,
            "status": PENDING,
            "attempts": 0,
            "next_attempt": micros(now),
            "error": "",
        }
        for row in connection.execute(statement)
        if row.new in json.loads(row.states)
    ]
    if found:
        connection.execute(
            upsert_into(connection, NOTIFICATIONS).on_conflict_do_nothing(
                index_elements=["rule_id", "event_id"]
            ),
            found,
        )
    transaction.put_meta(_LOOKED_AT, str(last), replace=str(looked_at))
    return len(found)


def has_pending(store: Store, now: datetime) -> bool:
    """Whether something is to be told now."""
    columns = NOTIFICATIONS.c
    statement = select(columns.event_id).where(
        columns.status.in_((PENDING, SENDING)), columns.next_attempt <= micros(now)
    )
    return bool(store.query(statement.limit(1)))


def take_pending(
    transaction: Transaction, now: datetime, *, patience: float, limit: int = 20
) -> tuple[Notification, ...]:
    """Take what is to be told now; each goes to one sender, which must settle it.

    What another sender took and never settled in ``patience`` seconds may have been told: it is
    noted as unknown, and never told again.
    """
    connection = transaction.connection
    columns = NOTIFICATIONS.c
    connection.execute(
        update(NOTIFICATIONS)
        .where(columns.status == SENDING, columns.next_attempt <= micros(now))
        .values(status=UNKNOWN, error="the process that sent it ended meanwhile")
    )
    rows = connection.execute(
        select(NOTIFICATIONS, NOTIFY_RULES.c.target)
        .join(NOTIFY_RULES, NOTIFY_RULES.c.id == columns.rule_id)
        .where(columns.status == PENDING, columns.next_attempt <= micros(now))
        .order_by(columns.next_attempt)
        .limit(limit)
        .with_for_update(of=NOTIFICATIONS, skip_locked=True)
    ).all()
    taken = tuple(
        Notification(
            row.rule_id,
            row.event_id,
            FlowRunId(row.flow_run_id),
            StateName(row.state),
            SENDING,
            row.attempts + 1,
            row.target,
        )
        for row in rows
    )
    for item in taken:
        _set(
            transaction,
            item,
            status=SENDING,
            attempts=item.attempts,
            next_attempt=micros(now + timedelta(seconds=patience)),
        )
    return taken


def settle(
    transaction: Transaction, item: Notification, *, error: str, retry_at: datetime | None
) -> None:
    """Note how it went: sent without an error, else to be tried again, or given up."""
    status = SENT if not error else PENDING if retry_at is not None else GIVEN_UP
    due = {} if retry_at is None else {"next_attempt": micros(retry_at)}
    _set(transaction, item, status=status, error=text(error), **due)


def _set(transaction: Transaction, item: Notification, **values: object) -> None:
    columns = NOTIFICATIONS.c
    transaction.connection.execute(
        update(NOTIFICATIONS)
        .where(columns.rule_id == item.rule_id, columns.event_id == item.event_id)
        .values(**values)
    )


def list_notifications(store: Store, run_id: FlowRunId) -> tuple[Notification, ...]:
    """What was told, or is to be told, of a run."""
    columns = NOTIFICATIONS.c
    statement = (
        select(NOTIFICATIONS, NOTIFY_RULES.c.target)
        .join(NOTIFY_RULES, NOTIFY_RULES.c.id == columns.rule_id)
        .where(columns.flow_run_id == run_id)
        .order_by(columns.event_id)
    )
    return tuple(
        Notification(
            row["rule_id"],
            row["event_id"],
            FlowRunId(row["flow_run_id"]),
            StateName(row["state"]),
            row["status"],
            row["attempts"],
            row["target"],
            row["error"],
        )
        for row in store.query(statement)
    )
