"""What every store promises, asked of each backend."""

from __future__ import annotations

import logging
import multiprocessing
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orch_nb.errors import (
    NotFoundError,
    StaleClaimError,
    StoreError,
    StoreVersionError,
    TransitionError,
)
from orch_nb.model import FlowRun, FlowRunId, LogRecord, TaskRun
from orch_nb.options import FlowOptions
from orch_nb.states import StateName, StateType
from orch_nb.store import (
    LeaseObserver,
    LogQuery,
    ResultRecord,
    RunQuery,
    Store,
    StoreWriter,
    TaskChange,
    Transaction,
    open_store,
)
from orch_nb.store.retention import delete_ended
from tests.sample_runs import a_run, tasks_of

NOON = datetime(2026, 11, 23, 12, 0, 0, 123456, tzinfo=UTC)
HOSTILE = "nul \x00, half a pair \ud800, 日本, 🦦, '; DROP TABLE logs; --"
HOSTILE_KEPT = "nul \ufffd, half a pair ?, 日本, 🦦, '; DROP TABLE logs; --"


def create(
    store: Store, run: FlowRun, tasks: list[TaskRun] | None = None, holder: str | None = "me"
) -> FlowRun:
    return store.write(lambda t: t.create_flow_run(run, tasks or [], holder=holder, by="test"))


def become(store: Store, run: FlowRun, name: StateName) -> FlowRun:
    new = replace(run, state_name=name)
    store.write(lambda t: t.set_flow_state(new, expected=run.state_name, by="test"))
    return new


def test_a_run_comes_back_as_it_was_recorded(store: Store) -> None:
    run = a_run(
        name="brave-otter",
        state_message=HOSTILE_KEPT,
        parameters={"years": [2025], "x": float("inf"), "text": HOSTILE, "none": None},
        parameter_sources={"years": "-p"},
        tags=("b", "a"),
        options=FlowOptions(max_workers=3, fail_fast=True),
        output="sales.run.ipynb",
        scheduled_time=NOON,
        start_time=NOON + timedelta(microseconds=1),
        end_time=NOON.astimezone() + timedelta(hours=1),
    )
    tasks = tasks_of(run, 3)
    tasks[1] = replace(
        tasks[1], seconds=0.25, peak_memory=2**40, where="fork", error_line=3, map_index=7
    )

    recorded = create(store, run, tasks)

    assert recorded == replace(run, epoch=1)
    assert store.get_run(run.id) == recorded
    assert store.task_runs(run.id) == tuple(tasks)


def test_text_that_a_database_refuses_is_mended(store: Store) -> None:
    run = create(store, a_run(state_message=HOSTILE, tags=(HOSTILE,)))
    record = LogRecord(run.id, HOSTILE, NOON, logging.INFO, HOSTILE, HOSTILE)
    store.write(lambda t: t.append_logs([record]))

    assert store.get_run(run.id).state_message == HOSTILE_KEPT
    assert store.get_run(run.id).tags == (HOSTILE_KEPT,)
    assert [found.message for found in store.logs(run.id)] == [HOSTILE_KEPT]


def test_names_are_found_when_none_is_given_and_numbered_when_taken(store: Store) -> None:
    first, second = create(store, a_run(name="otter")), create(store, a_run(name="otter"))
    assert first.name == "otter"
    assert second.name.startswith("otter-")
    names = {create(store, a_run()).name for _ in range(50)}
    assert len(names) == 50
    assert all(name.count("-") in (1, 2) for name in names)


def test_a_run_is_found_by_id_name_and_beginning_of_its_id(store: Store) -> None:
    run = create(store, a_run(name="brave-otter"))
    for called in (run.id, "brave-otter", run.id[:20], run.id[:20].upper()):
        assert store.get_run(called) == run


@pytest.mark.parametrize("called", ["", "ff", "ffff", "%", "brave", "' OR 1=1 --"])
def test_a_run_that_is_not_there_is_an_error(store: Store, called: str) -> None:
    create(store, a_run(name="brave-otter"))
    with pytest.raises(NotFoundError):
        store.get_run(called)


def test_the_nearest_name_is_suggested(store: Store) -> None:
    create(store, a_run(name="brave-otter"))
    with pytest.raises(NotFoundError) as caught:
        store.get_run("brave-oter")
    assert caught.value.hint == "did you mean brave-otter ?"


