"""The first store: runs, tasks, history, logs, leases, results and hints."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_ID = sa.String(32).with_variant(sa.String(32, collation="C"), "postgresql")
_SERIAL = sa.BigInteger().with_variant(sa.Integer, "sqlite")


def upgrade() -> None:
    op.create_table(
        "flow_runs",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("flow", sa.Text(), nullable=False),
        sa.Column("notebook", sa.Text(), nullable=False),
        sa.Column("state_type", sa.String(length=16), nullable=False),
        sa.Column("state_name", sa.String(length=16), nullable=False),
        sa.Column("state_message", sa.Text(), nullable=False),
        sa.Column("parameters", sa.Text(), nullable=False),
        sa.Column("parameter_sources", sa.Text(), nullable=False),
        sa.Column("tags", sa.Text(), nullable=False),
        sa.Column("options", sa.Text(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("output", sa.Text()),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("scheduled_time", sa.BigInteger()),
        sa.Column("start_time", sa.BigInteger()),
        sa.Column("end_time", sa.BigInteger()),
        sa.Column("cancel_requested", sa.BigInteger()),
        sa.Column("cancel_requested_by", sa.Text()),
        sa.Column("pinned", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("parent_run", _ID),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_flow_runs")),
        sa.UniqueConstraint("name", name=op.f("uq_flow_runs_name")),
    )
    op.create_index(op.f("ix_flow_runs_parent_run"), "flow_runs", ["parent_run"], unique=False)
    op.create_index(op.f("ix_flow_runs_flow_id"), "flow_runs", ["flow", "id"], unique=False)
    op.create_index(
        op.f("ix_flow_runs_flow_state_type_id"),
        "flow_runs",
        ["flow", "state_type", "id"],
        unique=False,
    )
    op.create_index(
        op.f("ix_flow_runs_state_name_id"), "flow_runs", ["state_name", "id"], unique=False
    )
    op.create_index(
        op.f("ix_flow_runs_state_type_id"), "flow_runs", ["state_type", "id"], unique=False
    )
    op.create_table(
        "cell_sources",
        sa.Column("hash", sa.String(length=32), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("hash", name=op.f("pk_cell_sources")),
    )
    op.create_table(
        "hints",
        sa.Column("notebook", sa.Text(), nullable=False),
        sa.Column("cell_hash", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("notebook", "cell_hash", name=op.f("pk_hints")),
    )
    op.create_table(
        "leases",
        sa.Column("resource", sa.Text(), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("resource", "slot", name=op.f("pk_leases")),
    )
    op.create_table(
        "store_meta",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_store_meta")),
    )
    op.create_table(
        "logs",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("flow_run_id", _ID, nullable=False),
        sa.Column("task", sa.Text()),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("level", sa.Integer(), nullable=False),
        sa.Column("logger", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["flow_run_id"], ["flow_runs.id"], name=op.f("fk_logs_flow_run_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_logs")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_logs_flow_run_id_id"), "logs", ["flow_run_id", "id"], unique=False)
    op.create_table(
        "questions",
        sa.Column("task_run_id", _ID, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("flow_run_id", _ID, nullable=False),
        sa.Column("question", sa.Text(), nullable=False),
        sa.Column("inputs", sa.Text(), nullable=False),
        sa.Column("asked", sa.BigInteger(), nullable=False),
        sa.Column("deadline", sa.BigInteger()),
        sa.Column("answer", sa.Text()),
        sa.Column("answered_by", sa.Text()),
        sa.ForeignKeyConstraint(
            ["flow_run_id"],
            ["flow_runs.id"],
            name=op.f("fk_questions_flow_run_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("task_run_id", "attempt", name=op.f("pk_questions")),
    )
    op.create_index(
        op.f("ix_questions_flow_run_id_attempt"),
        "questions",
        ["flow_run_id", "attempt"],
        unique=False,
    )
    op.create_table(
        "results",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("flow_run_id", _ID, nullable=False),
        sa.Column("task_run_id", _ID, nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("recipe", sa.String(length=32), nullable=False),
        sa.Column("cache_key", sa.Text()),
        sa.Column("cache_note", sa.LargeBinary()),
        sa.Column("names", sa.Text(), nullable=False),
        sa.Column("kept", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("digest", sa.String(length=64)),
        sa.Column("manifest", sa.Text()),
        sa.Column("outcome", sa.LargeBinary()),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("signature", sa.Text()),
        sa.Column("key_id", sa.Text()),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("last_used", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["flow_run_id"],
            ["flow_runs.id"],
            name=op.f("fk_results_flow_run_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_results")),
    )
    op.create_index(op.f("ix_results_cache_key"), "results", ["cache_key"], unique=False)
    op.create_index(op.f("ix_results_digest"), "results", ["digest"], unique=False)
    op.create_index(
        op.f("ix_results_flow_run_id_id"), "results", ["flow_run_id", "id"], unique=False
    )
    op.create_table(
        "run_tags",
        sa.Column("tag", sa.Text(), nullable=False),
        sa.Column("flow_run_id", _ID, nullable=False),
        sa.ForeignKeyConstraint(
            ["flow_run_id"],
            ["flow_runs.id"],
            name=op.f("fk_run_tags_flow_run_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("tag", "flow_run_id", name=op.f("pk_run_tags")),
    )
    op.create_index(op.f("ix_run_tags_flow_run_id"), "run_tags", ["flow_run_id"], unique=False)
    op.create_table(
        "state_history",
        sa.Column("id", _SERIAL, nullable=False),
        sa.Column("flow_run_id", _ID, nullable=False),
        sa.Column("task_run_id", _ID),
        sa.Column("time", sa.BigInteger(), nullable=False),
        sa.Column("old", sa.String(length=16)),
        sa.Column("new", sa.String(length=16), nullable=False),
        sa.Column("message", sa.Text(), nullable=False),
        sa.Column("by", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("epoch", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["flow_run_id"],
            ["flow_runs.id"],
            name=op.f("fk_state_history_flow_run_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_state_history")),
        sqlite_autoincrement=True,
    )
    op.create_index(
        op.f("ix_state_history_flow_run_id_id"),
        "state_history",
        ["flow_run_id", "id"],
        unique=False,
    )
    op.create_table(
        "task_runs",
        sa.Column("id", _ID, nullable=False),
        sa.Column("flow_run_id", _ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("cell_number", sa.Integer(), nullable=False),
        sa.Column("cell_id", sa.Text(), nullable=False),
        sa.Column("map_index", sa.Integer()),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("state_name", sa.String(length=16), nullable=False),
        sa.Column("state_message", sa.Text(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("start_time", sa.BigInteger()),
        sa.Column("end_time", sa.BigInteger()),
        sa.Column("seconds", sa.Float()),
        sa.Column("peak_memory", sa.BigInteger()),
        sa.Column("where", sa.Text(), nullable=False),
        sa.Column("error_name", sa.Text()),
        sa.Column("error_value", sa.Text()),
        sa.Column("error_line", sa.Integer()),
        sa.Column("source_hash", sa.String(length=32), nullable=False),
        sa.ForeignKeyConstraint(
            ["flow_run_id"],
            ["flow_runs.id"],
            name=op.f("fk_task_runs_flow_run_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_task_runs")),
    )
    op.create_index(
        op.f("ix_task_runs_flow_run_id_cell_number_map_index"),
        "task_runs",
        ["flow_run_id", "cell_number", "map_index"],
        unique=False,
    )
    _create_deployments()


def _create_deployments() -> None:
    op.create_table(
        "deployments",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("paused", sa.Boolean(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deployments")),
        sa.UniqueConstraint("name", name=op.f("uq_deployments_name")),
    )
    op.create_table(
        "deployment_versions",
        sa.Column("deployment_id", _ID, nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("files", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deployment_id"],
            ["deployments.id"],
            name=op.f("fk_deployment_versions_deployment_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("deployment_id", "version", name=op.f("pk_deployment_versions")),
    )
    op.create_table(
        "snapshot_blobs",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("data", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_snapshot_blobs")),
    )
    op.create_table(
        "schedules",
        sa.Column("deployment_id", _ID, nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("next_time", sa.BigInteger()),
        sa.Column("last_time", sa.BigInteger()),
        sa.ForeignKeyConstraint(
            ["deployment_id"],
            ["deployments.id"],
            name=op.f("fk_schedules_deployment_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("deployment_id", "position", name=op.f("pk_schedules")),
    )
    op.create_index(op.f("ix_schedules_next_time"), "schedules", ["next_time"], unique=False)
    op.create_table(
        "ticks",
        sa.Column("deployment_id", _ID, nullable=False),
        sa.Column("scheduled_time", sa.BigInteger(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("flow_run_id", _ID),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("decided", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deployment_id"],
            ["deployments.id"],
            name=op.f("fk_ticks_deployment_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("deployment_id", "scheduled_time", name=op.f("pk_ticks")),
    )
    op.create_table(
        "deployed_runs",
        sa.Column("flow_run_id", _ID, nullable=False),
        sa.Column("deployment_id", _ID, nullable=False),
        sa.Column("deployment", sa.Text(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("origin", sa.String(length=16), nullable=False),
        sa.Column("due", sa.BigInteger(), nullable=False),
        sa.Column("phase", sa.Integer(), nullable=False),
        sa.Column("overlap", sa.String(length=16), nullable=False),
        sa.Column("interval_start", sa.BigInteger()),
        sa.Column("interval_end", sa.BigInteger()),
        sa.Column("deadline", sa.BigInteger()),
        sa.Column("idempotency_key", sa.Text()),
        sa.Column("batch", sa.Text()),
        sa.Column("max_active", sa.Integer()),
        sa.Column("resumed", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["flow_run_id"],
            ["flow_runs.id"],
            name=op.f("fk_deployed_runs_flow_run_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("flow_run_id", name=op.f("pk_deployed_runs")),
    )
    op.create_index(
        op.f("ix_deployed_runs_batch_phase"), "deployed_runs", ["batch", "phase"], unique=False
    )
    op.create_index(
        op.f("ix_deployed_runs_deployment_id_phase_due"),
        "deployed_runs",
        ["deployment_id", "phase", "due"],
        unique=False,
    )
    op.create_index(
        op.f("uq_deployed_runs_idempotency"),
        "deployed_runs",
        ["deployment_id", "idempotency_key"],
        unique=True,
    )
    op.create_index(op.f("ix_deployed_runs_phase"), "deployed_runs", ["phase"], unique=False)
    op.create_index(
        op.f("ix_deployed_runs_pool_phase_due"),
        "deployed_runs",
        ["pool", "phase", "due"],
        unique=False,
    )
    op.create_table(
        "workers",
        sa.Column("id", _ID, nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("pool", sa.Text(), nullable=False),
        sa.Column("limit", sa.Integer(), nullable=False),
        sa.Column("running", sa.Integer(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("counter", sa.BigInteger(), nullable=False),
        sa.Column("started", sa.BigInteger(), nullable=False),
        sa.Column("seen", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_workers")),
    )
    op.create_table(
        "notify_rules",
        sa.Column("id", _ID, nullable=False),
        sa.Column("deployment_id", _ID),
        sa.Column("tag", sa.Text()),
        sa.Column("states", sa.Text(), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deployment_id"],
            ["deployments.id"],
            name=op.f("fk_notify_rules_deployment_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notify_rules")),
    )
    op.create_table(
        "notifications",
        sa.Column("rule_id", _ID, nullable=False),
        sa.Column("event_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("flow_run_id", _ID, nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("status", sa.String(length=16), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt", sa.BigInteger(), nullable=False),
        sa.Column("error", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["rule_id"],
            ["notify_rules.id"],
            name=op.f("fk_notifications_rule_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("rule_id", "event_id", name=op.f("pk_notifications")),
    )
    op.create_index(
        op.f("ix_notifications_status_next_attempt"),
        "notifications",
        ["status", "next_attempt"],
        unique=False,
    )
    op.create_table(
        "triggers",
        sa.Column("id", _ID, nullable=False),
        sa.Column("deployment_id", _ID, nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("spec", sa.Text(), nullable=False),
        sa.Column("seen", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deployment_id"],
            ["deployments.id"],
            name=op.f("fk_triggers_deployment_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_triggers")),
    )
    op.create_index(op.f("ix_triggers_deployment_id"), "triggers", ["deployment_id"], unique=False)
