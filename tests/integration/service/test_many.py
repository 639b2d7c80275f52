"""Many schedulers and workers on one PostgreSQL make no run twice and lose none.

A few seconds of it; ``ORCH_NB_SOAK=1`` goes on for five minutes.
"""

from __future__ import annotations

import os
from pathlib import Path

from tests.integration.service.many import run_many

SOAK = os.environ.get("ORCH_NB_SOAK") == "1"


def test_three_schedulers_and_four_workers(postgresql_url: str, tmp_path: Path) -> None:
    ticks, done = run_many(postgresql_url, tmp_path, 300.0 if SOAK else 5.0, drain=90.0)
    assert ticks == done
    assert ticks >= (14_000 if SOAK else 100)
