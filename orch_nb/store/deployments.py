"""Deployments with their versions and snapshots: saved, read, paused, rolled back, deleted."""

from __future__ import annotations

import difflib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import replace

from sqlalchemy import Select, delete, func, insert, select, update

from orch_nb.errors import NotFoundError, ResultError
from orch_nb.model import Json
from orch_nb.schedules.deployment import Deployment, DeploymentId, DeploymentVersion, Tick
from orch_nb.store import deployment_rows as rows
from orch_nb.store.deployment_tables import (
    DEPLOYMENT_VERSIONS,
    DEPLOYMENTS,
    SCHEDULES,
    SNAPSHOT_BLOBS,
    TICKS,
)
from orch_nb.store.rows import text, to_json
from orch_nb.store.store import Store
from orch_nb.store.times import now_micros
from orch_nb.store.transaction import Transaction
from orch_nb.store.upsert import upsert_into

Cursor = tuple[int | None, int | None]  # a schedule's next tick and the one before it, in µs


def save_deployment(
    transaction: Transaction,
    wanted: Deployment,
    blobs: Mapping[str, bytes],
    cursors: Sequence[Cursor],
) -> Deployment:
    """Record a deployment, or a new version of the one of that name; returns it as recorded.

    ``wanted.id`` is used for a new one. ``cursors`` has one entry for each schedule. What is
    paused stays so. A version that is the same as the current one makes no new one.
    """
    connection = transaction.connection
    now = now_micros()
    connection.execute(
        upsert_into(connection, DEPLOYMENTS)
        .values(
            id=wanted.id,
            name=text(wanted.name),
            version=0,
            paused=wanted.paused,
            created=now,
            updated=now,
        )
        .on_conflict_do_nothing(index_elements=["name"])
    )
    found = connection.execute(
        select(DEPLOYMENTS).where(DEPLOYMENTS.c.name == wanted.name).with_for_update(key_share=True)
    ).one()
    spec = to_json(wanted.spec.to_json())
    files = rows.files_json(wanted.files)
    versions = DEPLOYMENT_VERSIONS.c
    current = connection.execute(
        select(versions.spec, versions.files).where(
            versions.deployment_id == found.id, versions.version == found.version
        )
    ).first()
    version = found.version
    if current is None or tuple(current) != (spec, files):
        newest = connection.execute(
            select(func.max(versions.version)).where(versions.deployment_id == found.id)
        ).scalar()
        version = (newest or 0) + 1
        _put_blobs(transaction, blobs)
        connection.execute(
            insert(DEPLOYMENT_VERSIONS).values(
                deployment_id=found.id, version=version, created=now, spec=spec, files=files
            )
        )
    saved = replace(wanted, id=DeploymentId(found.id), version=version, paused=bool(found.paused))
    use_version(transaction, saved, version, cursors)
    return saved


def use_version(
    transaction: Transaction, deployment: Deployment, version: int, cursors: Sequence[Cursor]
) -> None:
    """Make a version the current one, with its schedules' cursors; NotFoundError without it.

    Where the schedules are those of the version before, their own cursors go on: what was due
    meanwhile is still to be decided.
    """
    connection = transaction.connection
    versions = DEPLOYMENT_VERSIONS.c
    known = connection.execute(
        select(versions.version).where(
            versions.deployment_id == deployment.id, versions.version == version
        )
    ).first()
    if known is None:
        raise NotFoundError(
            f"deployment {deployment.name} has no version {version}",
            hint=f"`orch-nb deployment history {deployment.name}` lists them",
        )
    before = connection.execute(
        select(DEPLOYMENTS.c.version).where(DEPLOYMENTS.c.id == deployment.id)
    ).scalar()
    connection.execute(
        update(DEPLOYMENTS)
        .where(DEPLOYMENTS.c.id == deployment.id)
        .values(version=version, updated=now_micros())
    )
    if _schedules(transaction, deployment, before) != _schedules(transaction, deployment, version):
        _set_cursors(transaction, deployment, cursors)


def set_paused(
    transaction: Transaction, deployment: Deployment, paused: bool, cursors: Sequence[Cursor]
) -> None:
    """Pause a deployment's schedules, or let them go on from ``cursors``."""
    transaction.connection.execute(
        update(DEPLOYMENTS)
        .where(DEPLOYMENTS.c.id == deployment.id)
        .values(paused=paused, updated=now_micros())
    )
    _set_cursors(transaction, replace(deployment, paused=paused), cursors)


def delete_deployment(transaction: Transaction, deployment_id: DeploymentId) -> None:
    """Forget a deployment with its versions, schedules and ticks; its runs stay recorded."""
    connection = transaction.connection
    connection.execute(delete(DEPLOYMENTS).where(DEPLOYMENTS.c.id == deployment_id))


