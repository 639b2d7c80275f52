"""Ten thousand generated and ten thousand composed notebooks, whose parallel runs must be as their
serial ones.

``ORCH_NB_SOAK_SEEDS=12000:15000`` takes those seeds instead, to go on after a stop; each batch
says how far it came, and a difference is shown with its seed and as a small notebook.
"""

from __future__ import annotations

import os
import random
from collections.abc import Callable

import pytest

from tests.guarantee.generator import write_notebook
from tests.guarantee.harness import open_bench
from tests.guarantee.idioms import compose_notebook
from tests.guarantee.test_generated import check

BATCH = 250  # notebooks that share a template


def seeds() -> range:
    """The seeds to run: a random ten thousand, or those that the environment names."""
    named = os.environ.get("ORCH_NB_SOAK_SEEDS")
    if named:
        first, _, end = named.partition(":")
        return range(int(first), int(end))
    start = random.SystemRandom().randrange(1, 10**6) * 10_000
    return range(start, start + 10_000)


SEEDS = seeds()


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("first", SEEDS[::BATCH])
@pytest.mark.parametrize("write", [write_notebook, compose_notebook])
def test_notebooks_agree(
    first: int,
    write: Callable[[random.Random], list[str]],
    capsys: pytest.CaptureFixture[str],
) -> None:
    end = min(first + BATCH, SEEDS.stop)
    with open_bench() as bench:
        for seed in range(first, end):
            check(bench, write(random.Random(seed)), seed)
    with capsys.disabled():
        told = f"no difference in {write.__name__}'s seeds {first} to {end - 1}"
        print(f"{told}; go on with {end}:{SEEDS.stop}")
