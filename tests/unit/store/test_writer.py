"""The writer's thread: order, batches, errors, and how it ends."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import closing
from pathlib import Path

import pytest

from orch_nb.errors import StoreError
from orch_nb.store import Store, StoreWriter, Transaction, open_store, patience
from orch_nb.store import writer as writer_module
from tests.sample_runs import a_run


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(str(tmp_path / "store.db")) as opened:
        yield opened


def test_operations_are_done_in_order_and_close_waits_for_them(store: Store) -> None:
    order: list[int] = []
    with StoreWriter(store) as writer:
        for number in range(2500):  # more than one batch
            writer.submit(lambda t, number=number: order.append(number))
    assert order == list(range(2500))


def test_what_waits_is_one_transaction(store: Store) -> None:
    seen = set()
    with StoreWriter(store) as writer:
        held = threading.Event()
        writer.submit(lambda t: held.wait(10))
        futures: list[Future[None]] = [writer.submit(lambda t: seen.add(id(t))) for _ in range(50)]
        held.set()
        for future in futures:
            future.result(10)
    assert len(seen) == 1


def test_what_nobody_waits_for_is_gathered_until_somebody_does(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writer_module, "_GATHERING", 3600.0)
    transactions: list[int] = []
    with StoreWriter(store) as writer:

        def note(transaction: Transaction) -> None:
            transactions.append(id(transaction))

        writer.submit(note, hurried=False).result(10)  # the first waits for no others
        gathered = [writer.submit(note, hurried=False) for _ in range(50)]
        assert not any(future.done() for future in gathered)
        writer.flush(10)
        assert all(future.done() for future in gathered)
        assert len(set(transactions[1:])) == 1
        last = writer.submit(note, hurried=False)
    assert last.done()  # closing waits for all, and for nothing else


def test_flush_waits_for_what_was_submitted(store: Store) -> None:
    with StoreWriter(store) as writer:
        run = a_run()
        writer.submit(lambda t: t.create_flow_run(run, [], holder=None, by="test"))
        writer.flush(10)
        assert store.list_runs()[0].id == run.id
        held = threading.Event()
        writer.submit(lambda t: held.wait(10))
        with pytest.raises(TimeoutError):
            writer.flush(0.01)
        held.set()


def test_a_closed_writer_takes_nothing_more_and_may_be_closed_again(store: Store) -> None:
    writer = StoreWriter(store)
    writer.close()
    writer.close()
    with pytest.raises(StoreError, match="closed"):
        writer.submit(lambda t: None)


def test_a_cancelled_operation_is_not_done(store: Store) -> None:
    done: list[str] = []
    with StoreWriter(store) as writer:
        held = threading.Event()
        started = threading.Event()
        writer.submit(lambda t: (started.set(), held.wait(10)))
        started.wait(10)
        assert writer.submit(lambda t: done.append("cancelled")).cancel()
        writer.submit(lambda t: done.append("other"))
        held.set()
    assert done == ["other"]


def test_a_lock_that_another_holds_for_a_while_is_waited_for(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Longer than SQLite itself waits, too."""
    store.write(lambda t: None)
    assert store._committer._connection is not None
    store._committer._connection.exec_driver_sql("PRAGMA busy_timeout = 1")
    store._committer._connection.rollback()
    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with StoreWriter(store) as writer:
            future = writer.submit(lambda t: t.create_flow_run(a_run(), [], holder=None, by="test"))
            with pytest.raises(TimeoutError):
                future.result(0.2)
            other.execute("COMMIT")
            assert future.result(10).id == store.list_runs()[0].id


def test_a_lock_that_is_never_given_back_is_told_in_words(store: Store, tmp_path: Path) -> None:
    store.write(lambda t: None)
    connection = store._committer._connection
    assert connection is not None
    connection.exec_driver_sql("PRAGMA busy_timeout = 1")
    connection.rollback()

    def attempt() -> None:
        try:
            store._database.begin(connection)
        finally:
            connection.rollback()

    with closing(sqlite3.connect(tmp_path / "store.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        started = time.monotonic()
        with pytest.raises(StoreError, match="kept the store to itself") as caught:
            patience.patiently(attempt, store.where, longest=0.1)
    assert time.monotonic() - started < 5
    assert "locked" not in str(caught.value)
