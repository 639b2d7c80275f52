"""The site of `make lite`; only `make test-lite` runs these tests."""

from __future__ import annotations

import os

if not os.environ.get("ORCH_NB_LITE"):
    collect_ignore_glob = ["test_*.py"]
