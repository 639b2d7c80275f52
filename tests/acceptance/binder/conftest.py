"""What Binder makes of the repository; only `make test-binder` runs these tests."""

from __future__ import annotations

import os

if not os.environ.get("ORCH_NB_BINDER"):
    collect_ignore_glob = ["test_*.py"]
