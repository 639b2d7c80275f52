"""Statements compiled once and run with many rows, past SQLAlchemy's work for each row.

The rows hold nothing but text and numbers, which both drivers take as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.sql.expression import UpdateBase


class Prepared:
    """A statement whose bound parameters are filled from rows (mappings).

    ``source`` gives the key in the row for a parameter that has another name.
    """

    def __init__(self, statement: UpdateBase, source: dict[str, str] | None = None) -> None:
        self._statement = statement
        self._source = source or {}
        self._compiled: dict[str, tuple[str, tuple[tuple[str, str], ...], bool]] = {}

    def run(self, connection: Connection, values: Sequence[dict[str, Any]]) -> int:
        """Do it for each row; returns how many rows of the table were concerned in all."""
        sql, keys, positional = self._compile(connection)
        given: list[Any]
        if positional:
            given = [tuple([row[key] for _, key in keys]) for row in values]
        else:
            given = [{name: row[key] for name, key in keys} for row in values]
        return connection.exec_driver_sql(sql, given).rowcount

    def _compile(self, connection: Connection) -> tuple[str, tuple[tuple[str, str], ...], bool]:
        dialect = connection.dialect
        if dialect.name not in self._compiled:
            compiled = self._statement.compile(dialect=dialect)
            names = compiled.positiontup if compiled.positional else list(compiled.params)
            self._compiled[dialect.name] = (
                str(compiled),
                tuple((name, self._source.get(name, name)) for name in names or ()),
                compiled.positional,
            )
        return self._compiled[dialect.name]
