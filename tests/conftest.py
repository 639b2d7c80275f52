"""What every test gets: a data folder of its own, and nothing from the developer's terminal."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# What `make test` draws is the same each time; the soak draws anew.
settings.register_profile("same", derandomize=True)
if not os.environ.get("ORCH_NB_SOAK"):
    settings.load_profile("same")


@pytest.fixture(autouse=True)
def orch_home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty ORCH_NB_HOME: no test reads or writes the user's own store."""
    home = tmp_path_factory.mktemp("orch_home")
    monkeypatch.setenv("ORCH_NB_HOME", str(home))
    monkeypatch.setenv("ORCH_NB_WARM", "0")  # no daemon outlives a test, and none helps it
    for name in ("COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "COLORFGBG", "ORCH_NB_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return home
