"""The schema's version: a new store is made, an old one migrated, a newer one refused.

Opening a store that is up to date asks two small questions of it and never imports Alembic.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from orch_nb.errors import StoreError, StoreVersionError
from orch_nb.store.backends import Backend, Database
from orch_nb.store.deployment_tables import METADATA

HEAD = "0001"  # the newest revision in migrations/versions; revisions are counted
VERSION_TABLE = "orch_nb_version"
_PG_LOCK = 0x6F7263685F6E62  # any number that nobody else uses: "orch_nb"


@dataclass(frozen=True, slots=True)
class Revisions:
    """Where the migrations are, and the newest of them."""

    head: str = HEAD
    folder: Path = Path(__file__).parent / "migrations"


def make_current(database: Database, revisions: Revisions | None = None) -> tuple[str, ...]:
    """Bring the store to the newest revision; returns notices for the user.

    Several processes may do this at once: the first does the work. Raises StoreVersionError for
    a store of a newer orch_nb, and StoreError for a database that holds something else.
    """
    revisions = revisions or Revisions()
    with database.engine.connect() as connection:
        _use_journal(database, connection)
        if _revision(database, connection) == revisions.head:
            return ()
    with _exclusive(database) as connection:
        found = _revision(database, connection)  # another process may have been faster
        if found == revisions.head:
            return ()
        if found is None:
            _create(database, connection, revisions.head)
            return ()
        if not found.isdigit() or int(found) > int(revisions.head):
            raise StoreVersionError(
                f"the store was made by a newer orch_nb (its version is {found}, "
                f"this orch_nb knows {revisions.head})",
                where=database.where,
                hint="upgrade orch_nb, or set ORCH_NB_HOME to another folder",
            )
        kept = _back_up(database, found)
        _migrate(connection, revisions)
    return (f"the store was brought from version {found} to {revisions.head}{kept}",)


def _revision(database: Database, connection: Connection) -> str | None:
    """The store's revision; None for a database that has none yet."""
    exists = (
        f"SELECT 1 FROM sqlite_master WHERE name = '{VERSION_TABLE}'"
        if database.backend is Backend.SQLITE
        # Not to_regclass: its cached "no" outlives the wait for the lock.
        else "SELECT 1 FROM pg_catalog.pg_tables"
        f" WHERE tablename = '{VERSION_TABLE}' AND schemaname = current_schema()"
    )
    if connection.exec_driver_sql(exists).first() is None:
        return None
    row = connection.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").first()
    return None if row is None else str(row[0])


def _use_journal(database: Database, connection: Connection) -> None:
    if database.backend is not Backend.SQLITE:
        return
    raw: Any = connection.connection.driver_connection
    if raw.execute("PRAGMA journal_mode").fetchone()[0] == database.journal:
        return
    if not _is_foreign(connection):
        raw.execute(f"PRAGMA journal_mode = {database.journal}")


def _is_foreign(connection: Connection) -> bool:
    """Whether an SQLite file holds tables, and none of them is ours."""
    raw: Any = connection.connection.driver_connection
    names = {row[0] for row in raw.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    return bool(names) and VERSION_TABLE not in names


@contextlib.contextmanager
def _exclusive(database: Database) -> Iterator[Connection]:
    """One transaction that no other process's can overlap."""
    with database.engine.connect() as connection:
        raw: Any = connection.connection.driver_connection
        sqlite = database.backend is Backend.SQLITE
        if sqlite:
            # A migration may rebuild a table; dropping the old one must not cascade. The
            # switch has no effect inside a transaction.
            raw.execute("PRAGMA foreign_keys = OFF")
        try:
            database.begin(connection)
            if not sqlite:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_PG_LOCK})")
            yield connection
            connection.commit()
        finally:
            if connection.in_transaction():
                connection.rollback()
            if sqlite:
                raw.execute("PRAGMA foreign_keys = ON")


def _create(database: Database, connection: Connection, head: str) -> None:
    if database.backend is Backend.SQLITE and _is_foreign(connection):
        raise StoreError(
            "the file is another program's database",
            where=database.where,
            hint="set ORCH_NB_STORE to another path",
        )
    METADATA.create_all(connection, checkfirst=False)
    connection.exec_driver_sql(
        f"CREATE TABLE {VERSION_TABLE} (version_num VARCHAR(32) NOT NULL PRIMARY KEY)"
    )
    connection.exec_driver_sql(f"INSERT INTO {VERSION_TABLE} VALUES ('{head}')")


def _back_up(database: Database, revision: str) -> str:
    """Copy an SQLite store beside itself; returns words for the notice."""
    if database.path is None:
        return ""
    target = database.path.with_name(f"{database.path.name}.version-{revision}")
    # The write lock is held meanwhile by our caller; readers, as this copy is, pass.
    with (
        contextlib.closing(sqlite3.connect(database.path)) as source,
        contextlib.closing(sqlite3.connect(target)) as copy,
    ):
        source.backup(copy)
    return f"; the old one is kept as {target}"


def _migrate(connection: Connection, revisions: Revisions) -> None:
    from alembic import command  # only here: importing it takes longer than most runs' start
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(revisions.folder).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, revisions.head)
