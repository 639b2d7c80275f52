"""The use cases: the one door that every face goes through."""

from orch_nb.app.machine import Check, doctor, where
from orch_nb.app.records import RunDetails, cancel, logs, runs, show
from orch_nb.app.requests import Control, RunRequest, RunResult
from orch_nb.app.running import run
from orch_nb.app.verifying import Difference, Verdict, verify

__all__ = [
    "Check",
    "Control",
    "Difference",
    "RunDetails",
    "RunRequest",
    "RunResult",
    "Verdict",
    "cancel",
    "doctor",
    "logs",
    "run",
    "runs",
    "show",
    "verify",
    "where",
]
