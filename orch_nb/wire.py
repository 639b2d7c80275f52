"""Runs, tasks and logs as the JSON that scripts rely on (`--json`, and the REST API)."""

from __future__ import annotations

from datetime import UTC, datetime

from orch_nb.model import FlowRun, Json, LogRecord, StateChange, TaskRun


def run_record(run: FlowRun) -> dict[str, Json]:
    """A flow run; times are ISO 8601 in UTC."""
    return {
        "id": run.id,
        "name": run.name,
        "flow": run.flow,
        "state_type": run.state_type,
        "state_name": run.state_name,
        "scheduled_time": format_time(run.scheduled_time),
        "start_time": format_time(run.start_time),
        "end_time": format_time(run.end_time),
        "parameters": dict(run.parameters),
        "tags": list(run.tags),
        "state_message": run.state_message,
        "notebook": run.notebook,
        "output": run.output,
        "attempt": run.attempt,
    }


def task_record(task: TaskRun) -> dict[str, Json]:
    """A task run; durations in seconds, memory in bytes."""
    return {
        "id": task.id,
        "name": task.name,
        "cell": task.cell_number,
        "cell_id": task.cell_id,
        "kind": task.kind,
        "state_type": task.state_type,
        "state_name": task.state_name,
        "state_message": task.state_message,
        "attempt": task.attempt,
        "max_attempts": task.max_attempts,
        "start_time": format_time(task.start_time),
        "end_time": format_time(task.end_time),
        "seconds": task.seconds,
        "peak_memory": task.peak_memory,
        "where": task.where,
        "error_name": task.error_name,
        "error_value": task.error_value,
        "error_line": task.error_line,
    }


def change_record(change: StateChange) -> dict[str, Json]:
    """One row of a run's history."""
    return {
        "run_id": change.run_id,
        "time": format_time(change.time),
        "old": change.old,
        "new": change.new,
        "message": change.message,
        "by": change.by,
    }


def log_record(record: LogRecord) -> dict[str, Json]:
    """One captured log record; the level as `logging` numbers it."""
    return {
        "run_id": record.flow_run_id,
        "task": record.task,
        "time": format_time(record.time),
        "level": record.level,
        "logger": record.logger,
        "message": record.message,
    }


def format_time(time: datetime | None) -> str | None:
    """ISO 8601 in UTC."""
    return None if time is None else time.astimezone(UTC).isoformat()
