"""Prints records as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import date, datetime

import click

from orch_nb.model import Json
from orch_nb.wire import change_record, format_time, log_record, run_record, task_record

__all__ = [
    "change_record",
    "format_time",
    "log_record",
    "print_json",
    "run_record",
    "task_record",
]


def print_json(value: Json | Iterable[Json], *, indent: int | None = 2) -> None:
    """Print one JSON document; with no indent, on one line."""
    click.echo(json.dumps(value, indent=indent, ensure_ascii=False, default=_encode))


def _encode(value: object) -> Json:
    if isinstance(value, datetime):
        return format_time(value) if value.tzinfo else value.isoformat()
    return value.isoformat() if isinstance(value, date) else repr(value)
