"""The installed wheel; only `make test-wheel` runs these tests."""

from __future__ import annotations

import os

if os.environ.get("ORCH_NB_WHEEL") != "1":
    collect_ignore_glob = ["test_*.py"]
