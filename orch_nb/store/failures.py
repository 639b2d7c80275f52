"""The databases' exceptions, sorted: try again, or tell the user in words."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy.exc import DBAPIError, OperationalError

from orch_nb.errors import StoreError

_PG_DEADLOCK_OR_SERIALISATION = frozenset({"40P01", "40001", "55P03"})

_LEAST_ROOM = 64 << 10  # bytes

# What SQLite says → what we say, and the remedy.
_SQLITE_WORDS: tuple[tuple[str, str, str | None], ...] = (
    (
        "disk is full",
        "the disk that holds the store is full",
        "free some space, or move the store with ORCH_NB_HOME; nothing recorded was lost",
    ),
    (
        "not a database",
        "the file is no store of orch_nb",
        "set ORCH_NB_STORE or ORCH_NB_HOME to another place, or move the file away",
    ),
    (
        "malformed",
        "the store is damaged",
        "move it away, or put back the backup beside it, and run again",
    ),
    ("readonly", "the store can't be written: no permission", "check who owns the file"),
    ("read-only", "the store can't be written: no permission", "check who owns the file"),
    ("unable to open", "the store can't be opened", "check that its folder can be written"),
    ("disk i/o error", "the disk that holds the store can't be read or written", None),
)


def is_busy(error: BaseException) -> bool:
    """Whether another process was in the way, and trying again is right."""
    if not isinstance(error, DBAPIError):
        return False
    if getattr(error.orig, "sqlstate", None) in _PG_DEADLOCK_OR_SERIALISATION:
        return True
    said = str(error.orig).lower()
    return "is locked" in said or "schema has changed" in said


def is_lost(error: BaseException) -> bool:
    """Whether the connection to the server was lost, or could not be made."""
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    if not isinstance(error, OperationalError):
        return False
    state = getattr(error.orig, "sqlstate", "")  # SQLite's exceptions have none at all
    # 08: connection failures; 57P: the server shuts down or starts; None: nobody answered.
    return state is None or state.startswith(("08", "57P"))


def _is_full(where: str) -> bool:
    """Whether an SQLite file's disk has no room for the little that a commit needs."""
    try:
        disk = os.statvfs(Path(where).parent)
    except OSError:
        return False
    return disk.f_bavail * disk.f_frsize < _LEAST_ROOM


def in_words(error: DBAPIError, where: str) -> StoreError:
    """The exception as a sentence that names the store and the remedy."""
    said = str(error.orig).strip()
    if "disk i/o error" in said.lower() and _is_full(where):
        said = "disk is full"  # it could not enlarge what it shares with other processes
    for phrase, message, hint in _SQLITE_WORDS:
        if phrase in said.lower():
            return StoreError(message, where=where, hint=hint)
    first = said.splitlines()[0] if said else type(error.orig).__name__
    if is_lost(error):
        return StoreError(
            f"the store does not answer: {first}", where=where, hint="check ORCH_NB_STORE"
        )
    return StoreError(f"the store refused the request: {first}", where=where)