def _put_blobs(transaction: Transaction, blobs: Mapping[str, bytes]) -> None:
    connection = transaction.connection
    for digest, data in blobs.items():
        connection.execute(
            upsert_into(connection, SNAPSHOT_BLOBS)
            .values(digest=digest, data=zlib.compress(data, 6))
            .on_conflict_do_nothing(index_elements=["digest"])
        )


def _schedules(
    transaction: Transaction, deployment: Deployment, version: int | None
) -> Json | None:
    """A version's schedules as they are stored; None for no version."""
    versions = DEPLOYMENT_VERSIONS.c
    spec = transaction.connection.execute(
        select(versions.spec).where(
            versions.deployment_id == deployment.id, versions.version == version
        )
    ).scalar()
    return None if spec is None else json.loads(spec)["schedules"]


def _set_cursors(
    transaction: Transaction, deployment: Deployment, cursors: Sequence[Cursor]
) -> None:
    connection = transaction.connection
    connection.execute(delete(SCHEDULES).where(SCHEDULES.c.deployment_id == deployment.id))
    given = [
        {
            "deployment_id": deployment.id,
            "position": position,
            "next_time": None if deployment.paused else next_time,
            "last_time": last_time,
        }
        for position, (next_time, last_time) in enumerate(cursors)
    ]
    if given:
        connection.execute(insert(SCHEDULES), given)


# -- reading -------------------------------------------------------------------------------


def _with_version() -> Select[tuple[object, ...]]:
    return select(DEPLOYMENTS, DEPLOYMENT_VERSIONS.c.spec, DEPLOYMENT_VERSIONS.c.files).join(
        DEPLOYMENT_VERSIONS,
        (DEPLOYMENT_VERSIONS.c.deployment_id == DEPLOYMENTS.c.id)
        & (DEPLOYMENT_VERSIONS.c.version == DEPLOYMENTS.c.version),
    )


def list_deployments(store: Store) -> tuple[Deployment, ...]:
    """All deployments, by name."""
    found = store.query(_with_version().order_by(DEPLOYMENTS.c.name))
    return tuple(rows.deployment(row) for row in found)


def get_deployment(store: Store, called: str) -> Deployment:
    """The deployment of that name or id. Raises NotFoundError, which suggests the nearest."""
    columns = DEPLOYMENTS.c
    found = store.query(_with_version().where((columns.name == called) | (columns.id == called)))
    if found:
        return rows.deployment(found[0])
    names = [row["name"] for row in store.query(select(columns.name))]
    near = difflib.get_close_matches(called, names, n=1)
    raise NotFoundError(
        f"there is no deployment {called!r}",
        hint=f"did you mean {near[0]} ?" if near else "`orch-nb deployments` lists them",
    )


def list_versions(store: Store, deployment_id: DeploymentId) -> tuple[DeploymentVersion, ...]:
    """A deployment's versions, the newest first."""
    versions = DEPLOYMENT_VERSIONS.c
    statement = (
        select(DEPLOYMENT_VERSIONS)
        .where(versions.deployment_id == deployment_id)
        .order_by(versions.version.desc())
    )
    return tuple(rows.deployment_version(row) for row in store.query(statement))


def get_version(store: Store, deployment_id: DeploymentId, version: int) -> DeploymentVersion:
    """One version of a deployment. Raises NotFoundError."""
    for found in list_versions(store, deployment_id):
        if found.version == version:
            return found
    raise NotFoundError(f"the deployment has no version {version}")


def read_snapshot(store: Store, digest: str) -> bytes:
    """What a file of a snapshot holds. Raises ResultError when it is not there."""
    statement = select(SNAPSHOT_BLOBS.c.data).where(SNAPSHOT_BLOBS.c.digest == digest)
    for row in store.query(statement):
        return zlib.decompress(row["data"])
    raise ResultError("a file of the deployment's snapshot is missing", hint="deploy it again")


def list_ticks(store: Store, deployment_id: DeploymentId, *, limit: int = 100) -> tuple[Tick, ...]:
    """What became of a deployment's ticks, the newest first."""
    ticks = TICKS.c
    statement = (
        select(TICKS)
        .where(ticks.deployment_id == deployment_id)
        .order_by(ticks.scheduled_time.desc())
        .limit(limit)
    )
    return tuple(rows.tick(row) for row in store.query(statement))


def lock_deployment(transaction: Transaction, deployment_id: DeploymentId) -> None:
    """Keep others from starting runs of the deployment until the transaction ends."""
    transaction.connection.execute(
        select(DEPLOYMENTS.c.id)
        .where(DEPLOYMENTS.c.id == deployment_id)
        .with_for_update(key_share=True)
    )
