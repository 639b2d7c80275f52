"""What a cell reads, shipped to a process that is no fork of home, where home can't be forked.

The process gets the variables that the cell may reach, with every other name that shares objects
with them, and the process-wide state. What it changes comes back as from a fork.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from orch_nb.errors import ResultError
from orch_nb.execution import warned
from orch_nb.execution.ambient import AMBIENT
from orch_nb.execution.anatomy import ATOMS, Pinned
from orch_nb.execution.job import Job, Message, Outcome, SessionSpec
from orch_nb.execution.packing import Changes, pack
from orch_nb.execution.shell import CellShell
from orch_nb.execution.walk import Index, names_reaching
from orch_nb.results.blob import write_blob

_RESULTS = re.compile(r"\b(?:_{1,3}|_\d+|_oh|Out)\b")
_MISSING = re.compile(r"name '(\w+)' is not defined")


def ship_inputs(shell: CellShell, job: Job, spec: SessionSpec) -> tuple[Message, list[str]]:
    """Write what ``job`` reads as a blob; return its manifest, and the names that stay behind.

    Raises Pinned, with the reason in words, when something can't leave this process.
    """
    if job.no_stand_in:
        raise Pinned(job.no_stand_in)
    if job.calls:
        raise Pinned("it has other cells run, which the flow's own process records")
    if _RESULTS.search(job.source):
        raise Pinned("it uses results by their numbers")
    variables = shell.variables()
    names = _names_to_ship(shell, job, variables) - set(job.hide)
    changes = Changes(
        {name: value for name, value in variables.items() if name in names},
        ambient=shell.within(_states),
        warned=warned.all_shown(),
    )
    namespace = shell.user_ns
    try:
        data, buffers = pack(changes, Index((), namespace), namespace)
        manifest = write_blob(Path(spec.results), data, buffers)
    except ResultError as error:
        raise Pinned(error.message) from error
    except Pinned:
        raise
    except Exception as error:  # the values' own code runs here, and may fail in any way
        words = f"{type(error).__name__}: {str(error)[:200]}"
        raise Pinned(f"what it reads can't be pickled: {words}") from error
    return manifest.to_json(), sorted(variables.keys() - names - set(job.hide))


def judge(outcome: Outcome, left_behind: Sequence[str] = ()) -> Outcome:
    """The outcome of a cell that ran on shipped inputs, or that it must run at home after all:
    it asked for what was left behind, or its changes can't be shipped back."""
    error = outcome.error
    missing = _MISSING.search(error.value) if error and error.name == "NameError" else None
    if missing is not None and missing.group(1) in left_behind:
        words = f"it reads '{missing.group(1)}', which stayed in the flow's own process"
        outcome = Outcome(outcome.cell, outcome.attempt, unshippable=words)
    if outcome.unshippable:
        return replace(outcome, refused=True, passing=True)
    return outcome


def _names_to_ship(shell: CellShell, job: Job, variables: dict[str, Any]) -> set[str]:
    reads = [name for name in job.reads if name in variables]
    index = Index(reads, shell.user_ns)
    objects = [obj for obj, _anatomy in index.objects()]
    if any(isinstance(obj, set | frozenset) and not _has_atoms(obj) for obj in objects):
        raise Pinned("a set of objects has another order in another process")
    if job.apply:  # their changes speak of objects under any name
        return set(variables)
    others = variables.keys() - set(reads)
    shared = [obj for obj, anatomy in index.objects() if anatomy.mutable]
    return {*reads, *names_reaching(shared, others, shell.user_ns)}


def _has_atoms(items: set[Any] | frozenset[Any]) -> bool:
    return all(type(item) in ATOMS for item in items)


def _states() -> dict[str, Any]:
    """The process-wide state of every library that is loaded."""
    found = {}
    for name, entry in AMBIENT.items():
        if entry.module in sys.modules:
            try:
                found[name] = entry.get()
            except (OSError, AttributeError, KeyError):  # half imported, or the folder is gone
                continue
    return found
