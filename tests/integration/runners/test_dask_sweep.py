"""A sweep on Dask: its runs share one cluster, and what does not vary runs once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orch_nb.app import SweepRequest, sweep
from orch_nb.runners import dask_cluster
from orch_nb.runners.dask_local import LocalCluster
from tests.command_line import code, make_document


@pytest.mark.timeout(280)
def test_a_sweep_on_dask_has_one_cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[LocalCluster] = []

    class Counted(LocalCluster):
        def __init__(self, workers: int) -> None:
            super().__init__(workers)
            started.append(self)

    monkeypatch.setattr(dask_cluster, "LocalCluster", Counted)
    path = tmp_path / "swept.ipynb"
    document = make_document(
        code("alpha: int = 1", "parameters"),
        code("import time\nstamp, base = time.time_ns(), 10", "task"),
        code(
            "import orch_nb\nscore = alpha * base\norch_nb.report(score=score, stamp=stamp)", "task"
        ),
        code("other = base + alpha", "task"),
    )
    path.write_text(json.dumps(document), encoding="utf-8")
    points = tuple({"alpha": str(n)} for n in (1, 2, 3))
    options = {"runner": "dask", "max_workers": 2}
    found = sweep(SweepRequest(str(path), points, options=options))
    assert [run.metrics["score"] for run in found.runs] == [10, 20, 30]
    assert len({run.metrics["stamp"] for run in found.runs}) == 1
    assert len(started) == 1
