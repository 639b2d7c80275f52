"""Claims: who may write to a run, and who holds a slot of a limit.

A claim has an epoch that grows with every claim of the same run and is checked at each write,
so that a process that was taken for dead can't write when it wakes. Its holder raises a
counter; whoever watches decides by a clock of their own that it has stopped (`LeaseObserver`).
Locks are taken in one order everywhere: the run's row, then the lease's.
"""

from __future__ import annotations

from sqlalchemy import Connection, delete, insert, select, update

from orch_nb.errors import NotFoundError, StaleClaimError
from orch_nb.model import FlowRunId
from orch_nb.states import StateType
from orch_nb.store import rows
from orch_nb.store.records import Lease
from orch_nb.store.tables import FLOW_RUNS, LEASES
from orch_nb.store.upsert import upsert_into

_RUN = "run/"


def run_resource(run_id: FlowRunId) -> str:
    """The name of the lease on a flow run."""
    return _RUN + run_id


def run_of(resource: str) -> FlowRunId:
    """The flow run that a lease is on; ValueError for a lease on something else."""
    if not resource.startswith(_RUN):
        raise ValueError(f"{resource!r} is no lease on a flow run")
    return FlowRunId(resource.removeprefix(_RUN))


def insert_claim(connection: Connection, run_id: FlowRunId, holder: str, epoch: int) -> None:
    """Add the lease of a run that is known to have none."""
    connection.execute(
        insert(LEASES).values(
            resource=run_resource(run_id),
            slot=0,
            holder=rows.text(holder),
            epoch=epoch,
            counter=0,
        )
    )


def claim(connection: Connection, run_id: FlowRunId, holder: str) -> int:
    """Claim a run that nobody holds; returns the new epoch, or raises StaleClaimError."""
    epoch = connection.execute(
        select(FLOW_RUNS.c.epoch).where(FLOW_RUNS.c.id == run_id).with_for_update()
    ).scalar()
    if epoch is None:
        raise NotFoundError(f"there is no run {run_id}")
    held = connection.execute(
        select(LEASES.c.holder).where(LEASES.c.resource == run_resource(run_id))
    ).scalar()
    if held is not None:
        raise StaleClaimError(
            f"the run is held by {held}", hint="cancel it, or wait until it has ended"
        )
    connection.execute(
        update(FLOW_RUNS)
        .where(FLOW_RUNS.c.id == run_id)
        .values(epoch=epoch + 1, cancel_requested=None, cancel_requested_by=None)
    )
    insert_claim(connection, run_id, holder, epoch + 1)
    return int(epoch) + 1


def take_over(connection: Connection, seen: Lease, holder: str) -> int:
    """Take the run of an expired lease; StaleClaimError when the lease is not as ``seen``."""
    run_id = run_of(seen.resource)
    connection.execute(select(FLOW_RUNS.c.epoch).where(FLOW_RUNS.c.id == run_id).with_for_update())
    taken = connection.execute(
        update(LEASES)
        .where(
            LEASES.c.resource == seen.resource,
            LEASES.c.slot == seen.slot,
            LEASES.c.epoch == seen.epoch,
            LEASES.c.counter == seen.counter,
        )
        .values(holder=rows.text(holder), epoch=seen.epoch + 1, counter=0)
    )
    if taken.rowcount != 1:
        raise StaleClaimError("the run's holder is alive, or another process was faster")
    connection.execute(
        update(FLOW_RUNS).where(FLOW_RUNS.c.id == run_id).values(epoch=seen.epoch + 1)
    )
    return seen.epoch + 1


def claim_due(connection: Connection, holder: str, now: int, limit: int) -> dict[FlowRunId, int]:
    """Claim scheduled runs that are due at ``now`` (microseconds); their epochs by id."""
    due = connection.execute(
        select(FLOW_RUNS.c.id, FLOW_RUNS.c.epoch)
        .where(
            FLOW_RUNS.c.state_type == StateType.SCHEDULED.value,
            FLOW_RUNS.c.scheduled_time <= now,
            # The prefix is written out, and so the lease is looked up by its primary key.
            ~select(LEASES.c.slot)
            .where(LEASES.c.resource == _RUN + FLOW_RUNS.c.id)
            .correlate(FLOW_RUNS)
            .exists(),
        )
        .order_by(FLOW_RUNS.c.scheduled_time, FLOW_RUNS.c.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    claimed = {}
    for run_id, epoch in due:
        connection.execute(
            update(FLOW_RUNS).where(FLOW_RUNS.c.id == run_id).values(epoch=epoch + 1)
        )
        insert_claim(connection, run_id, holder, epoch + 1)
        claimed[FlowRunId(run_id)] = epoch + 1
    return claimed


def release(connection: Connection, run_id: FlowRunId, epoch: int) -> int:
    """Delete the lease and raise the run's epoch, which is returned."""
    connection.execute(delete(LEASES).where(LEASES.c.resource == run_resource(run_id)))
    connection.execute(update(FLOW_RUNS).where(FLOW_RUNS.c.id == run_id).values(epoch=epoch + 1))
    return epoch + 1


def beat(connection: Connection, resource: str, epoch: int, slot: Lease | None = None) -> bool:
    """Raise a lease's counter; False when the lease is no longer that epoch's and holder's."""
    statement = update(LEASES).where(
        LEASES.c.resource == resource,
        LEASES.c.slot == (0 if slot is None else slot.slot),
        LEASES.c.epoch == epoch,
    )
    if slot is not None:
        statement = statement.where(LEASES.c.holder == slot.holder)
    return connection.execute(statement.values(counter=LEASES.c.counter + 1)).rowcount == 1


def acquire_slot(connection: Connection, resource: str, holder: str, slots: int) -> Lease | None:
    """The lowest free slot under ``slots``, or None."""
    taken = set(
        connection.execute(select(LEASES.c.slot).where(LEASES.c.resource == resource)).scalars()
    )
    if len(taken) >= slots:
        return None
    for slot in sorted(set(range(slots)) - taken):
        lease = Lease(resource, slot, rows.text(holder), epoch=1, counter=0)
        added = connection.execute(
            upsert_into(connection, LEASES)
            .values(resource=resource, slot=slot, holder=lease.holder, epoch=1, counter=0)
            .on_conflict_do_nothing(index_elements=["resource", "slot"])
            .returning(LEASES.c.slot)
        )
        if added.first() is not None:
            return lease
    return None


def free_slot(connection: Connection, lease: Lease) -> None:
    """Delete the slot's lease if it is still that holder's."""
    connection.execute(
        delete(LEASES).where(
            LEASES.c.resource == lease.resource,
            LEASES.c.slot == lease.slot,
            LEASES.c.holder == lease.holder,
        )
    )
