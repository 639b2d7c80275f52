"""Leaves nothing of jupyter_client behind for the next test to trip over."""

from __future__ import annotations

from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def closed_loop() -> Iterator[None]:
    """jupyter_client keeps the loop that its blocking calls run in; nobody else closes it."""
    yield
    from jupyter_core.utils import ensure_event_loop

    ensure_event_loop().close()
