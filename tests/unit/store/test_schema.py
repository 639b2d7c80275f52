"""Opening stores of every age: new, current, older, newer, and files that are none."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from orch_nb.errors import StoreError, StoreVersionError
from orch_nb.store import open_store
from orch_nb.store import schema as schema_module
from orch_nb.store.backends import Database, open_database
from orch_nb.store.schema import HEAD, Revisions, make_current
from tests.sample_runs import a_run, tasks_of

LATER = '''
"""Adds a column by building task_runs anew, which is what SQLite may need."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    with op.batch_alter_table("flow_runs", recreate="always") as table:
        table.add_column(sa.Column("colour", sa.Text))
    op.execute("UPDATE flow_runs SET colour = 'green'")
'''
BROKEN = LATER.replace("colour = 'green'", "nothing = 'green'")


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    opened = open_database(f"sqlite:///{tmp_path}/store.db")
    yield opened
    opened.engine.dispose()


def later_revisions(folder: Path, revision: str = LATER) -> Revisions:
    migrations = folder / "100% later"
    shutil.copytree(Path(schema_module.__file__).parent / "migrations", migrations)
    (migrations / "versions" / "0002_later.py").write_text(revision)
    return Revisions("0002", migrations)


def tables_of(path: Path) -> dict[str, str]:
    with closing(sqlite3.connect(path)) as connection:
        return dict(
            connection.execute(
                "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name"
            )
        )


def test_a_new_store_is_what_the_revisions_lead_to(tmp_path: Path) -> None:
    """The short way, without Alembic, and the long one give the same tables."""
    open_store(str(tmp_path / "short.db")).close()
    long = open_database(f"sqlite:///{tmp_path}/long.db")
    with long.engine.connect() as connection:
        long.begin(connection)
        schema_module._migrate(connection, Revisions())
        connection.commit()
    long.engine.dispose()

    def normal(sql: str) -> list[str]:
        return sorted(part.strip(" ,") for part in sql.replace("\t", "").splitlines())

    short_tables, long_tables = tables_of(tmp_path / "short.db"), tables_of(tmp_path / "long.db")
    version = schema_module.VERSION_TABLE
    assert short_tables.pop(version)
    assert long_tables.pop(version)
    assert {name: normal(sql) for name, sql in short_tables.items()} == {
        name: normal(sql) for name, sql in long_tables.items()
    }


def test_the_head_is_the_newest_revision() -> None:
    newest = max(path.name for path in (Revisions().folder / "versions").glob("[0-9]*.py"))
    assert newest.startswith(HEAD + "_")


def test_opening_a_current_store_needs_no_alembic(tmp_path: Path) -> None:
    code = (
        "import sys; from orch_nb.store import open_store\n"
        f"for _ in range(2): open_store({str(tmp_path / 'store.db')!r}).close()\n"
        "print([name for name in ('alembic', 'sqlalchemy.dialects.postgresql')"
        " if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_an_older_store_is_copied_and_migrated_with_its_data(
    tmp_path: Path, database: Database
) -> None:
    run = a_run(tags=("t",))
    with open_store(str(tmp_path / "store.db")) as store:
        run = store.write(
            lambda t: t.create_flow_run(run, tasks_of(run, 3), holder="me", by="test")
        )
    (notice,) = make_current(database, later_revisions(tmp_path))
    backup = tmp_path / "store.db.version-0001"
    assert notice == (
        f"the store was brought from version 0001 to 0002; the old one is kept as {backup}"
    )
    with database.engine.connect() as connection:
        colours = connection.execute(text("SELECT id, colour FROM flow_runs")).all()
        # Building a table anew drops the old one, and nothing that refers to it may go too.
        counts = [
            connection.execute(text(f"SELECT count(*) FROM {table}")).scalar()
            for table in ("task_runs", "state_history", "run_tags")
        ]
        broken = connection.execute(text("PRAGMA foreign_key_check")).all()
    assert colours == [(run.id, "green")]
    assert counts == [3, 4, 1]
    assert broken == []
    assert make_current(database, Revisions("0002", tmp_path / "100% later")) == ()
    backup.rename(tmp_path / "old.db")
    with open_store(str(tmp_path / "old.db")) as old:
        assert old.list_runs() == (run,)


def test_a_migration_that_fails_leaves_the_store_as_it_was(
    tmp_path: Path, database: Database
) -> None:
    make_current(database)
    before = tables_of(tmp_path / "store.db")
    with pytest.raises(Exception, match="nothing"):
        make_current(database, later_revisions(tmp_path, BROKEN))
    assert tables_of(tmp_path / "store.db") == before
    assert make_current(database) == ()


def test_a_newer_store_is_refused_and_not_touched(tmp_path: Path, database: Database) -> None:
    make_current(database)
    make_current(database, later_revisions(tmp_path))
    before = tables_of(tmp_path / "store.db")
    with pytest.raises(StoreVersionError, match="its version is 0002") as caught:
        open_store(str(tmp_path / "store.db"))
    assert caught.value.exit_code == 2
    assert caught.value.hint == "upgrade orch_nb, or set ORCH_NB_HOME to another folder"
    assert tables_of(tmp_path / "store.db") == before


def test_another_programs_database_is_refused_and_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "photos.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE photos (id)")
    before = path.read_bytes()
    with pytest.raises(StoreError, match="another program's"):
        open_store(str(path))
    assert path.read_bytes() == before


@pytest.mark.parametrize(("content", "message"), [(b"not a database" * 100, "no store of orch_nb")])
def test_a_file_that_is_no_database_is_refused(
    tmp_path: Path, content: bytes, message: str
) -> None:
    path = tmp_path / "store.db"
    path.write_bytes(content)
    with pytest.raises(StoreError, match=message):
        open_store(str(path))
    assert path.read_bytes() == content


def test_places_that_can_not_be_are_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="folder can't be made"):
        open_store(str(tmp_path / "file" / "store.db"))
    with pytest.raises(StoreError, match="path is a folder"):
        open_store(str(tmp_path))
    for url in ("mysql://root@localhost/x", "nonsense://", "://"):
        with pytest.raises(StoreError, match="no place for a store"):
            open_store(url)


def test_an_unreachable_server_is_told_in_words_without_the_password() -> None:
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError, match="does not answer") as caught:
        open_store("postgresql://user:hunter2@127.0.0.1:1/runs")
    assert "hunter2" not in str(caught.value)


def test_a_missing_driver_is_told_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(StoreError, match="needs psycopg") as caught:
        open_store("postgresql://user@127.0.0.1/runs")
    assert caught.value.hint == "pip install 'orch_nb[postgres]'"


def test_a_path_may_hold_any_character(tmp_path: Path) -> None:
    path = tmp_path / "100% odd? #1 'é'" / "store.db"
    with open_store(str(path)) as store:
        store.write(lambda t: t.create_flow_run(a_run(), [], holder=None, by="test"))
    assert path.exists()
    assert path.parent.stat().st_mode & 0o077 == 0
