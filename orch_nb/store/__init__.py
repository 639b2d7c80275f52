"""The store of runs: SQLite in a file, or PostgreSQL.

::

    with open_store() as store, StoreWriter(store) as writer:
        run = writer.submit(lambda t: t.create_flow_run(run, tasks, holder=me, by="cli")).result()
        writer.submit(lambda t: t.set_task_states(changes, epoch=run.epoch, by="driver"))
        store.list_runs(RunQuery(flow="sales"))

`Transaction` has everything that writes, and its contract; `Store` everything that reads.
"""

from orch_nb.store.backends import Backend
from orch_nb.store.ids import new_flow_run_id, new_task_run_id
from orch_nb.store.leases import LeaseObserver, is_gone, is_here, new_holder
from orch_nb.store.records import Lease, LogQuery, ResultRecord, RunQuery, TaskChange
from orch_nb.store.store import Store, keep_store_open, open_store
from orch_nb.store.transaction import Transaction
from orch_nb.store.writer import StoreWriter

__all__ = [
    "Backend",
    "Lease",
    "LeaseObserver",
    "LogQuery",
    "ResultRecord",
    "RunQuery",
    "Store",
    "StoreWriter",
    "TaskChange",
    "Transaction",
    "is_gone",
    "is_here",
    "keep_store_open",
    "new_flow_run_id",
    "new_holder",
    "new_task_run_id",
    "open_store",
]
