"""The store of runs: what is recorded, read back. Writing goes through `Transaction`."""

from __future__ import annotations

import difflib
import json
import os
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Any, Self, TypeVar

from sqlalchemy import Connection, RowMapping, Select, func, select

from orch_nb.browser import refuse_in_browser
from orch_nb.errors import NotFoundError, StoreError
from orch_nb.model import FlowRun, FlowRunId, Json, LogRecord, StateChange, TaskRun, TaskRunId
from orch_nb.places import find_places, key_beside, store_url, wants_durability
from orch_nb.results.signing import KeyRing, file_keyring, given_keyring, rotate_file
from orch_nb.store import rows
from orch_nb.store.backends import Backend, Database, open_database
from orch_nb.store.commit import Committer, Operation, Outcome
from orch_nb.store.ids import first_id_at
from orch_nb.store.patience import LONGEST_ABSENCE, patiently
from orch_nb.store.records import Lease, LogQuery, ResultRecord, RunQuery
from orch_nb.store.schema import make_current
from orch_nb.store.tables import (
    CELL_SOURCES,
    FLOW_RUNS,
    HINTS,
    LEASES,
    LOGS,
    RESULTS,
    RUN_TAGS,
    STATE_HISTORY,
    STORE_META,
    TASK_RUNS,
)
from orch_nb.store.transaction import Transaction

T = TypeVar("T")

ALL_RUNS = RunQuery()
ALL_LOGS = LogQuery()
_KEYS = "signing_keys"
_SHORTEST_PREFIX = 4
_MOST_VARIABLES = 500  # of one statement: databases have a limit


def open_store(url: str | None = None) -> Store:
    """Open the store at a database URL or the path of an SQLite file; by default the user's own
    (``ORCH_NB_STORE``, else a file in the data folder). A store that is not there is made; one
    of an older orch_nb is migrated, on SQLite after a copy.

    Raises StoreVersionError for a store of a newer orch_nb, StoreError for one that can't be
    used, both in words.
    """
    refuse_in_browser("the record of runs", "nothing is recorded there")
    place = find_places().store_url if url is None else store_url(url)
    kept = _KEPT.get(place)
    if kept is not None and kept.is_ours:
        return kept
    database = open_database(place, durable=wants_durability())
    try:
        notices = patiently(lambda: make_current(database), database.where)
    except BaseException:
        database.engine.dispose()
        raise
    return Store(database, database.notices + notices)


_KEPT: dict[str, Store] = {}  # by URL


def keep_store_open(url: str | None = None) -> Store:
    """Open the store once for all of this process, which is to use it for long: until
    ``close_for_good``, ``open_store`` gives this one, and closing it does nothing.
    """
    place = find_places().store_url if url is None else store_url(url)
    store = open_store(place)
    store.kept = True
    return _KEPT.setdefault(place, store)


