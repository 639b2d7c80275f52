"""`--exact`: libraries have a serial run's threads though cells run side by side."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orch_nb.app import RunRequest, run
from orch_nb.execution.threads import count_cores
from tests.command_line import code, make_document

COUNT = """import time
import numpy
from threadpoolctl import threadpool_info
time.sleep(0.5)
print(*{part["num_threads"] for part in threadpool_info()})
"""


@pytest.mark.skipif(count_cores() < 2, reason="one core can't be shared")
@pytest.mark.parametrize("exact", [False, True])
def test_cells_side_by_side_have_all_threads_or_their_share(
    exact: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        monkeypatch.delenv(name, raising=False)
    cores = count_cores()
    path = tmp_path / "threads.ipynb"
    cells = [code(f"turn = {number}\n{COUNT}", "task") for number in range(cores)]
    path.write_text(json.dumps(make_document(*cells)))
    done = run(RunRequest(str(path), options={"exact": exact, "max_workers": cores}))
    found = [
        output["text"].strip()
        for cell in done.document["cells"]
        for output in cell["outputs"]
        if output["output_type"] == "stream"
    ]
    if exact:
        assert found == [str(cores)] * cores
    else:
        assert "1" in found
