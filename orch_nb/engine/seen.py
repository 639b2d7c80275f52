"""What an outcome means for other cells: the facts by which the core decides."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from orch_nb.engine.plan import Facts
from orch_nb.execution.job import Outcome
from orch_nb.graph.model import Node

_MISSING = re.compile(r"name '(\w+)' is not defined")


def facts_of(
    outcome: Outcome, node: Node, folder: str, *, may_fail: bool, at_home: bool = False
) -> Facts:
    """The facts of an attempt at a cell that ran in ``folder``; ``at_home`` says that what it
    changed is in the home process, and ``may_fail`` that its error is no failure."""
    error = outcome.error
    missing = None
    if error is not None and error.name == "NameError":
        missing = _MISSING.search(error.value)
    writes = {*outcome.bound, *outcome.deleted, *outcome.changed}
    if not outcome.observed:
        writes |= node.writes | node.changes
    return Facts(
        ok=outcome.ok or may_fail,
        shipped=outcome.blob is not None,
        unshippable=outcome.unshippable,
        held=bool(outcome.unshippable) and not outcome.refused and not at_home,
        writes=frozenset(writes),
        changed=frozenset(outcome.changed if outcome.observed else node.changes),
        refs=frozenset(outcome.refs),
        ambient=frozenset(outcome.ambient),
        files_read=frozenset(outcome.files_read) | absolute(node.files_read, folder),
        files_written=frozenset(outcome.files_written) | absolute(node.files_written, folder),
        acted=outcome.acted,
        missing=missing.group(1) if missing else "",
        error="" if error is None else error.words,
        error_types=() if error is None else error.types or (error.name,),
        exits=outcome.exits and not may_fail,
        cached=outcome.cached,
    )


def absolute(named: Iterable[str], folder: str) -> frozenset[str]:
    """Paths that the source names, absolute: native code reads and writes unseen."""
    return frozenset(
        os.path.abspath(Path(folder, path))  # noqa: PTH100 - keeps links
        for path in named
        if "://" not in path
    )


def relative_files(outcomes: Mapping[int, Outcome], folder: str) -> tuple[str, ...]:
    """The files that a run was seen to write, relative to its folder where they are in it."""
    written = {path for outcome in outcomes.values() for path in outcome.files_written}
    base = Path(folder)
    return tuple(
        sorted(
            str(Path(path).relative_to(base)) if Path(path).is_relative_to(base) else path
            for path in written
            if Path(path).exists()
        )
    )
