"""Hard notebooks, each for one thing that makes a parallel run differ from a serial one."""

from __future__ import annotations

from tests.guarantee.harness import Bench


def same(bench: Bench, *cells: str) -> None:
    found = bench.compare(cells)
    assert not found, "\n".join(found)


def test_a_forked_cell_goes_on_with_the_seeded_random_numbers(bench: Bench) -> None:
    same(
        bench,
        "import random, time",
        "random.seed(1)",
        "time.sleep(0.1); beside = 1",
        "a = random.random()",
        "b = random.random(); print(a, b)",
    )