def test_an_ambiguous_beginning_of_an_id_is_an_error(store: Store) -> None:
    run = create(store, a_run())
    create(store, a_run())
    with pytest.raises(NotFoundError, match="several runs"):
        store.get_run(run.id[:5])


def test_every_change_is_in_the_history(store: Store) -> None:
    tasks = tasks_of(run := a_run(), 1)
    run = become(store, create(store, run, tasks), StateName.RUNNING)
    done = replace(tasks[0], state_name=StateName.FAILED, state_message="KeyError", attempt=2)
    store.write(
        lambda t: t.set_task_states([TaskChange(done, StateName.PENDING)], epoch=1, by="driver")
    )

    told = [(c.run_id, c.old, c.new, c.message, c.by, c.attempt) for c in store.history(run.id)]
    assert told == [
        (run.id, None, StateName.PENDING, "", "test", 1),
        (done.id, None, StateName.PENDING, "", "test", 1),
        (run.id, StateName.PENDING, StateName.RUNNING, "", "test", 1),
        (done.id, StateName.PENDING, StateName.FAILED, "KeyError", "driver", 2),
    ]
    assert len(store.history(run.id, done.id)) == 2


def test_a_change_from_a_state_that_is_no_longer_is_refused_with_the_story(store: Store) -> None:
    run = create(store, a_run())
    become(store, run, StateName.RUNNING)
    with pytest.raises(TransitionError, match="is no longer Pending") as caught:
        become(store, run, StateName.CANCELLED)
    assert [change.new for change in caught.value.story] == [StateName.PENDING, StateName.RUNNING]
    assert "Running by test" in str(caught.value)
    assert store.get_run(run.id).state_name is StateName.RUNNING


def test_a_change_that_the_table_forbids_is_refused(store: Store) -> None:
    run = become(store, create(store, a_run()), StateName.COMPLETED)
    with pytest.raises(TransitionError):
        become(store, run, StateName.RUNNING)


def test_one_refused_task_refuses_its_whole_batch(store: Store) -> None:
    tasks = tasks_of(run := a_run(), 2)
    create(store, run, tasks)
    running = [replace(task, state_name=StateName.RUNNING) for task in tasks]
    store.write(
        lambda t: t.set_task_states(
            [TaskChange(running[1], StateName.PENDING)], epoch=1, by="driver"
        )
    )
    with pytest.raises(TransitionError, match="task2 is no longer Pending") as caught:
        store.write(
            lambda t: t.set_task_states(
                [TaskChange(task, StateName.PENDING) for task in running], epoch=1, by="driver"
            )
        )
    assert {change.run_id for change in caught.value.story} == {tasks[1].id}
    assert store.task_runs(run.id) == (tasks[0], running[1])


def test_a_refused_operation_of_a_writer_spoils_no_other(store: Store) -> None:
    tasks = tasks_of(run := a_run(), 30)
    create(store, run, tasks)

    def set_running(task: TaskRun, expected: StateName) -> Any:
        change = TaskChange(replace(task, state_name=StateName.RUNNING), expected)
        return lambda t: t.set_task_states([change], epoch=1, by="driver")

    with StoreWriter(store) as writer:
        held = threading.Event()
        writer.submit(lambda t: held.wait(10))  # so that the rest is one batch
        futures = [
            writer.submit(
                set_running(task, StateName.PENDING if task.cell_number % 10 else StateName.PAUSED)
            )
            for task in tasks
        ]
        broken = writer.submit(lambda t: 1 / 0)
        held.set()
    refused = [number for number, f in enumerate(futures, 1) if f.exception() is not None]
    assert refused == [10, 20, 30]
    assert isinstance(futures[9].exception(), TransitionError)
    assert isinstance(broken.exception(), ZeroDivisionError)
    states = Counter(task.state_name for task in store.task_runs(run.id))
    assert states == {StateName.RUNNING: 27, StateName.PENDING: 3}


