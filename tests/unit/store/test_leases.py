"""Expiry by the observer's clock alone, and holders that are known to be gone."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from orch_nb.store import Lease, LeaseObserver, is_gone, leases, new_holder, open_store
from orch_nb.store.leases import holder_label
from tests.sample_runs import a_run

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


@pytest.mark.parametrize("jump", [3600.0, -3600.0])
def test_a_jump_of_the_wall_clock_expires_nothing_and_hides_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, jump: float
) -> None:
    with open_store(str(tmp_path / "store.db")) as store:
        run = a_run()
        store.write(lambda t: t.create_flow_run(run, [], holder=new_holder(), by="test"))
        observer = LeaseObserver(30.0)
        now = time.monotonic()
        assert observer.expired(store.leases(), now) == ()
        real, real_ns = time.time, time.time_ns
        monkeypatch.setattr(time, "time", lambda: real() + jump)
        monkeypatch.setattr(time, "time_ns", lambda: real_ns() + int(jump * 1e9))
        store.write(lambda t: t.beat(run.id, 1))
        (lease,) = store.leases()
        assert not is_gone(lease.holder)
        assert observer.expired([lease], now + 29) == ()
        assert observer.expired([lease], now + 58) == ()
        assert observer.expired([lease], now + 60) == (lease,)
        later = a_run()
        assert later.id > run.id, "ids of one process grow"


def test_a_holder_may_have_a_label() -> None:
    holder = new_holder("brave-otter load/save: x")
    assert holder_label(holder) == "brave-otter load-save: x"
    assert not is_gone(holder)
    assert holder_label(new_holder()).startswith("process ")
    assert holder_label("me") == "me"


def test_holders_of_an_earlier_boot_of_this_machine_are_gone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(leases, "_machine", lambda: "12ab34cd")
    host, *rest = new_holder().split("/")
    name, machine, boot, space = host.rsplit(".", 3)
    assert machine == "12ab34cd"

    def gone(*changed: str) -> bool:
        return is_gone("/".join([".".join(changed), *rest]))

    assert gone(name, machine, "0" * 8, space)
    assert not gone(name, machine, boot, space)
    assert not gone("other", machine, "0" * 8, space)
    assert not gone(name, "0" * 8, "0" * 8, space)
    assert not gone(name, machine, boot, "1"), "another container's processes are not seen"
    monkeypatch.setattr(leases, "_machine", lambda: "")
    assert not gone(name, "", "0" * 8, space), "hosts of one name are many"
