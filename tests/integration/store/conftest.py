"""A store on each backend: SQLite always, PostgreSQL where its server is installed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from orch_nb.store import Backend, Store, open_store
from tests.integration.store.servers import new_database, running_server, server_programs


@pytest.fixture(scope="session")
def postgresql_server() -> Iterator[str]:
    """The URL of a server; skips where there is none, or no driver for it."""
    pytest.importorskip("psycopg")
    programs = server_programs()
    if programs is None:
        pytest.skip("no PostgreSQL server is installed")
    with running_server(programs) as url:
        yield url


@pytest.fixture
def postgresql_url(postgresql_server: str) -> Iterator[str]:
    """The URL of an empty database."""
    with new_database(postgresql_server) as url:
        yield url


@pytest.fixture(params=list(Backend))
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A URL of each backend, where no store is yet."""
    if request.param is Backend.POSTGRESQL:
        url: str = request.getfixturevalue("postgresql_url")
        return url
    return f"sqlite:///{tmp_path}/data/store.db"


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    """A new store on each backend."""
    with open_store(store_url) as opened:
        yield opened
