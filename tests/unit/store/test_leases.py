"""Expiry by the observer's clock alone, and holders that are known to be gone."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from orch_nb.store import Lease, LeaseObserver, is_gone, new_holder

LEASE = Lease("run/a", 0, "holder", 1, 0)


def test_a_lease_expires_when_its_counter_stands_still_for_its_length() -> None:
    observer = LeaseObserver(length=10.0)
    assert observer.expired([LEASE], now=1000.0) == ()
    assert observer.expired([LEASE], now=1009.9) == ()
    assert observer.expired([LEASE], now=1010.0) == (LEASE,)
    assert observer.expired([LEASE], now=1011.0) == (LEASE,)


@pytest.mark.parametrize(
    "change", [{"counter": 1}, {"epoch": 2}, {"holder": "other"}], ids=lambda c: next(iter(c))
)
def test_any_change_starts_the_wait_again(change: dict[str, int | str]) -> None:
    observer = LeaseObserver(length=10.0)
    observer.expired([LEASE], now=0.0)
    changed = replace(LEASE, **change)
    assert observer.expired([changed], now=10.0) == ()
    assert observer.expired([changed], now=20.0) == (changed,)


def test_a_lease_that_was_away_is_new_when_it_is_back() -> None:
    observer = LeaseObserver(length=10.0)
    observer.expired([LEASE], now=0.0)
    assert observer.expired([], now=5.0) == ()
    assert observer.expired([LEASE], now=10.0) == ()


def test_an_observer_who_looks_rarely_does_not_expire_what_it_saw_once() -> None:
    observer = LeaseObserver(length=10.0)
    other = replace(LEASE, resource="run/b")
    observer.expired([LEASE], now=0.0)
    assert observer.expired([LEASE, other], now=3600.0) == (LEASE,)


def test_a_living_holder_is_not_gone_and_an_ended_one_is() -> None:
    code = (
        "from orch_nb.store import new_holder, is_gone\n"
        "holder = new_holder(); assert not is_gone(holder); print(holder)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert is_gone(done.stdout.strip())
    assert not is_gone(new_holder())


def test_nothing_is_said_of_holders_elsewhere() -> None:
    host, pid, birth, rest = new_holder().split("/")
    assert not is_gone(f"other-{host}/{pid}/1/{rest}")
    assert not is_gone(f"{host}/{pid}//{rest}")
    assert not is_gone("me")
    assert not is_gone(f"{host}/{pid}/{birth}/{rest}")


def test_a_process_number_used_again_is_another_process() -> None:
    host, pid, birth, rest = new_holder().split("/")
    assert is_gone(f"{host}/{pid}/{int(birth) - 1}/{rest}")


def test_holders_are_never_the_same() -> None:
    assert new_holder() != new_holder()
