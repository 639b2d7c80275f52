"""Doing many operations in one database transaction, each with an outcome of its own."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError

from orch_nb.errors import StoreError
from orch_nb.store.backends import Database
from orch_nb.store.failures import is_lost
from orch_nb.store.gathering import RefusedBatch
from orch_nb.store.patience import LONGEST_ABSENCE, patiently
from orch_nb.store.transaction import Transaction

Operation = Callable[[Transaction], Any]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one operation: its value, or the error that undid it."""

    value: Any = None
    error: Exception | None = None

    def unwrap(self) -> Any:
        """The value; raises the error."""
        if self.error is not None:
            raise self.error
        return self.value


def _concerns_all(error: Exception) -> bool:
    """Whether the store itself failed: then the later operations must not succeed where the
    earlier did not.
    """
    own = isinstance(error.__cause__, IntegrityError | DataError)
    return isinstance(error, StoreError) and not own


class Committer:
    """Runs operations on one connection, one thread at a time.

    The usual case costs one transaction for all: no savepoints, and like statements gathered.
    Where an operation fails, everything is rolled back and done again one by one, so that it
    spoils nothing but itself.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._connection: Connection | None = None

    def run(self, operations: Sequence[Operation]) -> list[Outcome]:
        """The operations' outcomes, in order; what succeeded is committed."""
        with self._lock:
            try:
                values = self._patiently(operations, careful=False)
                return [Outcome(value) for value in values]
            except RefusedBatch:
                pass
            except Exception as error:  # whatever it is belongs to whoever asked
                if len(operations) == 1 or _concerns_all(error):
                    return [Outcome(error=error)] * len(operations)
            return [self._alone(operation) for operation in operations]

    def close(self) -> None:
        """Give up the connection."""
        with self._lock:
            self._drop()

    def _alone(self, operation: Operation) -> Outcome:
        try:
            (value,) = self._patiently([operation], careful=True)
        except Exception as error:  # whatever it is belongs to whoever asked
            return Outcome(error=error)
        return Outcome(value)

    def _patiently(self, operations: Sequence[Operation], *, careful: bool) -> list[Any]:
        return patiently(
            lambda: self._commit(operations, careful=careful),
            self._database.where,
            absence=LONGEST_ABSENCE,
        )

    def _commit(self, operations: Sequence[Operation], *, careful: bool) -> list[Any]:
        connection = self._connection
        if connection is None:
            connection = self._connection = self._database.engine.connect()
        try:
            self._database.begin(connection)
            transaction = Transaction(connection, careful=careful)
            values = [operation(transaction) for operation in operations]
            transaction.flush()
            self._finish(connection)
        except BaseException:
            self._undo(connection)
            raise
        return values

    def _finish(self, connection: Connection) -> None:
        try:
            connection.commit()
        except DBAPIError as error:
            if not is_lost(error):
                raise
            # Doing it again could refuse what was in fact recorded.
            raise StoreError(
                "the store was lost while it recorded: the last changes may be missing",
                where=self._database.where,
            ) from error

    def _undo(self, connection: Connection) -> None:
        try:
            connection.rollback()
        except DBAPIError:
            connection.invalidate()  # the next attempt connects anew
        if connection.invalidated:
            self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
