"""How SQLite is set up, by where the file is and how durable it shall be."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from orch_nb.errors import StoreError
from orch_nb.store import backends, open_store
from orch_nb.store.mounts import network_mount
from orch_nb.store.store import Store
from tests.sample_runs import a_run

MOUNTS = r"""
sysfs /sys sysfs rw 0 0
/dev/vda / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/vdb /home/local xfs rw 0 0
share /mnt/with\040space cifs rw 0 0
me@host:/ /mnt/ssh fuse.sshfs rw 0 0
lower /mnt/lower fuse.bindfs rw 0 0
server:/x /stacked nfs rw 0 0
/dev/vdc /stacked ext4 rw 0 0
broken-line
"""


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/srv/data", None),
        ("/home", "nfs4 at /home"),
        ("/home/me/data", "nfs4 at /home"),
        ("/homework", None),
        ("/home/local/data", None),
        ("/mnt/with space/x", "cifs at /mnt/with space"),
        ("/mnt/ssh/x", "fuse.sshfs at /mnt/ssh"),
        ("/mnt/lower/x", None),
        ("/stacked/x", None),
    ],
)
def test_network_file_systems_are_told_by_the_mounts(
    tmp_path: Path, path: str, found: str | None
) -> None:
    table = tmp_path / "mounts"
    table.write_text(MOUNTS)
    assert network_mount(Path(path), table) == found


def test_no_table_of_mounts_is_no_network(tmp_path: Path) -> None:
    assert network_mount(tmp_path, tmp_path / "none") is None


def pragma(store: Store, name: str) -> Any:
    def ask(connection: Any) -> Any:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()

    return store._read(ask)


def test_a_local_store_has_a_write_ahead_log(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "store.db")) as store:
        assert store.notices == ()
        assert pragma(store, "journal_mode") == "wal"
        assert pragma(store, "synchronous") == 1
        assert pragma(store, "foreign_keys") == 1


def test_full_durability_syncs_every_commit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCH_NB_DURABILITY", "full")
    with open_store(str(tmp_path / "store.db")) as store:
        assert pragma(store, "synchronous") == 2


def test_a_store_on_a_network_keeps_a_rollback_journal_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = str(tmp_path / "store.db")
    open_store(path).close()
    monkeypatch.setattr(backends, "network_mount", lambda _: "nfs4 at /home")
    with open_store(path) as store:
        (notice,) = store.notices
        assert "network file system (nfs4 at /home)" in notice
        assert pragma(store, "journal_mode") == "delete"
        store.write(lambda t: t.create_flow_run(a_run(), [], holder=None, by="test"))
        assert len(store.list_runs()) == 1


def test_a_forked_process_is_told_to_open_its_own(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "store.db")) as store:
        child = os.fork()
        if child == 0:
            try:
                store.list_runs()
            except StoreError as error:
                os._exit(0 if "forked" in error.message else 1)
            finally:
                os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_a_full_disk_is_told_in_words_and_loses_nothing(tmp_path: Path) -> None:
    with open_store(str(tmp_path / "store.db")) as store:
        first = store.write(lambda t: t.create_flow_run(a_run(), [], holder=None, by="test"))
        connection = store._committer._connection
        assert connection is not None
        connection.exec_driver_sql("PRAGMA max_page_count = 60")
        connection.rollback()
        large = a_run(state_message="x" * 1_000_000)
        with pytest.raises(StoreError, match="disk that holds the store is full") as caught:
            store.write(lambda t: t.create_flow_run(large, [], holder=None, by="test"))
        assert caught.value.where == str(tmp_path / "store.db")
        connection.exec_driver_sql("PRAGMA max_page_count = 100000")
        connection.rollback()
        second = store.write(lambda t: t.create_flow_run(large, [], holder=None, by="test"))
        assert store.list_runs() == (second, first)


def test_a_batch_that_the_disk_has_no_room_for_fails_as_a_whole(tmp_path: Path) -> None:
    """What came later must not be recorded when what came before was not."""
    with open_store(str(tmp_path / "store.db")) as store:
        store.write(lambda t: None)
        connection = store._committer._connection
        assert connection is not None
        connection.exec_driver_sql("PRAGMA max_page_count = 60")
        connection.rollback()
        runs = [a_run(), a_run(state_message="x" * 1_000_000), a_run()]
        outcomes = store.write_all(
            [lambda t, run=run: t.create_flow_run(run, [], holder=None, by="test") for run in runs]
        )
        assert all(isinstance(outcome.error, StoreError) for outcome in outcomes)
        assert store.list_runs() == ()
