"""Stores on each backend, and deployments in them."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest

from orch_nb.schedules import CronSchedule, Schedule
from orch_nb.schedules.deployment import Deployment, DeploymentId, DeploymentSpec
from orch_nb.store import Store, new_flow_run_id
from orch_nb.store.deployments import save_deployment
from orch_nb.store.ticking import first_cursors
from tests.integration.store.conftest import (
    postgresql_server,
    postgresql_url,
    store,
    store_url,
)

__all__ = ["postgresql_server", "postgresql_url", "store", "store_url"]

START = datetime(2026, 3, 2, 0, 0, 30, tzinfo=UTC)  # a Monday
HOURLY = CronSchedule("0 * * * *", "UTC")

Deploy = Callable[..., Deployment]


@pytest.fixture
def deploy(store: Store) -> Deploy:
    """Records a deployment of a notebook that nobody reads."""

    def record(
        name: str = "report/daily",
        *schedules: Schedule,
        now: datetime = START,
        **fields: Any,
    ) -> Deployment:
        return save_plain(store, name, schedules, now, fields)

    return record


def save_plain(
    store: Store,
    name: str,
    schedules: tuple[Schedule, ...],
    now: datetime,
    fields: dict[str, Any],
) -> Deployment:
    """Record a deployment with these schedules and spec fields."""
    spec = DeploymentSpec(notebook="/x/report.ipynb", flow="report", schedules=schedules, **fields)
    wanted = Deployment(DeploymentId(str(new_flow_run_id())), name, 0, spec)
    return store.write(lambda t: save_deployment(t, wanted, {}, first_cursors(spec, now)))
