"""The use cases: the one door that every face goes through."""

from orch_nb.app.answering import OpenQuestion, answer, is_suspended, open_questions
from orch_nb.app.attempts import Attempt, attempts
from orch_nb.app.explaining import Explanation, explain
from orch_nb.app.function_resume import is_function_flow, resume_functions
from orch_nb.app.machine import Check, doctor, where
from orch_nb.app.records import RunDetails, cancel, logs, runs, show
from orch_nb.app.requests import Control, RunRequest, RunResult
from orch_nb.app.resuming import ResumePlan, ResumeRequest, plan_resume, resume
from orch_nb.app.reusing import Use
from orch_nb.app.running import run
from orch_nb.app.sweep_points import Axis, grid, parse_axis, table
from orch_nb.app.sweeping import SweepControl, SweepRequest, SweepResult, SweptRun, sweep
from orch_nb.app.verifying import Difference, Verdict, verify

__all__ = [
    "Attempt",
    "Axis",
    "Check",
    "Control",
    "Difference",
    "Explanation",
    "OpenQuestion",
    "ResumePlan",
    "ResumeRequest",
    "RunDetails",
    "RunRequest",
    "RunResult",
    "SweepControl",
    "SweepRequest",
    "SweepResult",
    "SweptRun",
    "Use",
    "Verdict",
    "answer",
    "attempts",
    "cancel",
    "doctor",
    "explain",
    "grid",
    "is_function_flow",
    "is_suspended",
    "logs",
    "open_questions",
    "parse_axis",
    "plan_resume",
    "resume",
    "resume_functions",
    "run",
    "runs",
    "show",
    "sweep",
    "table",
    "verify",
    "where",
]
