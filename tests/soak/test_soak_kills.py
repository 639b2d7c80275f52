"""The long form of `tests/acceptance/test_kills.py`; run by `make soak`."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.integration.store.servers import new_database
from tests.kills.crossings import VICTIMS, Aim
from tests.kills.drivers import Drivers
from tests.kills.flows import SMALL, large
from tests.kills.trial import Flow, Trial, describe

KILLS = int(os.environ.get("ORCH_NB_SOAK_KILLS", "500"))
SEED = int(os.environ.get("ORCH_NB_SOAK_SEED", "20"))
_AT_MOST = 8  # kills of one run and its resumes


@pytest.fixture
def drivers() -> Iterator[Drivers]:
    """What forks the drivers."""
    with Drivers(os.environ) as made:
        yield made


def find_wrong(
    folder: Path, flow: Flow, drivers: Drivers, aims: list[Aim], store: str = ""
) -> tuple[int, str]:
    """Kill a run of the flow and its resumes; how many kills there were, and what is wrong."""
    undisturbed, _ = Trial(folder / "undisturbed", flow, drivers).undisturbed()
    trial = Trial(folder / "killed", flow, drivers, store)
    wrong = trial.survive(iter(aims))
    if trial.left() != undisturbed:
        wrong.append(f"it left {trial.left()}, not {undisturbed}")
    struck = trial.struck
    if not wrong:
        shutil.rmtree(folder)
    return struck, f"{describe(aims)}: {'; '.join(wrong)}" if wrong else ""


@pytest.mark.timeout(7200)
def test_random_kills_of_a_large_flow_lose_nothing(tmp_path: Path, drivers: Drivers) -> None:
    assert not kill_often(tmp_path, drivers, KILLS, lambda: contextlib.nullcontext(""))


@pytest.mark.timeout(7200)
def test_random_kills_lose_nothing_on_a_server(
    tmp_path: Path, drivers: Drivers, postgresql_server: str
) -> None:
    stores = functools.partial(new_database, postgresql_server)
    assert not kill_often(tmp_path, drivers, max(KILLS // 5, 1), stores)


def kill_often(
    folder: Path,
    drivers: Drivers,
    kills: int,
    stores: Callable[[], AbstractContextManager[str]],
) -> list[str]:
    """Kill runs of large flows, each on a store of its own, so many times; what is wrong."""
    chance = random.Random(SEED)
    struck, turn, wrong = 0, 0, []
    while struck < kills:
        aims = [
            Aim(chance.randrange(1, 160), chance.choice(VICTIMS))
            for _ in range(chance.randrange(1, _AT_MOST + 1))
        ]
        seed = chance.randrange(10**6)
        with stores() as store:
            more, amiss = find_wrong(folder / str(turn), large(seed=seed), drivers, aims, store)
        struck, turn = struck + more, turn + 1
        if amiss:
            wrong.append(f"flow {seed}, {amiss}")
        print(f"{struck} kills of {turn} runs, {len(wrong)} wrong", flush=True)
    return wrong


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
