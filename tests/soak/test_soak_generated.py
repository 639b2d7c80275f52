"""Ten thousand generated notebooks, whose parallel runs must be as their serial ones."""

from __future__ import annotations

import os
import random

import pytest

from tests.guarantee.generator import write_notebook
from tests.guarantee.harness import open_bench
from tests.guarantee.test_generated import check

NOTEBOOKS = int(os.environ.get("ORCH_NB_SOAK_NOTEBOOKS", "10000"))
BATCH = 250  # notebooks that share a template


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", range(0, NOTEBOOKS, BATCH))
def test_generated_notebooks_agree(first: int) -> None:
    with open_bench() as bench:
        for seed in range(first, min(first + BATCH, NOTEBOOKS)):
            check(bench, write_notebook(random.Random(1_000_000 + seed)), seed)
