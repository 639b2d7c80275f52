"""Limits that all runs on a store share: their sizes, and who holds a place in them.

A place is a lease on ``limit/NAME``; its holder raises the counter as long as it lives.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, select

from orch_nb.store import claims
from orch_nb.store.records import Lease
from orch_nb.store.rows import text
from orch_nb.store.store import Store
from orch_nb.store.tables import LEASES, STORE_META
from orch_nb.store.transaction import Transaction
from orch_nb.store.upsert import upsert_into

PREFIX = "limit/"
DEFAULT_SIZE = 1


def limit_resource(name: str) -> str:
    """The name of a limit's leases."""
    return PREFIX + text(name)


def acquire_places(
    transaction: Transaction, wanted: Mapping[str, int], holder: str
) -> tuple[Lease, ...]:
    """Places in several limits, all or none: the empty tuple when one of them has too few free.

    ``wanted`` is by the limit's name. Limits are asked in one order by everybody, so that no two
    wait for each other. One without a size has a single place.
    """
    connection = transaction.connection
    got: list[Lease] = []
    for name in sorted(wanted):
        resource = limit_resource(name)
        given = connection.execute(
            select(STORE_META.c.value).where(STORE_META.c.key == resource)
        ).scalar()
        size = DEFAULT_SIZE if given is None else int(given)
        for _ in range(wanted[name]):
            lease = claims.acquire_slot(connection, resource, holder, size)
            if lease is None:
                for taken in got:
                    claims.free_slot(connection, taken)
                return ()
            got.append(lease)
    return tuple(got)


def free_places(transaction: Transaction, leases: Sequence[Lease]) -> None:
    """Give places back; no matter if they are free already."""
    for lease in leases:
        claims.free_slot(transaction.connection, lease)


def expire_places(transaction: Transaction, seen: Sequence[Lease]) -> int:
    """Free the places of dead holders, unless one has beaten since it was ``seen``; how many."""
    freed = 0
    for lease in seen:
        freed += transaction.connection.execute(
            delete(LEASES).where(
                LEASES.c.resource == lease.resource,
                LEASES.c.slot == lease.slot,
                LEASES.c.holder == lease.holder,
                LEASES.c.counter == lease.counter,
            )
        ).rowcount
    return freed


def put_sizes(transaction: Transaction, sizes: Mapping[str, int]) -> None:
    """Keep limits' sizes; the last one given counts for whoever gives none."""
    if not sizes:
        return
    statement = upsert_into(transaction.connection, STORE_META)
    transaction.connection.execute(
        statement.on_conflict_do_update(
            index_elements=["key"], set_={"value": statement.excluded.value}
        ),
        [{"key": limit_resource(name), "value": str(size)} for name, size in sorted(sizes.items())],
    )


def forget_size(transaction: Transaction, name: str) -> bool:
    """Forget a limit's size; whether there was one."""
    done = transaction.connection.execute(
        delete(STORE_META).where(STORE_META.c.key == limit_resource(name))
    )
    return done.rowcount == 1


def read_sizes(store: Store) -> dict[str, int]:
    """The limits' sizes by name."""
    key = STORE_META.c.key
    statement = select(STORE_META).where(key.startswith(PREFIX, autoescape=True)).order_by(key)
    found = store.query(statement)
    return {row["key"].removeprefix(PREFIX): int(row["value"]) for row in found}
