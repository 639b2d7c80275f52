"""One template process for all notebooks of a test process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.guarantee.harness import Bench, open_bench


@pytest.fixture(scope="session")
def bench() -> Iterator[Bench]:
    with open_bench() as found:
        yield found