class Store:
    """An open store. Any thread may use it; a process forked from this one may not.

    Reads see what was committed before they began. ``notices`` are sentences for the user.
    """

    def __init__(self, database: Database, notices: tuple[str, ...]) -> None:
        self.notices = notices
        self._database = database
        self._committer = Committer(database)
        self._process = os.getpid()
        self.kept = False  # see keep_store_open

    @property
    def is_ours(self) -> bool:
        """Whether this process opened it."""
        return self._process == os.getpid()

    @property
    def where(self) -> str:
        """What to call the store in messages: a path, or a URL without its password."""
        return self._database.where

    @property
    def backend(self) -> Backend:
        """The kind of database."""
        return self._database.backend

    def close(self) -> None:
        """Close all connections, unless others of this process go on with it."""
        if not self.kept:
            self._dispose()

    def close_for_good(self) -> None:
        """Close a store that was kept open."""
        for place in [place for place, store in _KEPT.items() if store is self]:
            del _KEPT[place]
        self.kept = False
        self._dispose()

    def _dispose(self) -> None:
        self._committer.close()
        self._database.engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # -- writing ---------------------------------------------------------------------------

    def write(self, operation: Callable[[Transaction], T]) -> T:
        """Do an operation in a transaction of its own and return its value.

        A driver, which writes often, gives its operations to a `StoreWriter` instead.
        """
        (outcome,) = self.write_all([operation])
        value: T = outcome.unwrap()
        return value

    def write_all(self, operations: list[Operation]) -> list[Outcome]:
        """Do operations in one transaction if none fails; the failed spoil only themselves."""
        self._check_process()
        return self._committer.run(operations)

    def keyring(self) -> KeyRing:
        """The keys that sign this store's results, made when there are none yet.

        ``ORCH_NB_KEY`` if it is set; else a file of mode 0600 beside SQLite's, or a row.
        """
        given = given_keyring()
        if given is not None:
            return given
        if self._database.path is not None:
            return file_keyring(key_beside(self._database.path))
        found = self._rows(select(STORE_META.c.value).where(STORE_META.c.key == _KEYS))
        if found:
            return KeyRing.from_json(found[0]["value"])
        fresh = KeyRing.create().to_json()
        return KeyRing.from_json(self.write(lambda t: t.put_meta(_KEYS, fresh)))

    def rotate_key(self) -> KeyRing:
        """Make a new signing key; what the older ones signed stays valid.

        Raises StoreError when the key is given by ``ORCH_NB_KEY``.
        """
        if given_keyring() is not None:
            raise StoreError(
                "the signing key is given by ORCH_NB_KEY",
                hint="put a new one before it, separated by a comma",
            )
        if self._database.path is not None:
            return rotate_file(key_beside(self._database.path))
        old = self.keyring()
        new = old.rotated().to_json()
        kept = self.write(lambda t: t.put_meta(_KEYS, new, replace=old.to_json()))
        return KeyRing.from_json(kept)

    # -- runs ------------------------------------------------------------------------------

    def get_run(self, called: str) -> FlowRun:
        """The run of that id, name, or unique beginning of an id.

        Raises NotFoundError, which suggests the nearest name.
        """
        runs = FLOW_RUNS.c
        query = select(FLOW_RUNS).where((runs.id == called) | (runs.name == called))
        found = self._rows(query)
        if not found and len(called) >= _SHORTEST_PREFIX and _is_hex(called):
            starts = (runs.id >= called.lower(), runs.id < called.lower() + "g")
            found = self._rows(select(FLOW_RUNS).where(*starts).order_by(runs.id).limit(2))
            if len(found) > 1:
                raise NotFoundError(
                    f"several runs have an id that starts with {called}",
                    hint="give more of the id, or the run's name",
                )
        if found:
            return rows.flow_run(found[0])
        recent = select(runs.name).order_by(runs.id.desc()).limit(1000)
        near = difflib.get_close_matches(called, [row["name"] for row in self._rows(recent)], n=1)
        raise NotFoundError(
            f"there is no run {called!r}",
            hint=f"did you mean {near[0]} ?" if near else "`orch-nb runs` lists them",
        )

    def list_runs(self, query: RunQuery = ALL_RUNS) -> tuple[FlowRun, ...]:
        """A page of runs, newest first; the next page has ``before=page[-1].id``."""
        runs = FLOW_RUNS.c
        statement = select(FLOW_RUNS).order_by(runs.id.desc()).limit(query.limit)
        if query.state_types:
            statement = statement.where(runs.state_type.in_([s.value for s in query.state_types]))
        if query.state_names:
            statement = statement.where(runs.state_name.in_([s.value for s in query.state_names]))
        if query.flow is not None:
            statement = statement.where(runs.flow == query.flow)
        if query.notebook is not None:
            statement = statement.where(runs.notebook == rows.text(query.notebook))
        if query.tag is not None:
            statement = statement.join(RUN_TAGS, RUN_TAGS.c.flow_run_id == runs.id)
            statement = statement.where(RUN_TAGS.c.tag == query.tag)
        if query.since is not None:
            statement = statement.where(runs.id >= first_id_at(query.since))
        if query.until is not None:
            statement = statement.where(runs.id < first_id_at(query.until))
        if query.before is not None:
            statement = statement.where(runs.id < query.before)
        return tuple(rows.flow_run(row) for row in self._rows(statement))

    def child_runs(self, run_id: FlowRunId) -> tuple[FlowRun, ...]:
        """The runs that a run started, oldest first."""
        runs = FLOW_RUNS.c
        statement = select(FLOW_RUNS).where(runs.parent_run == run_id).order_by(runs.id)
        return tuple(rows.flow_run(row) for row in self._rows(statement))

    def task_runs(self, run_id: FlowRunId) -> tuple[TaskRun, ...]:
        """A run's task runs, in document order."""
        tasks = TASK_RUNS.c
        statement = (
            select(TASK_RUNS)
            .where(tasks.flow_run_id == run_id)
            .order_by(tasks.cell_number, tasks.map_index, tasks.id)
        )
        return tuple(rows.task_run(row) for row in self._rows(statement))

    def history(
        self, run_id: FlowRunId, task_id: TaskRunId | None = None
    ) -> tuple[StateChange, ...]:
        """All changes of a run and its tasks, or of one task in it, in the order recorded."""
        changes = STATE_HISTORY.c
        statement = select(STATE_HISTORY).where(changes.flow_run_id == run_id).order_by(changes.id)
        if task_id is not None:
            statement = statement.where(changes.task_run_id == task_id)
        return tuple(rows.state_change(row) for row in self._rows(statement))

    def logs(self, run_id: FlowRunId, query: LogQuery = ALL_LOGS) -> tuple[LogRecord, ...]:
        """A run's log records, oldest first."""
        logs = LOGS.c
        statement = (
            select(LOGS)
            .where(logs.flow_run_id == run_id, logs.id > query.after)
            .order_by(logs.id)
            .limit(query.limit)
        )
        if query.task is not None:
            statement = statement.where(logs.task == query.task)
        if query.min_level:
            statement = statement.where(logs.level >= query.min_level)
        return tuple(rows.log_record(row) for row in self._rows(statement))

    def cancel_requested(self, run_id: FlowRunId) -> str | None:
        """Who asked for the run to be cancelled; None when nobody did."""
        asked = FLOW_RUNS.c.cancel_requested_by
        found = self._rows(select(asked).where(FLOW_RUNS.c.id == run_id))
        return found[0]["cancel_requested_by"] if found else None

    def leases(self, resource_prefix: str = "") -> tuple[Lease, ...]:
        """The claims now held, on runs ("run/") or limits ("limit/")."""
        resource = LEASES.c.resource
        statement = select(LEASES).order_by(resource, LEASES.c.slot)
        if resource_prefix:
            statement = statement.where(resource.startswith(resource_prefix, autoescape=True))
        return tuple(rows.lease(row) for row in self._rows(statement))

    # -- results and hints -----------------------------------------------------------------

    def results(self, run_id: FlowRunId) -> tuple[ResultRecord, ...]:
        """What became of the values of a run's tasks, in the order recorded."""
        found = RESULTS.c
        statement = select(RESULTS).where(found.flow_run_id == run_id).order_by(found.id)
        return tuple(rows.result_record(row) for row in self._rows(statement))

    def sources(self, hashes: Iterable[str]) -> dict[str, str]:
        """Cells' texts as they were run, by their hashes; unknown hashes are left out."""
        texts = CELL_SOURCES.c
        wanted = sorted(set(hashes))
        found: dict[str, str] = {}
        for start in range(0, len(wanted), _MOST_VARIABLES):
            part = wanted[start : start + _MOST_VARIABLES]
            rows_found = self._rows(select(CELL_SOURCES).where(texts.hash.in_(part)))
            found |= {row["hash"]: row["source"] for row in rows_found}
        return found

    def find_results(self, cache_key: str, limit: int = 20) -> tuple[ResultRecord, ...]:
        """The kept results of that cache key, the newest first."""
        found = RESULTS.c
        statement = (
            select(RESULTS)
            .where(found.cache_key == cache_key, found.kept)
            .order_by(found.id.desc())
            .limit(limit)
        )
        return tuple(rows.result_record(row) for row in self._rows(statement))

    def noted_results(
        self, flow: str, notebook: str, task: str, *, before: int | None = None, limit: int = 20
    ) -> tuple[ResultRecord, ...]:
        """What earlier runs of a notebook noted of the task of that name, the newest first;
        ``before`` is a result's id."""
        runs, tasks, found = FLOW_RUNS.c, TASK_RUNS.c, RESULTS.c
        statement = (
            select(RESULTS)
            .join(TASK_RUNS, tasks.id == found.task_run_id)
            .join(FLOW_RUNS, runs.id == found.flow_run_id)
            .where(runs.flow == flow, runs.notebook == notebook, tasks.name == task)
            .where(found.cache_note.is_not(None))
            .order_by(found.id.desc())
            .limit(limit)
        )
        if before is not None:
            statement = statement.where(found.id < before)
        return tuple(rows.result_record(row) for row in self._rows(statement))

    def last_uses(self) -> dict[str, float]:
        """When each kept blob was last used (seconds since 1970), by its digest."""
        found = RESULTS.c
        statement = (
            select(found.digest, func.max(found.last_used).label("last_used"))
            .where(found.kept, found.digest.is_not(None))
            .group_by(found.digest)
        )
        return {row["digest"]: row["last_used"] / 1e6 for row in self._rows(statement)}

    def get_hints(self, notebook: str) -> dict[str, Json]:
        """What was learned of a notebook's cells, by each cell's source hash."""
        statement = select(HINTS.c.cell_hash, HINTS.c.hint).where(
            HINTS.c.notebook == rows.text(notebook)
        )
        return {row["cell_hash"]: json.loads(row["hint"]) for row in self._rows(statement)}

    # -- how reads are done ----------------------------------------------------------------

    def query(self, statement: Select[Any]) -> list[RowMapping]:
        """The rows of a statement; for the modules of this package."""
        return self._rows(statement)

    def _rows(self, statement: Select[Any]) -> list[RowMapping]:
        return self._read(lambda connection: list(connection.execute(statement).mappings()))

    def _read(self, query: Callable[[Connection], T]) -> T:
        self._check_process()

        def attempt() -> T:
            with self._database.engine.connect() as connection:
                return query(connection)

        return patiently(attempt, self.where, absence=LONGEST_ABSENCE)

    def _check_process(self) -> None:
        if os.getpid() != self._process:
            raise StoreError(
                "a forked process can't use its parent's store",
                where=self.where,
                hint="open a store of its own after the fork",
            )


def _is_hex(called: str) -> bool:
    return all(letter in "0123456789abcdef" for letter in called.lower())
