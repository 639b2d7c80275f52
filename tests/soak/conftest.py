"""Tests of a minute and more: collected only by `make soak`, which sets ORCH_NB_SOAK."""

import os

from tests.integration.store.conftest import postgresql_server as postgresql_server

collect_ignore_glob = [] if os.environ.get("ORCH_NB_SOAK") else ["test_*.py"]
