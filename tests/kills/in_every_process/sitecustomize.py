"""Lets a Python process of a test's run be killed at a chosen point; on the path of no other."""

import os

if "ORCH_NB_TEST_KILLS" in os.environ:
    from tests.kills import crossings

    crossings.install_in_worker()
