"""kill -9 at every point of a small flow, then resume: nothing that was kept is lost or redone."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.kills.crossings import BOTH, DRIVER, WORKER, Aim
from tests.kills.drivers import Drivers
from tests.kills.flows import SMALL
from tests.kills.trial import Trial

_LANES = 4  # tests that can run beside each other
_FEWEST, _MOST = 40, 90  # points of the flow: commits come together or apart


@pytest.fixture
def drivers() -> Iterator[Drivers]:
    """What forks the drivers."""
    with Drivers(os.environ) as made:
        yield made


def victims(point: int) -> tuple[str, ...]:
    """Who is killed at a point: the driver at all of them, others at every second."""
    if point % 2:
        return (DRIVER,)
    return (DRIVER, WORKER if point % 4 else BOTH)


@pytest.mark.parametrize("lane", range(_LANES))
def test_a_kill_at_any_point_loses_nothing(tmp_path: Path, drivers: Drivers, lane: int) -> None:
    undisturbed, points = Trial(tmp_path / "undisturbed", SMALL, drivers).undisturbed()
    assert {"after-commit", "half-of-blob", "before-blob", "after-notebook"} <= set(points)
    wrong = {}
    for point in range(1 + lane, _MOST, _LANES):
        struck = False
        for victim in victims(point):
            trial = Trial(tmp_path / f"{point}-{victim}", SMALL, drivers)
            found = trial.survive(iter([Aim(point, victim)]))
            if trial.left() != undisturbed:
                found.append(f"it left {trial.left()}")
            if found:
                wrong[f"{victim} at {point}"] = found
            struck = struck or trial.struck > 0
        if not struck:
            break
    assert not wrong
    assert point > _FEWEST, "the flow has fewer points than expected"
    assert point < _MOST - _LANES, "the flow has points at which nobody was killed"


def test_kills_of_the_kills_resumes_lose_nothing(tmp_path: Path, drivers: Drivers) -> None:
    undisturbed, _ = Trial(tmp_path / "undisturbed", SMALL, drivers).undisturbed()
    aims = [Aim(11, DRIVER), Aim(9, BOTH), Aim(13, DRIVER), Aim(4, DRIVER), Aim(12, WORKER)]
    trial = Trial(tmp_path / "often", SMALL, drivers)
    assert trial.survive(iter(aims)) == []
    assert trial.struck == len(aims)
    assert trial.left() == undisturbed
