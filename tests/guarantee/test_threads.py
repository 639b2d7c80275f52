"""Cells share the cores: the threads of BLAS and OpenMP, and what the notebook itself asks for."""

from __future__ import annotations

import ast
import json
from pathlib import Path

import pytest

from orch_nb.app.running import RunRequest
from orch_nb.app.verifying import threads_for, verify
from orch_nb.execution.threads import ThreadShare, count_cores
from tests.guarantee.harness import HEAVY, LIGHT, Bench

IMPORTS = "import os, threading, time\nimport numpy as np, threadpoolctl"
TOLD = "{one['num_threads'] for one in threadpoolctl.threadpool_info()}"
HALF = max(1, count_cores() // 2)


def shown(outputs: tuple[str, ...]) -> object:
    return ast.literal_eval(outputs[0].removeprefix("stdout: "))


def test_two_that_run_together_have_half_each_and_one_alone_has_all(bench: Bench) -> None:
    seen = bench.run(
        (
            IMPORTS,
            f"time.sleep(0.3); a = 1; print({TOLD})",
            f"time.sleep(0.3); b = 1; print({TOLD})",
            f"c = a + b; print({TOLD})",
        ),
        threads=0,
    )
    assert seen.state == "Completed", seen.message
    assert [shown(outputs) for outputs in seen.outputs[1:4]] == [{HALF}, {HALF}, {count_cores()}]


def test_a_library_that_a_cell_loads_itself_keeps_to_the_share(bench: Bench) -> None:
    seen = bench.run(
        (
            "import os, threadpoolctl, time",
            f"from sklearn import linear_model; time.sleep(0.2); a = {TOLD}; print(a)",
            "time.sleep(0.3); print(os.environ.get('OMP_NUM_THREADS'))",
        ),
        threads=0,
    )
    assert shown(seen.outputs[1]) == {HALF}
    assert seen.outputs[2] == ("stdout: None\n",)  # as in a serial run


def test_what_the_notebook_asks_for_is_kept(bench: Bench) -> None:
    seen = bench.run(
        (
            IMPORTS,
            "_ = threadpoolctl.threadpool_limits(1)",
            f"time.sleep(0.2); a = {TOLD}",
            f"time.sleep(0.2); b = {TOLD}",
            f"print({TOLD}, a, b)",
        ),
        weight=lambda number: LIGHT if number == 2 else HEAVY,
        threads=0,
    )
    assert seen.outputs[4] == ("stdout: {1} {1} {1}\n",)


def test_nothing_is_looked_for_where_no_such_library_is_loaded(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("orch_nb.execution.threads._BRINGERS", frozenset({"no_such_library"}))
    share = ThreadShare()
    share.look()
    assert share._libraries == []


def test_verify_pins_one_number_for_both_sides(tmp_path: Path) -> None:
    cells = (IMPORTS, f"time.sleep(0.2); print({TOLD})", f"time.sleep(0.1); print({TOLD})")
    document = {
        "nbformat": 4,
        "nbformat_minor": 4,
        "metadata": {},
        "cells": [
            {
                "cell_type": "code",
                "metadata": {},
                "outputs": [],
                "execution_count": None,
                "source": source,
            }
            for source in cells
        ],
    }
    path = tmp_path / "pinned.ipynb"
    path.write_text(json.dumps(document))
    request = RunRequest(str(path), options={"cells": "all", "max_workers": 2})
    verdict = verify(request)
    assert not verdict.differences
    for result in (verdict.serial, verdict.parallel):
        code = [cell["outputs"] for cell in result.document["cells"]]
        texts = ["".join(output["text"] for output in outputs) for outputs in code]
        assert texts[1:] == [f"{{{threads_for(request)}}}\n"] * 2
