"""Engines for the two databases: SQLite in a file, and PostgreSQL.

A store URL is ``sqlite:///PATH`` or ``postgresql://USER@HOST/DATABASE``.
"""

from __future__ import annotations

import enum
import sqlite3
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url
from sqlalchemy.dialects import registry
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite
from sqlalchemy.exc import ArgumentError, NoSuchModuleError
from sqlalchemy.util import LRUCache

from orch_nb.errors import StoreError
from orch_nb.places import SQLITE
from orch_nb.store.mounts import network_mount

BUSY_MILLISECONDS = 10_000  # how long SQLite itself waits for a lock before we try again
_WRITES = "orch_nb_writes"
_MOST_COMPILED = 500  # statements


class SharingDialect(SQLiteDialect_pysqlite):
    """SQLAlchemy's own for SQLite; but what one engine has compiled serves the next, and every
    process that is forked later. All its instances are alike."""

    supports_statement_cache = True

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self)

    def __hash__(self) -> int:
        return hash(type(self))


_COMPILED: LRUCache[Any, Any] = LRUCache(_MOST_COMPILED)
_SHARING = "orch_nb_sqlite"
registry.register(_SHARING, __name__, SharingDialect.__name__)


class Backend(enum.StrEnum):
    """The kind of database."""

    SQLITE = "sqlite"
    POSTGRESQL = "postgresql"


@dataclass(frozen=True, slots=True)
class Database:
    """An engine and what is particular about where it points to."""

    backend: Backend
    engine: Engine
    where: str  # for messages: a path, or a URL without its password
    path: Path | None  # SQLite's file
    journal: str  # SQLite's journal mode: "wal", or "delete" on a network file system
    notices: tuple[str, ...]

    def begin(self, connection: Connection) -> None:
        """Start a transaction that writes (on SQLite the write lock is taken at once, since a
        lock taken later can fail where waiting would not help).
        """
        connection.execution_options(**{_WRITES: True})
        connection.begin()


def open_database(url: str, *, durable: bool = False) -> Database:
    """The database for a store URL; nothing is connected to or created but SQLite's folder.

    ``durable`` syncs every commit to the disk. Raises StoreError for a URL that can't be used.
    """
    if url.startswith(SQLITE):
        return _sqlite(Path(url.removeprefix(SQLITE)), durable=durable)
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() == "postgresql":
            return _postgresql(parsed)
    except (ArgumentError, NoSuchModuleError):
        pass
    raise StoreError(
        f"{url!r} is no place for a store",
        where="ORCH_NB_STORE",
        hint="give the path of an SQLite file, or postgresql://USER@HOST/DATABASE",
    )


def _sqlite(path: Path, *, durable: bool) -> Database:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"the store's folder can't be made: {error.strerror}",
            where=str(path.parent),
            hint="set ORCH_NB_HOME to a folder that can be written",
        ) from None
    if path.is_dir():
        raise StoreError("the store's path is a folder", where=str(path))
    mount = network_mount(path.parent)
    engine = create_engine(
        URL.create(_SHARING, database=str(path)),
        connect_args={"timeout": BUSY_MILLISECONDS / 1000},
        execution_options={"compiled_cache": _COMPILED},
    )
    synchronous = "FULL" if durable or mount else "NORMAL"

    @event.listens_for(engine, "connect")
    def configure(connection: sqlite3.Connection, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute(f"PRAGMA journal_size_limit = {64 << 20}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        writes = connection.get_execution_options().get(_WRITES, False)
        connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")

    notices: tuple[str, ...] = ()
    if mount:
        notices = (
            f"the store is on a network file system ({mount}): it keeps a rollback journal, "
            "which is slower, and only one host may use it at a time",
        )
    return Database(Backend.SQLITE, engine, str(path), path, "delete" if mount else "wal", notices)


def _postgresql(url: URL) -> Database:
    try:
        engine = create_engine(url.set(drivername="postgresql+psycopg"), pool_pre_ping=True)
    except ModuleNotFoundError:
        raise StoreError(
            "a store on PostgreSQL needs psycopg, which is not installed",
            where=url.render_as_string(),
            hint="pip install 'orch_nb[postgres]'",
        ) from None
    return Database(Backend.POSTGRESQL, engine, url.render_as_string(), None, "", ())
