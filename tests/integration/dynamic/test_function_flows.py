"""Flows of functions with real processes and a real store."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orch_nb import flow, run_notebook, task, unmapped
from orch_nb.errors import FlowError, InputError, OptionError, TaskError
from orch_nb.model import FlowRun, TaskRun
from orch_nb.states import StateName
from orch_nb.store import LogQuery, Store, open_store
from orch_nb.store.limits import put_sizes


@contextlib.contextmanager
def last_run() -> Iterator[tuple[Store, FlowRun, list[TaskRun]]]:
    with open_store() as store:
        run = store.list_runs()[0]
        yield store, run, list(store.task_runs(run.id))


def states(tasks: list[TaskRun]) -> dict[str, list[StateName]]:
    found: dict[str, list[StateName]] = {}
    for each in tasks:
        found.setdefault(each.name, []).append(each.state_name)
    return found


@task
def double(x: int) -> int:
    return x * 2


@task
def total(values: list[int], plus: int = 0) -> int:
    return sum(values) + plus


@task
def where(_: Any = None) -> int:
    return os.getpid()


def test_calls_futures_and_maps_give_what_plain_calls_give() -> None:
    @flow
    def sums(n: int) -> Any:
        one = double(1)
        doubled = double.map(range(n))
        both = total.submit([double.submit(10), *doubled], plus=double.submit(one))
        return one, doubled, {"both": both}

    assert sums(4) == (2, [0, 2, 4, 6], {"both": 20 + 12 + 4})
    with last_run() as (_, run, tasks):
        assert (run.flow, run.state_name, dict(run.parameters)) == ("sums", "Completed", {"n": 4})
        assert sorted(t.map_index for t in tasks if t.map_index is not None) == [0, 1, 2, 3]
        assert all(t.state_name is StateName.COMPLETED for t in tasks)
        assert states(tasks).keys() == {"double", "total"}


def test_outside_of_a_flow_a_call_is_a_plain_call_and_submit_says_what_to_do() -> None:
    assert double(4) == 8
    with pytest.raises(FlowError, match="outside of a flow"):
        double.submit(4)


def test_submitted_calls_run_in_other_processes_and_direct_ones_here() -> None:
    @flow(max_workers=2)
    def pids() -> Any:
        return where(), where.map(range(4))

    own, others = pids()
    assert own == os.getpid()
    assert os.getpid() not in others
    assert len(set(others)) <= 2


def test_a_map_takes_what_is_the_same_for_all_as_it_is() -> None:
    @flow(runner="inline")
    def mapped() -> Any:
        lists = total.map([[1], [2, 3]], plus=unmapped(1))
        named = total.map(values=[[1], [2]], plus=[10, 20])
        return lists, named, total.map([])

    assert mapped() == ([2, 6], [11, 22], [])

    @flow(runner="inline")
    def uneven() -> Any:
        return total.map([[1]], plus=[1, 2])

    with pytest.raises(FlowError, match="1 and 2 items"):
        uneven()


@task
def boom(x: int) -> int:
    if x == 2:
        raise KeyError("two")
    return x


def test_the_tasks_own_error_is_raised_and_what_needs_it_is_not_run() -> None:
    seen = []

    @flow
    def fails() -> None:
        bad = boom.submit(2)
        lost = double.submit(bad)
        with pytest.raises(TaskError, match="needs boom"):
            lost.result()
        seen.append(lost.state)
        bad.result()

    with pytest.raises(KeyError, match="two") as caught:
        fails()
    assert any("raised in task boom" in note for note in caught.value.__notes__)
    assert seen == [StateName.UPSTREAM_FAILED]
    with last_run() as (_, run, tasks):
        assert run.state_name is StateName.FAILED
        assert run.state_message == "KeyError: 'two'"
        assert states(tasks) == {
            "boom": [StateName.FAILED],
            "double": [StateName.UPSTREAM_FAILED],
        }
        assert next(t for t in tasks if t.name == "boom").error_name == "KeyError"


def test_a_failure_that_nobody_looked_at_fails_the_flow() -> None:
    @flow
    def careless() -> str:
        boom.map(range(5))
        return "done"

    with pytest.raises(KeyError):
        careless()

    @flow
    def careful() -> list[Any]:
        return boom.map(range(3)).result(raise_on_failure=False)

    *well, error = careful()
    assert well == [0, 1]
    assert isinstance(error, KeyError)


def test_wait_for_holds_a_call_back(tmp_path: Path) -> None:
    first = tmp_path / "first"

    @task
    def write() -> None:
        time.sleep(0.2)
        first.write_text("there")

    @task
    def read() -> str:
        return first.read_text()

    @flow
    def ordered() -> str:
        written = write.submit()
        return read.submit(wait_for=[written]).result()  # type: ignore[no-any-return]

    assert ordered() == "there"


def test_retries_are_counted_and_end_well(tmp_path: Path) -> None:
    count = tmp_path / "count"

    @task(retries=2)
    def flaky() -> int:
        with count.open("a") as file:
            file.write("x")
        if count.stat().st_size < 3:
            raise OSError("not yet")
        return count.stat().st_size

    @flow
    def tries() -> Any:
        return flaky.submit()

    assert tries() == 3
    with last_run() as (store, run, (only,)):
        assert (only.attempt, only.max_attempts) == (3, 3)
        told = [change.new for change in store.history(run.id, only.id)]
        assert told[-1] is StateName.COMPLETED


def test_a_call_that_takes_too_long_is_ended_with_its_processes(tmp_path: Path) -> None:
    pid = tmp_path / "pid"

    @task(timeout="300ms")
    def slow() -> None:
        pid.write_text(str(os.getpid()))
        time.sleep(60)

    @flow
    def hurried() -> None:
        slow()

    begin = time.monotonic()
    with pytest.raises(TaskError, match="took longer than 300ms"):
        hurried()
    assert time.monotonic() - begin < 30
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)
    with last_run() as (_, _, (only,)):
        assert only.state_name is StateName.TIMED_OUT


@task(retries=1)
def die_once(path: str) -> str:
    if not Path(path).exists():
        Path(path).write_text("died")
        os.kill(os.getpid(), 9)
    return Path(path).read_text()


def test_a_worker_that_is_killed_costs_only_what_it_was_running(tmp_path: Path) -> None:
    @flow(max_workers=2)
    def survives() -> Any:
        return double.map(range(50)), die_once.submit(str(tmp_path / "died"))

    assert survives() == ([2 * n for n in range(50)], "died")


@task
def counted(item: int, folder: str) -> int:
    with (Path(folder) / "ran").open("a") as file:
        file.write(f"{item}\n")
    if item == 73 and not (Path(folder) / "fixed").exists():
        raise ValueError("item 73")
    return item


@flow
def many(folder: str) -> int:
    items = counted.map(range(100), unmapped(folder))
    return total(items)  # type: ignore[no-any-return]


def test_a_resumed_map_runs_what_is_left_and_not_what_is_done(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="item 73"):
        many(str(tmp_path))
    with last_run() as (_, failed, tasks):
        assert sum(t.state_name is StateName.COMPLETED for t in tasks) == 99
    (tmp_path / "fixed").touch()
    assert many.resume(failed.name, str(tmp_path)) == sum(range(100))
    ran = (tmp_path / "ran").read_text().split()
    assert len(ran) == 101
    assert ran[-1] == "73"
    with last_run() as (_, run, tasks):
        assert (run.id, run.attempt, run.state_name) == (failed.id, 2, StateName.COMPLETED)
        assert len(tasks) == 101
        assert all(t.state_name is StateName.COMPLETED for t in tasks)
    with pytest.raises(InputError, match="nothing is left"):
        many.resume(run.name, str(tmp_path))


def test_a_kept_value_that_is_not_signed_by_this_store_is_made_again(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="item 73"):
        many(str(tmp_path))
    with last_run() as (store, run, _):
        path = Path(os.environ["ORCH_NB_HOME"]) / "store.key"
        store.close()
    path.unlink()
    (tmp_path / "fixed").touch()
    assert many.resume(run.name, str(tmp_path)) == sum(range(100))
    assert len((tmp_path / "ran").read_text().split()) == 200


@task
def large(n: int) -> bytes:
    return bytes(n)


@task
def length(value: bytes) -> int:
    return len(value)


def test_large_values_go_by_file_from_worker_to_worker() -> None:
    @flow
    def big() -> Any:
        return length.map(large.map([5_000_000, 10]))

    assert big() == [5_000_000, 10]
    with last_run() as (store, run, _):
        kept = [r for r in store.results(run.id) if r.size > 1_000_000]
        assert len(kept) == 1
        assert kept[0].outcome is None


def test_a_value_that_can_not_be_shipped_stays_and_its_readers_run_beside_it() -> None:
    @task
    def lock() -> Any:
        return threading.Lock()

    @task
    def held(one: Any) -> bool:
        return bool(one.acquire())

    @flow
    def unshippable() -> Any:
        return held.submit(lock.submit())

    assert unshippable() is True


def test_equal_work_is_taken_from_the_cache_of_any_run(tmp_path: Path) -> None:
    ran = tmp_path / "ran"

    @task(cache=True)
    def costly(x: int) -> int:
        with ran.open("a") as file:
            file.write("x")
        return x

    @flow
    def cached(x: int) -> Any:
        return costly.map([x, x + 1])

    assert [cached(1), cached(1), cached(2)] == [[1, 2], [1, 2], [2, 3]]
    assert ran.read_text() == "xxx"
    with last_run() as (_, _, tasks):
        assert sorted(t.state_name for t in tasks) == [StateName.CACHED, StateName.COMPLETED]


def test_a_limit_that_runs_share_is_kept(tmp_path: Path) -> None:
    with open_store() as store:
        store.write(lambda t: put_sizes(t, {"db": 1}))
    inside = tmp_path / "inside"

    @task(uses={"db": 1})
    def query(_: int) -> bool:
        alone = not inside.exists()
        inside.touch()
        time.sleep(0.05)
        inside.unlink()
        return alone

    @flow(max_workers=2)
    def queries() -> Any:
        return query.map(range(4))

    assert queries() == [True] * 4

    @task(uses={"nowhere": 1})
    def lost() -> None: ...

    @flow
    def unlimited() -> None:
        lost.submit()

    with pytest.raises(OptionError, match="no limit 'nowhere'"):
        unlimited()


def test_subflows_are_runs_of_their_own_and_told_with_their_parent(tmp_path: Path) -> None:
    @flow
    def inner(n: int) -> Any:
        return double.submit(n)

    @flow
    def outer() -> Any:
        return inner(1), inner(2)

    assert outer() == (2, 4)
    with open_store() as store:
        run = next(r for r in store.list_runs() if r.flow == "outer")
        assert [dict(c.parameters) for c in store.child_runs(run.id)] == [{"n": 1}, {"n": 2}]


def test_flows_that_call_themselves_without_an_end_are_stopped_in_words() -> None:
    @flow(runner="inline")
    def again(n: int) -> Any:
        return again(n + 1)

    with pytest.raises(FlowError, match="flows deep"):
        again(0)


def test_async_flows_and_tasks() -> None:
    @task
    async def wait(x: int) -> int:
        await asyncio.sleep(0.01)
        return x + 1

    @flow
    async def waits() -> Any:
        first = await wait(1)
        return first, [await future for future in wait.map([first, 5])]

    assert asyncio.run(waits()) == (2, [3, 6])


def test_what_tasks_log_and_print_is_kept_with_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    @task
    def talk() -> None:
        import logging

        print("printed")
        logging.getLogger("mine").warning("logged")

    @flow
    def talks() -> None:
        talk.submit().result()

    talks()
    assert "printed" in capsys.readouterr().out
    with last_run() as (store, run, _):
        told = [(r.task, r.logger, r.message) for r in store.logs(run.id, LogQuery())]
    assert told[:2] == [("talk", "stdout", "printed"), ("talk", "mine", "logged")]


def test_a_flow_that_is_cancelled_ends_its_workers(tmp_path: Path) -> None:
    started = tmp_path / "started"

    @task
    def forever() -> None:
        started.write_text(str(os.getpid()))
        time.sleep(600)

    @flow
    def endless() -> None:
        forever.submit().result()

    def cancel() -> None:
        while not (started.exists() and started.read_text()):
            time.sleep(0.02)
        with open_store() as store:
            run = store.list_runs()[0]
            store.write(lambda t: t.request_cancel(run.id, by="a test"))

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        endless()
    thread.join()
    with pytest.raises(ProcessLookupError):
        os.kill(int(started.read_text()), 0)
    with last_run() as (_, run, (only,)):
        assert (run.state_name, only.state_name) == (StateName.CANCELLED, StateName.CANCELLED)
        assert run.state_message == "cancelled by a test"


def test_a_flow_is_tried_again_and_does_not_do_again_what_is_done(tmp_path: Path) -> None:
    tries = tmp_path / "tries"

    @flow(retries=1)
    def second() -> Any:
        pid = where.submit().result()
        with tries.open("a") as file:
            file.write("x")
        if tries.stat().st_size < 2:
            raise OSError("not yet")
        return pid

    second()
    with last_run() as (store, run, tasks):
        assert (run.state_name, run.attempt, len(tasks)) == (StateName.COMPLETED, 2, 1)
        assert len(store.results(run.id)) == 1


@pytest.mark.parametrize(
    ("options", "words"),
    [({"retry": 3}, "unknown option"), ({"writes": ["a"]}, "option of cells")],
)
def test_options_that_say_nothing_about_a_function_are_refused(
    options: dict[str, Any], words: str
) -> None:
    with pytest.raises(OptionError, match=words):
        task(**options)(lambda: None)


def test_a_map_never_has_more_with_the_executor_than_its_window() -> None:
    from orch_nb.app import function_flows
    from orch_nb.dynamic.executors import ThreadExecutor

    class Counting(ThreadExecutor):
        def __init__(self, slots: int) -> None:
            super().__init__(slots)
            self.window = 2 * slots
            self.open_calls: set[int] = set()
            self.most = 0
            made.append(self)

        def start(self, call: int, spec: Any) -> None:
            self.open_calls.add(call)
            self.most = max(self.most, len(self.open_calls))
            super().start(call, spec)

        def open(self, setting: Any, hear: Any) -> None:
            def heard(told: Any) -> None:
                self.open_calls.discard(told.call)
                hear(told)

            super().open(setting, heard)

    made: list[Counting] = []
    vars(function_flows)["make_executor"], before = (
        lambda work: Counting(work.options.max_workers or 1),
        function_flows.make_executor,
    )
    try:

        @flow(max_workers=3)
        def wide() -> int:
            return len(double.map(range(500)).result())

        assert wide() == 500
    finally:
        vars(function_flows)["make_executor"] = before
    assert 1 <= made[0].most <= 6


def test_a_notebook_in_a_flow_is_a_subflow(tmp_path: Path) -> None:
    import json

    from tests.command_line import code, make_document

    path = tmp_path / "other.ipynb"
    document = make_document(code("n: int = 1", "parameters"), "m = n * 2")
    path.write_text(json.dumps(document), encoding="utf-8")

    @flow
    def calls() -> Any:
        return run_notebook(path, n=4).values["m"]

    assert calls() == 8
    with open_store() as store:
        run = next(r for r in store.list_runs() if r.flow == "calls")
        (child,) = store.child_runs(run.id)
        assert (child.flow, child.parent_run) == ("other", run.id)
