"""Records to table rows and back: the only place that knows how a field is stored."""

from __future__ import annotations

import dataclasses
import json
import zlib
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import RowMapping

from orch_nb.model import (
    CellKind,
    FlowRun,
    FlowRunId,
    Json,
    LogRecord,
    StateChange,
    TaskRun,
    TaskRunId,
)
from orch_nb.options import FlowOptions
from orch_nb.states import TYPE_OF, StateName
from orch_nb.store.records import Lease, ResultRecord
from orch_nb.store.times import micros, moment


def text(value: str) -> str:
    """``value`` as both backends can store it: no NUL characters, no lone surrogates."""
    if value.isascii() and "\x00" not in value:
        return value
    return value.replace("\x00", "\ufffd").encode("utf-8", "replace").decode("utf-8")


def _optional_text(value: str | None) -> str | None:
    return None if value is None else text(value)


def to_json(value: Json) -> str:
    """Compact JSON in ASCII."""
    return json.dumps(value, separators=(",", ":"))


def flow_run_row(run: FlowRun) -> dict[str, Any]:
    """The columns of a flow run, without the cancel request."""
    return {
        "id": run.id,
        "name": text(run.name),
        "flow": text(run.flow),
        "notebook": text(run.notebook),
        "state_type": TYPE_OF[run.state_name].value,
        "state_name": run.state_name.value,
        "state_message": text(run.state_message),
        "parameters": to_json(dict(run.parameters)),
        "parameter_sources": to_json(dict(run.parameter_sources)),
        "tags": to_json([text(tag) for tag in run.tags]),
        "options": _options_json(run.options),
        "request": to_json(dict(run.request)),
        "output": _optional_text(run.output),
        "attempt": run.attempt,
        "epoch": run.epoch,
        "scheduled_time": micros(run.scheduled_time),
        "start_time": micros(run.start_time),
        "end_time": micros(run.end_time),
        "parent_run": run.parent_run,
    }


def flow_run(row: RowMapping) -> FlowRun:
    """A row of flow_runs as a record."""
    return FlowRun(
        id=FlowRunId(row["id"]),
        name=row["name"],
        flow=row["flow"],
        notebook=row["notebook"],
        state_name=StateName(row["state_name"]),
        state_message=row["state_message"],
        parameters=json.loads(row["parameters"]),
        parameter_sources=json.loads(row["parameter_sources"]),
        tags=tuple(json.loads(row["tags"])),
        options=_options(json.loads(row["options"])),
        request=json.loads(row["request"]),
        output=row["output"],
        attempt=row["attempt"],
        scheduled_time=moment(row["scheduled_time"]),
        start_time=moment(row["start_time"]),
        end_time=moment(row["end_time"]),
        epoch=row["epoch"],
        pinned=row["pinned"],
        parent_run=None if row["parent_run"] is None else FlowRunId(row["parent_run"]),
    )


@lru_cache(maxsize=256)  # of thousands of runs that are due at once, most have the same
def _options_json(options: FlowOptions) -> str:
    return to_json(dataclasses.asdict(options))


def _options(stored: dict[str, Json]) -> FlowOptions:
    # A store outlives versions: options that are gone are left out, new ones have defaults.
    known = {f.name for f in dataclasses.fields(FlowOptions)}
    fitting: dict[str, Any] = {
        name: _as_tuple(value) for name, value in stored.items() if name in known
    }
    return FlowOptions(**fitting)


def _as_tuple(value: Json) -> Any:
    return tuple(_as_tuple(item) for item in value) if isinstance(value, list) else value


def task_run_row(task: TaskRun) -> dict[str, Any]:
    """The columns of a task run."""
    return {
        "id": task.id,
        "flow_run_id": task.flow_run_id,
        "name": text(task.name),
        "cell_number": task.cell_number,
        "cell_id": text(task.cell_id),
        "map_index": task.map_index,
        "kind": task.kind.value,
        "state_name": task.state_name.value,
        "state_message": text(task.state_message),
        "attempt": task.attempt,
        "max_attempts": task.max_attempts,
        "start_time": micros(task.start_time),
        "end_time": micros(task.end_time),
        "seconds": task.seconds,
        "peak_memory": task.peak_memory,
        "where": text(task.where),
        "error_name": _optional_text(task.error_name),
        "error_value": _optional_text(task.error_value),
        "error_line": task.error_line,
        "source_hash": task.source_hash,
    }


