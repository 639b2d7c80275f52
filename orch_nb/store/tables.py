"""The store's tables, in their current form (``migrations`` holds how they came to it).

Times are integers: microseconds since 1970 in UTC. JSON is kept as text, because the two
backends' own JSON types disagree on NaN and on NUL characters. Ids are hexadecimal and grow
with time, so that "newest first" is a walk along the primary key.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
)

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Byte order everywhere: PostgreSQL would sort ids by the database's language otherwise.
_ID = String(32).with_variant(String(32, collation="C"), "postgresql")
_SERIAL = BigInteger().with_variant(Integer, "sqlite")


def _run_column() -> Column[str]:
    return Column(
        "flow_run_id",
        _ID,
        ForeignKey("flow_runs.id", ondelete="CASCADE"),
        nullable=False,
    )


FLOW_RUNS = Table(
    "flow_runs",
    METADATA,
    Column("id", _ID, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("flow", Text, nullable=False),
    Column("notebook", Text, nullable=False),
    Column("state_type", String(16), nullable=False),
    Column("state_name", String(16), nullable=False),
    Column("state_message", Text, nullable=False),
    Column("parameters", Text, nullable=False),
    Column("parameter_sources", Text, nullable=False),
    Column("tags", Text, nullable=False),
    Column("options", Text, nullable=False),
    Column("request", Text, nullable=False),
    Column("output", Text),
    Column("attempt", Integer, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("scheduled_time", BigInteger),
    Column("start_time", BigInteger),
    Column("end_time", BigInteger),
    Column("cancel_requested", BigInteger),
    Column("cancel_requested_by", Text),
    Column("pinned", Boolean, nullable=False, server_default=false()),
    Column("parent_run", _ID),
    Index(None, "parent_run"),
    Index(None, "state_type", "id"),
    Index(None, "state_name", "id"),
    Index(None, "flow", "state_type", "id"),
    Index(None, "flow", "id"),
)

# Tags once more, for the filter; the row's own list keeps their order.
RUN_TAGS = Table(
    "run_tags",
    METADATA,
    Column("tag", Text, primary_key=True),
    Column(
        "flow_run_id",
        _ID,
        ForeignKey("flow_runs.id", ondelete="CASCADE"),
        primary_key=True,
        index=True,
    ),
)

TASK_RUNS = Table(
    "task_runs",
    METADATA,
    Column("id", _ID, primary_key=True),
    _run_column(),
    Column("name", Text, nullable=False),
    Column("cell_number", Integer, nullable=False),
    Column("cell_id", Text, nullable=False),
    Column("map_index", Integer),
    Column("kind", String(24), nullable=False),
    Column("state_name", String(16), nullable=False),
    Column("state_message", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("max_attempts", Integer, nullable=False),
    Column("start_time", BigInteger),
    Column("end_time", BigInteger),
    Column("seconds", Float),
    Column("peak_memory", BigInteger),
    Column("where", Text, nullable=False),
    Column("error_name", Text),
    Column("error_value", Text),
    Column("error_line", Integer),
    Column("source_hash", String(32), nullable=False),
    Index(None, "flow_run_id", "cell_number", "map_index"),
)

STATE_HISTORY = Table(
    "state_history",
    METADATA,
    Column("id", _SERIAL, primary_key=True),
    _run_column(),
    Column("task_run_id", _ID),
    Column("time", BigInteger, nullable=False),
    Column("old", String(16)),
    Column("new", String(16), nullable=False),
    Column("message", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Index(None, "flow_run_id", "id"),
    sqlite_autoincrement=True,  # "what happened after id" must not skip either
)

LOGS = Table(
    "logs",
    METADATA,
    Column("id", _SERIAL, primary_key=True),
    _run_column(),
    Column("task", Text),
    Column("attempt", Integer, nullable=False),
    Column("time", BigInteger, nullable=False),
    Column("level", Integer, nullable=False),
    Column("logger", Text, nullable=False),
    Column("message", Text, nullable=False),
    Index(None, "flow_run_id", "id"),
    sqlite_autoincrement=True,  # an id is never given twice: "logs after id" must not skip
)

# What tasks ask before they run.
QUESTIONS = Table(
    "questions",
    METADATA,
    Column("task_run_id", _ID, primary_key=True),
    Column("attempt", Integer, primary_key=True),
    _run_column(),
    Column("question", Text, nullable=False),
    Column("inputs", Text, nullable=False),
    Column("asked", BigInteger, nullable=False),
    Column("deadline", BigInteger),
    Column("answer", Text),
    Column("answered_by", Text),
    Index(None, "flow_run_id", "attempt"),
)

# Who works on what. A resource is "run/ID", "task/ID" or "limit/NAME"; a limit has many slots.
LEASES = Table(
    "leases",
    METADATA,
    Column("resource", Text, primary_key=True),
    Column("slot", Integer, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("epoch", BigInteger, nullable=False),
    Column("counter", BigInteger, nullable=False),
)

RESULTS = Table(
    "results",
    METADATA,
    Column("id", _SERIAL, primary_key=True),
    _run_column(),
    Column("task_run_id", _ID, nullable=False),
    Column("attempt", Integer, nullable=False),
    Column("recipe", String(32), nullable=False),
    Column("cache_key", Text, index=True),
    Column("cache_note", LargeBinary),  # compressed JSON
    Column("names", Text, nullable=False),
    Column("kept", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("digest", String(64), index=True),
    Column("manifest", Text),
    Column("outcome", LargeBinary),  # compressed JSON
    Column("size", BigInteger, nullable=False),
    Column("signature", Text),
    Column("key_id", Text),
    Column("created", BigInteger, nullable=False),
    Column("last_used", BigInteger, nullable=False),
    Index(None, "flow_run_id", "id"),
)

# The cells' texts as they were run, once each, however many runs they had.
CELL_SOURCES = Table(
    "cell_sources",
    METADATA,
    Column("hash", String(32), primary_key=True),
    Column("source", Text, nullable=False),
)

HINTS = Table(
    "hints",
    METADATA,
    Column("notebook", Text, primary_key=True),
    Column("cell_hash", Text, primary_key=True),
    Column("hint", Text, nullable=False),
    Column("updated", BigInteger, nullable=False),
)

STORE_META = Table(
    "store_meta",
    METADATA,
    Column("key", Text, primary_key=True),
    Column("value", Text, nullable=False),
)
