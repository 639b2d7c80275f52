"""A store in a file, and deployments in it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from orch_nb.store import Store, open_store
from tests.integration.service.conftest import deploy

__all__ = ["deploy"]


@pytest.fixture
def store() -> Iterator[Store]:
    """The user's own store, which is this test's."""
    with open_store() as opened:
        yield opened