def test_pages_of_runs_obey_every_filter(store: Store) -> None:
    runs = []
    for number in range(12):
        run = create(
            store,
            a_run(
                flow="sales" if number % 2 else "stock",
                tags=("nightly", "x") if number % 3 == 0 else (),
            ),
        )
        if number % 4 == 0:
            run = become(store, run, StateName.FAILED)
        runs.append(run)
    newest = runs[::-1]

    def listed(**query: Any) -> list[FlowRun]:
        return list(store.list_runs(RunQuery(**query)))

    assert listed() == newest
    assert listed(limit=5) == newest[:5]
    assert listed(limit=5, before=newest[4].id) == newest[5:10]
    assert listed(flow="stock") == newest[1::2]
    assert listed(tag="nightly") == [run for run in newest if "nightly" in run.tags]
    assert listed(state_types=(StateType.FAILED, StateType.CRASHED)) == [
        run for run in newest if run.state_type is StateType.FAILED
    ]
    assert listed(state_names=(StateName.PENDING,), flow="stock", tag="nightly") == [
        run
        for run in newest
        if run.state_name is StateName.PENDING and run.flow == "stock" and run.tags
    ]
    assert listed(since=datetime.now(UTC) + timedelta(hours=1)) == []
    assert listed(until=datetime.now(UTC) - timedelta(hours=1)) == []
    assert listed(since=datetime(1969, 1, 1, tzinfo=UTC)) == newest


def test_logs_are_read_by_task_level_and_from_where_one_left_off(store: Store) -> None:
    run = create(store, a_run())
    records = [
        LogRecord(run.id, f"task{n % 2}", NOON, 10 * (n % 4 + 1), "root", f"line {n}", attempt=2)
        for n in range(8)
    ]
    store.write(lambda t: t.append_logs(records))
    found = store.logs(run.id)
    assert [replace(record, id=None) for record in found] == records
    assert store.logs(run.id, LogQuery(after=found[4].id or 0, limit=2)) == found[5:7]
    assert store.logs(run.id, LogQuery(task="task1", min_level=30)) == (found[3], found[7])


def test_a_wish_to_cancel_is_seen_once_and_forgotten_by_the_next_claim(store: Store) -> None:
    run = create(store, a_run())
    assert store.cancel_requested(run.id) is None
    store.write(lambda t: t.request_cancel(run.id, by="cli"))
    store.write(lambda t: t.request_cancel(run.id, by="panel"))
    assert store.cancel_requested(run.id) == "cli"
    store.write(lambda t: t.release(run.id, 1))
    store.write(lambda t: t.claim(run.id, "you"))
    assert store.cancel_requested(run.id) is None


def test_a_held_run_can_not_be_claimed_and_a_released_one_can(store: Store) -> None:
    run = create(store, a_run())
    with pytest.raises(StaleClaimError, match="held by me"):
        store.write(lambda t: t.claim(run.id, "you"))
    store.write(lambda t: t.release(run.id, 1))
    with pytest.raises(StaleClaimError):  # the one who released it included
        become(store, run, StateName.RUNNING)
    epoch = store.write(lambda t: t.claim(run.id, "you"))
    assert become(store, replace(run, epoch=epoch), StateName.RUNNING).epoch == epoch > 1
    with pytest.raises(NotFoundError):
        store.write(lambda t: t.claim(FlowRunId("f" * 32), "you"))


def test_a_zombie_can_not_write_anything(store: Store) -> None:
    tasks = tasks_of(run := a_run(), 1)
    run = create(store, run, tasks)
    (lease,) = store.leases("run/")
    assert store.write(lambda t: t.take_over(lease, "you")) == 2
    change = TaskChange(replace(tasks[0], state_name=StateName.RUNNING), StateName.PENDING)
    result = ResultRecord(run.id, tasks[0].id, ("x",), kept=False)
    zombie: list[Any] = [
        lambda t: t.beat(run.id, 1),
        lambda t: t.release(run.id, 1),
        lambda t: t.set_task_states([change], epoch=1, by="zombie"),
        lambda t: t.set_flow_state(
            replace(run, state_name=StateName.FAILED), expected=StateName.PENDING, by="zombie"
        ),
        lambda t: t.record_result(result, epoch=1),
        lambda t: t.add_task_runs(run.id, tasks_of(run, 1), epoch=1, by="zombie"),
    ]
    before = store.history(run.id)
    for operation in zombie:
        with pytest.raises(StaleClaimError):
            store.write(operation)
    assert store.history(run.id) == before
    assert store.task_runs(run.id) == tuple(tasks)
    assert store.results(run.id) == ()
    assert store.get_run(run.id) == replace(run, epoch=2)


