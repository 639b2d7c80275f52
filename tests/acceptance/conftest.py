"""Each acceptance test's own folders, and notebooks written into them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import RUNNER, Bench, make_document


@pytest.fixture(scope="session", autouse=True)
def one_cluster() -> Iterator[None]:
    """With ORCH_NB_TEST_RUNNER=dask all runs share a cluster: to start one takes seconds."""
    if RUNNER != "dask":
        yield
        return
    from orch_nb.runners.dask_local import LocalCluster

    cluster = LocalCluster(2)
    os.environ["ORCH_NB_DASK"] = cluster.scheduler_address
    yield
    del os.environ["ORCH_NB_DASK"]
    cluster.close()


@pytest.fixture
def bench(tmp_path: Path, orch_home: Path) -> Iterator[Bench]:
    """Runs `orch-nb`; what it leaves running is killed after the test."""
    made = Bench(tmp_path, orch_home)
    yield made
    for process in made.processes():
        process.kill()


@pytest.fixture
def write_notebook(bench: Bench) -> Callable[..., Path]:
    """Writes a notebook (see `make_document`) into the working folder."""

    def write(*cells: str | dict[str, Any], name: str = "sales.ipynb", **top: Any) -> Path:
        path = bench.folder / name
        path.write_text(json.dumps(make_document(*cells, **top)), encoding="utf-8")
        return path

    return write