def task_run(row: RowMapping) -> TaskRun:
    """A row of task_runs as a record."""
    return TaskRun(
        id=TaskRunId(row["id"]),
        flow_run_id=FlowRunId(row["flow_run_id"]),
        name=row["name"],
        cell_number=row["cell_number"],
        cell_id=row["cell_id"],
        map_index=row["map_index"],
        kind=CellKind(row["kind"]),
        state_name=StateName(row["state_name"]),
        state_message=row["state_message"],
        attempt=row["attempt"],
        max_attempts=row["max_attempts"],
        start_time=moment(row["start_time"]),
        end_time=moment(row["end_time"]),
        seconds=row["seconds"],
        peak_memory=row["peak_memory"],
        where=row["where"],
        error_name=row["error_name"],
        error_value=row["error_value"],
        error_line=row["error_line"],
        source_hash=row["source_hash"],
    )


def state_change(row: RowMapping) -> StateChange:
    """A row of state_history as a record; its run is the task run where there is one."""
    return StateChange(
        run_id=row["task_run_id"] or row["flow_run_id"],
        time=moment(row["time"]),
        old=None if row["old"] is None else StateName(row["old"]),
        new=StateName(row["new"]),
        message=row["message"],
        by=row["by"],
        attempt=row["attempt"],
    )


def log_row(record: LogRecord) -> dict[str, Any]:
    """The columns of a log record, without its id."""
    return {
        "flow_run_id": record.flow_run_id,
        "task": _optional_text(record.task),
        "attempt": record.attempt,
        "time": micros(record.time),
        "level": record.level,
        "logger": text(record.logger),
        "message": text(record.message),
    }


def log_record(row: RowMapping) -> LogRecord:
    """A row of logs as a record."""
    return LogRecord(
        flow_run_id=FlowRunId(row["flow_run_id"]),
        task=row["task"],
        time=moment(row["time"]),
        level=row["level"],
        logger=row["logger"],
        message=row["message"],
        attempt=row["attempt"],
        id=row["id"],
    )


def result_row(record: ResultRecord, now: int) -> dict[str, Any]:
    """The columns of a result, without its id; ``now`` is the store's time."""
    return {
        "flow_run_id": record.flow_run_id,
        "task_run_id": record.task_run_id,
        "attempt": record.attempt,
        "recipe": record.recipe,
        "cache_key": record.cache_key,
        "cache_note": _squeezed(record.cache_note),
        "names": to_json([text(name) for name in record.names]),
        "kept": record.kept,
        "reason": text(record.reason),
        "digest": record.digest,
        "manifest": None if record.manifest is None else to_json(dict(record.manifest)),
        "outcome": _squeezed(record.outcome),
        "size": record.size,
        "signature": record.signature,
        "key_id": record.key_id,
        "created": now,
        "last_used": now,
    }


def result_record(row: RowMapping) -> ResultRecord:
    """A row of results as a record."""
    return ResultRecord(
        flow_run_id=FlowRunId(row["flow_run_id"]),
        task_run_id=TaskRunId(row["task_run_id"]),
        names=tuple(json.loads(row["names"])),
        kept=row["kept"],
        reason=row["reason"],
        attempt=row["attempt"],
        recipe=row["recipe"],
        cache_key=row["cache_key"],
        cache_note=_unsqueezed(row["cache_note"]),
        digest=row["digest"],
        manifest=None if row["manifest"] is None else json.loads(row["manifest"]),
        outcome=_unsqueezed(row["outcome"]),
        size=row["size"],
        signature=row["signature"],
        key_id=row["key_id"],
        created=moment(row["created"]),
        last_used=moment(row["last_used"]),
        id=row["id"],
    )


def _squeezed(value: Mapping[str, Json] | None) -> bytes | None:
    return None if value is None else zlib.compress(to_json(dict(value)).encode(), 1)


def _unsqueezed(stored: bytes | None) -> dict[str, Json] | None:
    if stored is None:
        return None
    found: dict[str, Json] = json.loads(zlib.decompress(stored))
    return found


def lease(row: RowMapping) -> Lease:
    """A row of leases as a record."""
    return Lease(row["resource"], row["slot"], row["holder"], row["epoch"], row["counter"])
