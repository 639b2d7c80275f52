"""The tables of deployments: versions, schedules, ticks, their runs, workers, notifications."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    String,
    Table,
    Text,
)

from orch_nb.store.tables import METADATA

__all__ = ["METADATA"]  # with these tables in it

_ID = String(32).with_variant(String(32, collation="C"), "postgresql")


def _deployment_column() -> Column[str]:
    return Column(
        "deployment_id",
        _ID,
        ForeignKey("deployments.id", ondelete="CASCADE"),
        primary_key=True,
    )


DEPLOYMENTS = Table(
    "deployments",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("version", Integer, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
)

DEPLOYMENT_VERSIONS = Table(
    "deployment_versions",
    METADATA,
    _deployment_column(),
    Column("version", Integer, primary_key=True),
    Column("created", BigInteger, nullable=False),
    Column("spec", Text, nullable=False),
    Column("files", Text, nullable=False),
)

# What snapshots hold, compressed, once each.
SNAPSHOT_BLOBS = Table(
    "snapshot_blobs",
    METADATA,
    Column("digest", String(64), primary_key=True),
    Column("data", LargeBinary, nullable=False),
)

# The cursor of each schedule of a deployment's current version: the next tick to be decided,
# and the one before it (where the data interval begins).
SCHEDULES = Table(
    "schedules",
    METADATA,
    _deployment_column(),
    Column("position", Integer, primary_key=True),
    Column("next_time", BigInteger, index=True),
    Column("last_time", BigInteger),
)

TICKS = Table(
    "ticks",
    METADATA,
    _deployment_column(),
    Column("scheduled_time", BigInteger, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("flow_run_id", _ID),
    Column("reason", Text, nullable=False),
    Column("decided", BigInteger, nullable=False),
)

# ``phase``: 0 waits to be taken, 1 was taken, 2 has ended. It repeats what the run's state says,
# so that queues are short walks along an index however long the history is.
DEPLOYED_RUNS = Table(
    "deployed_runs",
    METADATA,
    Column("flow_run_id", _ID, ForeignKey("flow_runs.id", ondelete="CASCADE"), primary_key=True),
    Column("deployment_id", _ID, nullable=False),
    Column("deployment", Text, nullable=False),
    Column("version", Integer, nullable=False),
    Column("pool", Text, nullable=False),
    Column("origin", String(16), nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("phase", Integer, nullable=False),
    Column("overlap", String(16), nullable=False),
    Column("interval_start", BigInteger),
    Column("interval_end", BigInteger),
    Column("deadline", BigInteger),
    Column("idempotency_key", Text),
    Column("batch", Text),
    Column("max_active", Integer),
    Column("resumed", Integer, nullable=False),
    Index(None, "phase"),
    Index(None, "pool", "phase", "due"),
    Index(None, "deployment_id", "phase", "due"),
    Index(None, "batch", "phase"),
    Index("uq_deployed_runs_idempotency", "deployment_id", "idempotency_key", unique=True),
)

WORKERS = Table(
    "workers",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("name", Text, nullable=False),
    Column("kind", String(16), nullable=False),
    Column("pool", Text, nullable=False),
    Column("limit", Integer, nullable=False),
    Column("running", Integer, nullable=False),
    Column("holder", Text, nullable=False),
    Column("state", String(16), nullable=False),
    Column("counter", BigInteger, nullable=False),
    Column("started", BigInteger, nullable=False),
    Column("seen", BigInteger, nullable=False),
)

# A rule is about one deployment, or about every run with a tag. ``target`` holds no secret.
NOTIFY_RULES = Table(
    "notify_rules",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("deployment_id", _ID, ForeignKey("deployments.id", ondelete="CASCADE")),
    Column("tag", Text),
    Column("states", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
)

# One row for each event (a row of the history) and rule: what was sent is never sent again.
NOTIFICATIONS = Table(
    "notifications",
    METADATA,
    Column("rule_id", _ID, ForeignKey("notify_rules.id", ondelete="CASCADE"), primary_key=True),
    Column("event_id", BigInteger, primary_key=True, autoincrement=False),
    Column("flow_run_id", _ID, nullable=False),
    Column("state", String(16), nullable=False),
    Column("status", String(16), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("next_attempt", BigInteger, nullable=False),
    Column("error", Text, nullable=False),
    Index(None, "status", "next_attempt"),
)

TRIGGERS = Table(
    "triggers",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column(
        "deployment_id",
        _ID,
        ForeignKey("deployments.id", ondelete="CASCADE"),
        nullable=False,
        index=True,
    ),
    Column("kind", String(16), nullable=False),
    Column("spec", Text, nullable=False),
    Column("seen", Text, nullable=False),
)
