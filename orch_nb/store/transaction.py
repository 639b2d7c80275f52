"""Everything that writes to the store, as methods of one open transaction.

The contract, on every backend:

* All that one transaction wrote becomes visible at once, or not at all.
* A change of state is a compare-and-set: it is refused (TransitionError) unless the run is in
  the state that the writer expected and the table of transitions allows the step; and it is
  refused (StaleClaimError) unless the writer's epoch is that of the run's latest claim.
* The history is append-only: each accepted change adds one row, and nothing alters a row.
* An operation (a function of a Transaction) may be called again when its transaction had to be
  rolled back: it must do nothing but call these methods.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import bindparam, delete, insert, select, update

from orch_nb.errors import TransitionError
from orch_nb.model import FlowRun, FlowRunId, Json, LogRecord, TaskRun
from orch_nb.states import StateName, check_transition
from orch_nb.store import claims, rows
from orch_nb.store.gathering import Gathering
from orch_nb.store.names import candidates
from orch_nb.store.records import Lease, ResultRecord, TaskChange
from orch_nb.store.tables import (
    CELL_SOURCES,
    FLOW_RUNS,
    HINTS,
    RESULTS,
    RUN_TAGS,
    STORE_META,
    TASK_RUNS,
)
from orch_nb.store.times import now_micros
from orch_nb.store.upsert import upsert_into

# What a notebook that was edited may alter of a task run.
_REVISED = (
    "name",
    "cell_number",
    "cell_id",
    "kind",
    "source_hash",
)

_SET_FLOW = update(FLOW_RUNS).where(
    FLOW_RUNS.c.id == bindparam("of_run"),
    FLOW_RUNS.c.state_name == bindparam("expected"),
)


class Transaction(Gathering):
    """An open transaction; made by `Store.write` and `StoreWriter`, never by hand."""

    # -- runs and their states -------------------------------------------------------------

    def create_flow_run(
        self, run: FlowRun, tasks: Sequence[TaskRun], *, holder: str | None, by: str
    ) -> FlowRun:
        """Record a new run with its task runs; returns it with the name and epoch it got.

        ``run.name`` may be empty (a name is found) or taken (a number is added). With a
        ``holder`` the run is claimed at once, with epoch 1; without, it waits to be claimed.
        """
        run = replace(run, epoch=0 if holder is None else 1)
        for name in candidates(run.name):
            run = replace(run, name=name)
            added = self._execute(
                upsert_into(self._connection, FLOW_RUNS)
                .values(rows.flow_run_row(run))
                .on_conflict_do_nothing(index_elements=["name"])
                .returning(FLOW_RUNS.c.id)
            )
            if added.first() is not None:
                break
        if run.tags:
            tags = [{"tag": rows.text(tag), "flow_run_id": run.id} for tag in set(run.tags)]
            self._execute(insert(RUN_TAGS), tags)
        if holder is not None:
            claims.insert_claim(self._connection, run.id, holder, epoch=1)
        self._claims[run.id] = run.epoch
        self._note_run(run, None, by)
        self.add_task_runs(run.id, tasks, epoch=run.epoch, by=by)
        return run

    def fill_in_run(self, run: FlowRun, tasks: Sequence[TaskRun], *, by: str) -> None:
        """Complete the record of a run that was recorded, and claimed, before its notebook was
        read: its parameters, options and paths, and its task runs. Its state stays.
        """
        self.check_claim(run.id, run.epoch)
        row = rows.flow_run_row(run)
        filled = ("notebook", "parameters", "parameter_sources", "options", "request", "output")
        self._execute(
            update(FLOW_RUNS)
            .where(FLOW_RUNS.c.id == run.id)
            .values({name: row[name] for name in filled})
        )
        self.add_task_runs(run.id, tasks, epoch=run.epoch, by=by)

    def note_new_run(self, run: FlowRun, by: str) -> None:
        """Begin the history of an unclaimed run whose row was written beside this class."""
        self._claims[run.id] = run.epoch
        self._note_run(run, None, by)

    def note_claim(self, run_id: FlowRunId, epoch: int) -> None:
        """Know of a claim that was made beside this class, in this transaction."""
        self._claims[run_id] = epoch

    def add_task_runs(
        self, run_id: FlowRunId, tasks: Sequence[TaskRun], *, epoch: int, by: str
    ) -> None:
        """Record further task runs of a claimed run (dynamic flows, cells that are new)."""
        self.check_claim(run_id, epoch)
        if not tasks:
            return
        self._execute(insert(TASK_RUNS), [rows.task_run_row(task) for task in tasks])
        for task in tasks:
            self._note_task(task, None, by)

    def revise_task_runs(
        self,
        run_id: FlowRunId,
        revised: Sequence[TaskRun],
        removed: Sequence[TaskRun],
        *,
        epoch: int,
    ) -> None:
        """Fit a claimed run's task runs to its notebook as it is now: their cells' numbers,
        names and sources (their states stay), and those whose cells are gone go too.
        """
        self.check_claim(run_id, epoch)
        tasks = TASK_RUNS.c
        if removed:
            gone = [task.id for task in removed]
            self._execute(delete(TASK_RUNS).where(tasks.flow_run_id == run_id, tasks.id.in_(gone)))
        for task in revised:
            row = rows.task_run_row(task)
            self._execute(
                update(TASK_RUNS)
                .where(tasks.id == task.id, tasks.flow_run_id == run_id)
                .values({name: row[name] for name in _REVISED})
            )

    def put_sources(self, sources: Mapping[str, str]) -> None:
        """Keep cells' texts, by their hashes; one that is there already is left alone."""
        if sources:
            self._execute(
                upsert_into(self._connection, CELL_SOURCES).on_conflict_do_nothing(
                    index_elements=["hash"]
                ),
                [{"hash": key, "source": rows.text(text)} for key, text in sources.items()],
            )

    def set_flow_state(self, run: FlowRun, *, expected: StateName, by: str) -> None:
        """Record ``run`` as it now is, if it was ``expected`` and ``run.epoch`` is the claim's.

        Its id, name and tags stay as they are.
        """
        check_transition(f"run {run.name}", expected, run.state_name)
        self.check_claim(run.id, run.epoch)
        row = rows.flow_run_row(run)
        for fixed in ("id", "name", "tags", "epoch"):
            del row[fixed]
        done = self._execute(_SET_FLOW.values(row), {"of_run": run.id, "expected": expected.value})
        if done.rowcount != 1:
            raise TransitionError(
                f"run {run.name} is no longer {expected} and can't become {run.state_name}",
                story=self.story(run.id),
            )
        self._note_run(run, expected, by)

    def set_task_states(self, changes: Sequence[TaskChange], *, epoch: int, by: str) -> None:
        """Record task runs as they now are; all of them, or none when one is refused."""
        for change in changes:
            task = change.task
            check_transition(f"task {task.name}", change.expected, task.state_name)
            self.check_claim(task.flow_run_id, epoch)
            self._change_task(change)
            self._note_task(task, change.expected, by)

    def request_cancel(self, run_id: FlowRunId, *, by: str) -> None:
        """Ask the run's driver to cancel it; asking twice is the same as once."""
        asked = FLOW_RUNS.c.cancel_requested
        self._execute(
            update(FLOW_RUNS)
            .where(FLOW_RUNS.c.id == run_id, asked.is_(None))
            .values(cancel_requested=now_micros(), cancel_requested_by=rows.text(by))
        )

    # -- claims ----------------------------------------------------------------------------

    def claim(self, run_id: FlowRunId, holder: str) -> int:
        """Claim a run that nobody holds; returns the claim's epoch. A wish to cancel the run
        that was not yet fulfilled is forgotten.

        Raises StaleClaimError when it is held (see `LeaseObserver` and ``take_over``).
        """
        self.flush()
        return self._claimed(run_id, claims.claim(self._connection, run_id, holder))

    def take_over(self, seen: Lease, holder: str) -> int:
        """Take a run from a holder whose lease has expired; returns the new epoch.

        Raises StaleClaimError when the lease is no longer as ``seen``: its holder lives.
        """
        self.flush()
        return self._claimed(
            claims.run_of(seen.resource), claims.take_over(self._connection, seen, holder)
        )

    def claim_due(self, holder: str, *, limit: int = 1) -> tuple[FlowRunId, ...]:
        """Claim up to ``limit`` scheduled runs whose time has come, the longest due first.

        However many processes ask, each run goes to one of them, and none waits for another.
        """
        self.flush()
        found = claims.claim_due(self._connection, holder, now_micros(), limit)
        self._claims.update(found)
        return tuple(found)

    def _claimed(self, run_id: FlowRunId, epoch: int) -> int:
        self._claims[run_id] = epoch
        return epoch

    def beat(self, run_id: FlowRunId, epoch: int) -> None:
        """Show that the run's holder lives. Raises StaleClaimError when it was taken over."""
        self.check_claim(run_id, epoch)
        claims.beat(self._connection, claims.run_resource(run_id), epoch)

    def release(self, run_id: FlowRunId, epoch: int) -> None:
        """Give the claim back; the epoch can't be used to write any more."""
        self.check_claim(run_id, epoch)
        self.flush()
        self._claimed(run_id, claims.release(self._connection, run_id, epoch))

    def acquire_slot(self, resource: str, holder: str, *, slots: int) -> Lease | None:
        """One of the ``slots`` of a resource ("limit/db"), or None when all are taken."""
        return claims.acquire_slot(self._connection, resource, holder, slots)

    def renew_slots(self, leases: Sequence[Lease]) -> tuple[Lease, ...]:
        """Show that the slots' holder lives; returns those that it still holds."""
        return tuple(
            lease
            for lease in leases
            if claims.beat(self._connection, lease.resource, lease.epoch, lease)
        )

    def free_slot(self, lease: Lease) -> None:
        """Give a slot back, or free that of a dead holder; no matter if it is free already."""
        claims.free_slot(self._connection, lease)

    # -- logs, results, hints --------------------------------------------------------------

    def append_logs(self, records: Sequence[LogRecord]) -> None:
        """Record log records, in order."""
        for record in records:
            self._add_log(record)

    def record_result(self, result: ResultRecord, *, epoch: int) -> None:
        """Record what became of an attempt's values. A kept result is recorded in the same
        transaction as, or one before, the state that announces it.
        """
        self.check_claim(result.flow_run_id, epoch)
        self._add_result(result)

    def void_results(self, task_ids: Sequence[str], reason: str) -> None:
        """Note that what tasks made serves for nothing; what their attempts showed stays."""
        if task_ids:
            self._execute(
                update(RESULTS)
                .where(RESULTS.c.task_run_id.in_(task_ids))
                .values(kept=False, reason=rows.text(reason), recipe="", cache_key=None)
            )

    def touch_results(self, digests: Sequence[str]) -> None:
        """Note that blobs were used now: the least recently used are the first to go."""
        if digests:
            self._execute(
                update(RESULTS).where(RESULTS.c.digest.in_(digests)).values(last_used=now_micros())
            )

    def forget_results(self, digests: Sequence[str], reason: str) -> None:
        """Note that blobs are gone: their results count as not kept, for ``reason``."""
        if digests:
            self._execute(
                update(RESULTS)
                .where(RESULTS.c.digest.in_(digests))
                .values(kept=False, reason=rows.text(reason))
            )

    def put_hints(self, notebook: str, hints: Mapping[str, Json]) -> None:
        """Keep what was learned of a notebook's cells, by each cell's source hash."""
        if not hints:
            return
        now = now_micros()
        statement = upsert_into(self._connection, HINTS)
        self._execute(
            statement.on_conflict_do_update(
                index_elements=["notebook", "cell_hash"],
                set_={"hint": statement.excluded.hint, "updated": statement.excluded.updated},
            ),
            [
                {
                    "notebook": rows.text(notebook),
                    "cell_hash": key,
                    "hint": rows.to_json(hint),
                    "updated": now,
                }
                for key, hint in hints.items()
            ],
        )

    def put_meta(self, key: str, value: str, *, replace: str | None = None) -> str:
        """Keep a fact about the store if there is none by that key, or if the one there is
        ``replace``; returns the kept one.
        """
        meta = STORE_META.c
        self._execute(
            upsert_into(self._connection, STORE_META)
            .values(key=key, value=value)
            .on_conflict_do_nothing(index_elements=["key"])
        )
        if replace is not None:
            old = update(STORE_META).where(meta.key == key, meta.value == replace)
            self._execute(old.values(value=value))
        return str(self._execute(select(meta.value).where(meta.key == key)).scalar_one())
