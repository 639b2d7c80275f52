"""The long form of `tests/acceptance/test_kills.py`; run by `make soak`."""

from __future__ import annotations

import os
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kills.crossings import VICTIMS, Aim
from tests.kills.drivers import Drivers
from tests.kills.flows import SMALL, large
from tests.kills.trial import Flow, Trial, describe

KILLS = int(os.environ.get("ORCH_NB_SOAK_KILLS", "500"))
SEED = int(os.environ.get("ORCH_NB_SOAK_SEED", "20"))
_AT_MOST = 4  # kills of one run and its resumes


@pytest.fixture
def drivers() -> Iterator[Drivers]:
    """What forks the drivers."""
    with Drivers(os.environ) as made:
        yield made


def find_wrong(folder: Path, flow: Flow, drivers: Drivers, aims: list[Aim]) -> tuple[int, str]:
    """Kill a run of the flow and its resumes; how many kills there were, and what is wrong."""
    undisturbed, _ = Trial(folder / "undisturbed", flow, drivers).undisturbed()
    trial = Trial(folder / "killed", flow, drivers)
    wrong = trial.survive(iter(aims))
    if trial.left() != undisturbed:
        wrong.append(f"it left {trial.left()}, not {undisturbed}")
    struck = trial.struck
    if not wrong:
        shutil.rmtree(folder)
    return struck, f"{describe(aims)}: {'; '.join(wrong)}" if wrong else ""


@pytest.mark.timeout(7200)
def test_random_kills_of_a_large_flow_lose_nothing(tmp_path: Path, drivers: Drivers) -> None:
    chance = random.Random(SEED)
    struck, turn, wrong = 0, 0, []
    while struck < KILLS:
        aims = [
            Aim(chance.randrange(1, 160), chance.choice(VICTIMS))
            for _ in range(chance.randrange(1, _AT_MOST + 1))
        ]
        seed = chance.randrange(10**6)
        kills, amiss = find_wrong(tmp_path / str(turn), large(seed=seed), drivers, aims)
        struck, turn = struck + kills, turn + 1
        if amiss:
            wrong.append(f"flow {seed}, {amiss}")
        print(f"{struck} kills of {turn} runs, {len(wrong)} wrong", flush=True)
    assert not wrong


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("victim", VICTIMS)
def test_every_victim_at_every_point(tmp_path: Path, drivers: Drivers, victim: str) -> None:
    wrong = []
    for point in range(1, 200):
        kills, amiss = find_wrong(tmp_path / str(point), SMALL, drivers, [Aim(point, victim)])
        if amiss:
            wrong.append(amiss)
        if not kills:
            break
    assert not wrong