def test_a_lease_whose_holder_beat_meanwhile_can_not_be_taken(store: Store) -> None:
    run = create(store, a_run())
    observer = LeaseObserver(length=10)
    (seen,) = store.leases()
    assert observer.expired([seen], now=0) == ()
    assert observer.expired([seen], now=10) == (seen,)
    store.write(lambda t: t.beat(run.id, 1))
    with pytest.raises(StaleClaimError):
        store.write(lambda t: t.take_over(seen, "you"))
    (beaten,) = store.leases()
    assert beaten.counter == seen.counter + 1
    assert observer.expired([beaten], now=11) == ()


def test_of_many_who_take_over_one_succeeds(store: Store) -> None:
    run = create(store, a_run())
    (lease,) = store.leases()

    def take(number: int) -> int | None:
        try:
            return store.write(lambda t: t.take_over(lease, f"holder {number}"))
        except StaleClaimError:
            return None

    with ThreadPoolExecutor(8) as pool:
        epochs = [epoch for epoch in pool.map(take, range(16)) if epoch is not None]
    assert epochs == [2]
    assert store.get_run(run.id).epoch == 2


def _claim_all(url: str, name: str, answers: Any) -> None:
    claimed: list[str] = []
    with open_store(url) as store:
        while found := store.write(lambda t: t.claim_due(name, limit=2)):
            claimed.extend(found)
    answers.put(claimed)


def test_each_due_run_is_claimed_once_however_many_processes_ask(
    store: Store, store_url: str
) -> None:
    past = datetime.now(UTC) - timedelta(minutes=1)
    due = [
        create(store, a_run(state_name=StateName.SCHEDULED, scheduled_time=past), holder=None)
        for _ in range(40)
    ]
    create(
        store,
        a_run(state_name=StateName.SCHEDULED, scheduled_time=past + timedelta(days=1)),
        holder=None,
    )
    context = multiprocessing.get_context("spawn")
    answers = context.Queue()
    processes = [
        context.Process(target=_claim_all, args=(store_url, f"p{n}", answers)) for n in range(3)
    ]
    for process in processes:
        process.start()
    claimed = [run for _ in processes for run in answers.get(timeout=60)]
    for process in processes:
        process.join(60)
    assert sorted(claimed) == [run.id for run in due]


def test_a_limit_never_has_more_holders_than_slots(store: Store) -> None:
    def acquire(number: int) -> Any:
        return store.write(lambda t: t.acquire_slot("limit/db", f"h{number}", slots=3))

    with ThreadPoolExecutor(8) as pool:
        got = [lease for lease in pool.map(acquire, range(16)) if lease is not None]
    assert sorted(lease.slot for lease in got) == [0, 1, 2]
    assert acquire(99) is None
    store.write(lambda t: t.free_slot(got[0]))
    again = acquire(100)
    assert again.slot == got[0].slot
    assert store.write(lambda t: t.renew_slots(got)) == tuple(got[1:])
    store.write(lambda t: t.free_slot(got[0]))  # its slot is another's now, and stays so
    assert len(store.leases("limit/")) == 3
    assert store.leases("limit_") == ()


def test_results_are_recorded_found_touched_and_forgotten(store: Store) -> None:
    tasks = tasks_of(run := a_run(), 2)
    create(store, run, tasks)
    kept = ResultRecord(
        run.id,
        tasks[0].id,
        ("sales", "é"),
        kept=True,
        cache_key="k",
        cache_note={"fields": []},
        digest="d" * 64,
        manifest={"size": 5},
        size=5,
        signature="s",
        key_id="i",
    )
    lost = ResultRecord(run.id, tasks[1].id, ("f",), kept=False, reason="can't be pickled")
    store.write(lambda t: t.record_result(kept, epoch=1))
    store.write(lambda t: t.record_result(lost, epoch=1))
    found = store.results(run.id)
    plain = [replace(r, id=None, created=None, last_used=None) for r in found]
    assert plain == [kept, lost]
    assert store.find_results("k") == (found[0],)
    assert store.find_results("other") == ()
    assert store.noted_results(run.flow, run.notebook, tasks[0].name) == (found[0],)
    assert store.noted_results(run.flow, run.notebook, tasks[0].name, before=found[0].id) == ()
    assert store.noted_results(run.flow, run.notebook, tasks[1].name) == ()
    before = store.last_uses()[kept.digest or ""]
    store.write(lambda t: t.touch_results(["d" * 64]))
    assert store.last_uses()["d" * 64] >= before
    store.write(lambda t: t.forget_results(["d" * 64], "evicted"))
    assert store.find_results("k") == ()
    assert store.results(run.id)[0].reason == "evicted"
    assert store.last_uses() == {}


