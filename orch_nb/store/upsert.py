"""INSERT that says what to do on a conflict: the same words, from either dialect's module."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table

from orch_nb.store.backends import Backend


def upsert_into(connection: Connection, table: Table) -> Any:
    """The dialect's own insert, with ``on_conflict_do_nothing`` and ``on_conflict_do_update``."""
    if connection.dialect.name == Backend.SQLITE:
        from sqlalchemy.dialects import sqlite

        return sqlite.insert(table)
    from sqlalchemy.dialects import postgresql  # here: it takes as long as all the rest

    return postgresql.insert(table)
