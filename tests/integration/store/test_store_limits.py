"""Places in limits, pinned runs and their deletion: the same on each backend."""

from __future__ import annotations

import threading
from dataclasses import replace

from orch_nb.states import StateName
from orch_nb.store import Store, new_holder
from orch_nb.store.limits import (
    acquire_places,
    expire_places,
    forget_size,
    free_places,
    put_sizes,
    read_sizes,
)
from orch_nb.store.retention import delete_ended, ended_runs, pin_run
from tests.sample_runs import a_run, tasks_of


def test_sizes_are_kept_changed_and_forgotten(store: Store) -> None:
    store.write(lambda t: put_sizes(t, {"db": 4, "a%b_c": 1}))
    store.write(lambda t: put_sizes(t, {"db": 2}))
    assert read_sizes(store) == {"a%b_c": 1, "db": 2}
    assert store.write(lambda t: forget_size(t, "db"))
    assert not store.write(lambda t: forget_size(t, "db"))
    assert read_sizes(store) == {"a%b_c": 1}


def test_all_places_or_none(store: Store) -> None:
    store.write(lambda t: put_sizes(t, {"db": 2, "api": 1}))
    mine = store.write(lambda t: acquire_places(t, {"api": 1, "db": 1}, "me"))
    assert [(lease.resource, lease.slot) for lease in mine] == [("limit/api", 0), ("limit/db", 0)]
    assert store.write(lambda t: acquire_places(t, {"db": 1, "api": 1}, "you")) == ()
    assert store.write(lambda t: acquire_places(t, {"db": 2}, "you")) == ()
    assert len(store.leases("limit/")) == 2
    assert len(store.write(lambda t: acquire_places(t, {"db": 1}, "you"))) == 1
    store.write(lambda t: free_places(t, mine))
    assert [lease.holder for lease in store.leases("limit/")] == ["you"]


def test_a_place_whose_holder_beat_meanwhile_is_not_freed(store: Store) -> None:
    mine = store.write(lambda t: acquire_places(t, {"db": 1}, "me"))
    assert store.write(lambda t: t.renew_slots(mine)) == mine
    assert store.write(lambda t: expire_places(t, mine)) == 0
    seen = store.leases("limit/")
    assert store.write(lambda t: expire_places(t, seen)) == 1
    assert store.write(lambda t: t.renew_slots(mine)) == ()


def test_many_who_want_several_limits_never_exceed_one_nor_wait_for_ever(store: Store) -> None:
    sizes = {"db": 3, "api": 2, "gpu": 1}
    store.write(lambda t: put_sizes(t, sizes))
    held = dict.fromkeys(sizes, 0)
    lock = threading.Lock()
    got: list[bool] = []
    wishes = [{"db": 2, "gpu": 1}, {"gpu": 1, "api": 1}, {"api": 2, "db": 1}, {"db": 1}]

    def work(wish: dict[str, int]) -> None:
        holder = new_holder()
        for _ in range(15):
            leases = store.write(lambda t: acquire_places(t, wish, holder))
            if leases:
                with lock:
                    for name, count in wish.items():
                        held[name] += count
                        got.append(held[name] <= sizes[name])
                    for name, count in wish.items():
                        held[name] -= count
                store.write(lambda t, leases=leases: free_places(t, leases))

    threads = [threading.Thread(target=work, args=(wish,)) for wish in wishes * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    assert got
    assert all(got)
    assert store.leases("limit/") == ()


def test_a_pinned_run_is_not_deleted_and_its_state_goes_on(store: Store) -> None:
    run = a_run(state_name=StateName.RUNNING)
    run = store.write(lambda t: t.create_flow_run(run, tasks_of(run, 2), holder="me", by="x"))
    store.write(lambda t: pin_run(t, run.id, pinned=True))
    ended = replace(run, state_name=StateName.FAILED)
    store.write(lambda t: t.set_flow_state(ended, expected=StateName.RUNNING, by="x"))
    assert store.get_run(run.id).pinned
    held = store.get_run(run.id)
    assert store.write(lambda t: delete_ended(t, [held])).runs == ()
    store.write(lambda t: t.release(run.id, 1))
    (seen,) = ended_runs(store)
    assert store.write(lambda t: delete_ended(t, [seen])).runs == ()
    store.write(lambda t: pin_run(t, run.id, pinned=False))
    assert store.write(lambda t: delete_ended(t, [seen])).runs == (run.id,)
    assert store.task_runs(run.id) == ()


def test_a_run_that_was_claimed_since_it_was_seen_is_not_deleted(store: Store) -> None:
    run = a_run(state_name=StateName.CRASHED)
    store.write(lambda t: t.create_flow_run(run, [], holder=None, by="x"))
    (seen,) = ended_runs(store)
    epoch = store.write(lambda t: t.claim(run.id, "me"))
    store.write(lambda t: t.release(run.id, epoch))
    assert store.write(lambda t: delete_ended(t, [seen])).runs == ()
