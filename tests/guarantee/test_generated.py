"""Generated notebooks run in parallel as they do serially; what differs is made small first."""

from __future__ import annotations

import random

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.guarantee.generator import write_notebook
from tests.guarantee.harness import HEAVY, Bench, mixed
from tests.guarantee.shrinking import shrink

SEEDS = 60  # notebooks of 5 to 40 cells; the soak test has 10,000
EXAMPLES = 25  # smaller ones of hypothesis' own choice


def check(bench: Bench, sources: list[str], seed: int) -> None:
    """Assert that one notebook has no difference, else show a small one that has."""
    weight = mixed(seed) if seed % 3 else lambda number: HEAVY
    workers = 4 if seed % 2 else 2
    found = bench.compare(sources, weight=weight, workers=workers)
    if not found:
        return

    def differs(cells: list[str]) -> bool:
        return bool(bench.compare(cells, weight=weight, workers=workers))

    cells = shrink(sources, differs, seconds=60)
    shown = "\n".join(f"# cell {n}\n{cell}" for n, cell in enumerate(cells, start=1))
    pytest.fail("\n".join([f"seed {seed} differs:", *found, "as a small notebook:", shown]))


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_written_notebook(bench: Bench, seed: int) -> None:
    check(bench, write_notebook(random.Random(seed)), seed)


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
@given(chance=st.randoms(use_true_random=False), seed=st.integers(0, 5))
def test_a_drawn_notebook(bench: Bench, chance: random.Random, seed: int) -> None:
    check(bench, write_notebook(chance, most=12), seed)
