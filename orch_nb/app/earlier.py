"""What is on record of a run's cells, and whether it still serves."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace

from orch_nb.app.preparing import Prepared
from orch_nb.app.recipes import source_hash
from orch_nb.app.reusing import NOT_RUN, Decision, Made, Use, Wishes, decide
from orch_nb.execution.job import outcome_from
from orch_nb.model import FlowRun, TaskRun
from orch_nb.results.checking import check_value, signature_of
from orch_nb.results.location import Location
from orch_nb.results.signing import KeyRing
from orch_nb.states import StateName, StateType
from orch_nb.store import ResultRecord, Store

_WHY_RUN = {
    StateName.TIMED_OUT: "timed out",
    StateName.CRASHED: "crashed",
    StateName.CANCELLED: "cancelled",
    StateName.PAUSED: "waits for an answer",
    StateName.RUNNING: "was running",
    StateName.RETRYING: "was running",
}


def read_made(
    store: Store, run: FlowRun, tasks: Mapping[int, TaskRun], prepared: Prepared
) -> dict[int, Made]:
    """What the run's cells made, by the numbers that the cells have now."""
    by_task: defaultdict[str, list[ResultRecord]] = defaultdict(list)
    for result in store.results(run.id):
        by_task[result.task_run_id].append(result)
    old = store.sources(task.source_hash for task in tasks.values())
    made = {}
    for node in prepared.graph.nodes:
        number = node.cell.number
        task = tasks.get(number)
        if task is None or not prepared.plan.runs(node):
            continue
        found = _find(by_task[task.id], prepared, number)
        if found is not None:
            made[number] = found
        else:
            text = old.get(task.source_hash)
            edited = text is not None and source_hash(node.cell) != task.source_hash
            why = _why_run(task)
            if edited:
                line = _first_difference(text or "", node.cell.source)
                where = f"cell {number} edited (line {line})"
                why = f"{why}; {where}" if why else where
            acted = any(_acted(result) for result in by_task[task.id])
            made[number] = Made(why_run=why, acted=acted)
    return made


def _acted(result: ResultRecord) -> bool:
    outcome = result.outcome or {}
    return bool(outcome.get("acted") or outcome.get("files_written"))


def _find(results: list[ResultRecord], prepared: Prepared, number: int) -> Made | None:
    """The newest good outcome of the cell's recipe, if possible one whose values are kept."""
    recipe = prepared.recipes[number]
    may_fail = prepared.plan.policy(number).may_fail
    without: Made | None = None
    for result in reversed(results):
        if result.recipe != recipe or result.outcome is None:
            continue
        blob = dict(result.manifest) if result.kept and result.manifest is not None else None
        outcome = outcome_from({**result.outcome, "cell": number, "blob": blob})
        if not (outcome.ok or may_fail):
            continue
        if result.kept:
            return Made(outcome, signature=signature_of(result))
        without = without or Made(outcome, not_kept=result.reason)
    return without


def _why_run(task: TaskRun) -> str:
    if task.state_name is StateName.FAILED:
        return f"failed: {task.error_name}" if task.error_name else "failed"
    if task.state_type is StateType.COMPLETED:
        return ""  # its inputs are others now
    return _WHY_RUN.get(task.state_name, NOT_RUN)


def _first_difference(old: str, new: str) -> int:
    before, after = old.splitlines(), new.splitlines()
    for number, (one, other) in enumerate(zip(before, after, strict=False), 1):
        if one != other:
            return number
    return min(len(before), len(after)) + 1


def decide_soundly(
    prepared: Prepared,
    made: dict[int, Made],
    wishes: Wishes,
    folder: str,
    keyring: KeyRing,
    location: Location,
) -> tuple[tuple[Decision, ...], list[str]]:
    """Decide as ``decide`` does, on values that were looked at: one that is missing, damaged or
    not signed by this store counts as not kept, and a sentence says so. ``made`` is put right.
    """
    notices: list[str] = []
    checked: set[int] = set()
    while True:
        decisions = decide(prepared.plan, made, wishes, folder)
        bad = False
        for decision in decisions:
            number = decision.cell
            if decision.use is not Use.REUSE or not decision.apply or number in checked:
                continue
            checked.add(number)
            why = unsound(made[number], keyring, location)
            if why:
                bad = True
                label = prepared.graph.node(number).cell.label
                notices.append(f"{label} runs again: {why}")
                outcome = made[number].outcome
                lost = None if outcome is None else replace(outcome, blob=None)
                made[number] = replace(made[number], outcome=lost, not_kept=why)
        if not bad:
            return decisions, notices


def unsound(made: Made, keyring: KeyRing, location: Location) -> str:
    """Why a kept value can't be used; nothing of it is unpickled to find out."""
    outcome = made.outcome
    if outcome is None or outcome.blob is None:
        return "it is not kept"
    return check_value(outcome.blob, made.signature, keyring, location)