def test_hints_are_kept_by_notebook_and_cell(store: Store) -> None:
    store.write(lambda t: t.put_hints("a.ipynb", {"h1": {"seconds": 1.5}, "h2": {"inline": "x"}}))
    store.write(lambda t: t.put_hints("a.ipynb", {"h1": {"seconds": 2.5}}))
    store.write(lambda t: t.put_hints("b.ipynb", {}))
    assert store.get_hints("a.ipynb") == {"h1": {"seconds": 2.5}, "h2": {"inline": "x"}}
    assert store.get_hints("b.ipynb") == {}


def test_a_deleted_run_leaves_nothing_behind(store: Store) -> None:
    run = a_run(tags=("t",))
    tasks = tasks_of(run, 2)
    create(store, run, tasks)
    store.write(lambda t: t.append_logs([LogRecord(run.id, None, NOON, 20, "root", "hello")]))
    store.write(
        lambda t: t.record_result(ResultRecord(run.id, tasks[0].id, ("x",), kept=False), epoch=1)
    )
    other = create(store, a_run())
    ended = replace(run, state_name=StateName.COMPLETED, epoch=1)
    store.write(lambda t: t.set_flow_state(ended, expected=run.state_name, by="test"))
    store.write(lambda t: t.release(run.id, 1))
    seen = store.get_run(run.id)
    assert store.write(lambda t: delete_ended(t, [seen])).runs == (run.id,)
    assert store.list_runs() == (other,)
    assert store.task_runs(run.id) == store.history(run.id) == store.logs(run.id) == ()
    assert store.results(run.id) == store.leases(f"run/{run.id}") == ()
    with pytest.raises(NotFoundError):
        store.write(lambda t: t.check_claim(run.id, 1))


def test_the_signing_key_is_the_same_for_all_who_open_the_store(
    store: Store, store_url: str
) -> None:
    with open_store(store_url) as other, ThreadPoolExecutor(4) as pool:
        rings = list(pool.map(lambda s: s.keyring(), [store, other, store, other]))
    assert all(ring == rings[0] for ring in rings)


def test_a_rotated_key_signs_and_the_older_still_verifies(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = store.keyring()
    new = store.rotate_key()
    assert store.keyring() == new
    assert new.current not in old.keys
    assert old.current in new.keys
    monkeypatch.setenv("ORCH_NB_KEY", "a secret of the user's own")
    assert store.keyring() != new
    with pytest.raises(StoreError, match="ORCH_NB_KEY"):
        store.rotate_key()


def test_what_the_database_refuses_spoils_nothing_else(store: Store) -> None:
    ghost = LogRecord(FlowRunId("f" * 32), None, NOON, 20, "root", "of a run that is not there")
    with StoreWriter(store) as writer:
        held = threading.Event()
        writer.submit(lambda t: held.wait(10))
        refused = writer.submit(lambda t: t.append_logs([ghost]))
        accepted = writer.submit(lambda t: t.create_flow_run(a_run(), [], holder=None, by="test"))
        held.set()
    assert isinstance(refused.exception(), StoreError)
    assert store.list_runs() == (accepted.result(),)


def test_a_store_of_a_newer_version_is_refused_in_words(store: Store, store_url: str) -> None:
    with store._database.engine.begin() as connection:
        connection.exec_driver_sql("UPDATE orch_nb_version SET version_num = '9999'")
    with pytest.raises(StoreVersionError, match="newer orch_nb"):
        open_store(store_url)


def test_many_may_open_a_new_store_at_once(store_url: str) -> None:
    barrier = threading.Barrier(8)

    def open_and_write(_: int) -> str:
        barrier.wait()
        with open_store(store_url) as opened:
            return create(opened, a_run()).id

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(open_and_write, range(8)))
    with open_store(store_url) as opened:
        assert sorted(run.id for run in opened.list_runs()) == sorted(ids)


def test_a_transaction_is_all_or_nothing(store: Store) -> None:
    run = a_run()

    def half(transaction: Transaction) -> None:
        transaction.create_flow_run(run, [], holder="me", by="test")
        raise KeyError("half-way")

    with pytest.raises(KeyError):
        store.write(half)
    assert store.list_runs() == ()
    assert store.leases() == ()
