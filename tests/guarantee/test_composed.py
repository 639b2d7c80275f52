"""Notebooks composed of what people write run in parallel as they do serially."""

from __future__ import annotations

import random

import pytest

from tests.guarantee.harness import Bench
from tests.guarantee.idioms import compose_notebook
from tests.guarantee.test_generated import check

SEEDS = 6  # notebooks of 5 to 20 cells; the soak test has thousands, of up to 40


@pytest.mark.parametrize("seed", range(SEEDS))
def test_a_composed_notebook(bench: Bench, seed: int) -> None:
    check(bench, compose_notebook(random.Random(seed), most=20), seed)
