"""What was run in the kernel after its notebook was saved: cells that the file holds with another
text, or not at all."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from orch_nb.errors import NotebookError
from orch_nb.execution.by_hand import HandRun
from orch_nb.first_line import find_first_line

_MOST_NAMED = 3  # cells that a notice lists
_ID = re.compile(r"[\w-]+", re.ASCII)  # of nbformat; VS Code gives a cell an address

RawCells = Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Edit:
    """A cell's run with another text than the file's: its index in the file, and how messages
    name it."""

    position: int
    label: str
    run: HandRun


@dataclass(frozen=True, slots=True)
class Edits:
    """Cells of the file that were run with another text since it was saved, each with its last
    run; and the last runs since then of tasks that the file does not hold."""

    changed: tuple[Edit, ...] = ()
    unknown: tuple[HandRun, ...] = ()


def edits_since(cells: RawCells, runs: Sequence[HandRun], saved: datetime) -> Edits:
    """Compare a file's cells, of any type, with the cells run, oldest first.

    A cell is known by its id; where the front-end tells none, or has names of its own for cells,
    by the task's name, else by its text.
    """
    by_id: dict[str, int] = {}
    by_name: dict[str, int] = {}
    numbers: dict[int, int] = {}
    for position, cell in enumerate(cells):
        if cell["cell_type"] != "code":
            continue
        numbers[position] = len(numbers) + 1
        if cell.get("id"):
            by_id[cell["id"]] = position
        name = task_name(cell["source"])
        if name is not None:
            by_name[name] = position
    last: dict[int, HandRun] = {}
    unknown: dict[str, HandRun] = {}
    texts = {cells[position]["source"].strip() for position in numbers}
    for run in runs:
        name = task_name(run.source)
        position = by_id.get(run.cell_id or "", -1)
        if position < 0 and name is not None and not _ID.fullmatch(run.cell_id or ""):
            position = by_name.get(name, -1)
        if position >= 0:
            last[position] = run
        elif run.source.strip() in texts:
            unknown.pop(run.cell_id or "", None)  # it has the file's text again
        elif run.task or run.deferred:
            unknown[run.cell_id or run.source.strip()] = run
    changed = []
    for position, run in sorted(last.items()):
        if run.started > saved and run.source.strip() != cells[position]["source"].strip():
            name = task_name(run.source)
            label = f"cell {numbers[position]}" + (f" '{name}'" if name else "")
            changed.append(Edit(position, label, run))
    return Edits(tuple(changed), tuple(run for run in unknown.values() if run.started > saved))


def refuse_edits(edits: Edits, filename: str, saved: datetime) -> None:
    """Raise NotebookError where the file alone is to count, and a cell was run with another
    text."""
    for edit in edits.changed:
        raise NotebookError(
            f"{edit.label} was run at {clock(edit.run.started)} with another text than {filename}, "
            f"saved at {clock(saved)}, holds",
            where=f"{filename}, {edit.label}",
            hint="save the notebook, then run this cell again",
        )


def as_run(cells: RawCells, edits: Edits) -> list[dict[str, Any]]:
    """Copies of the file's cells, with the texts that they were run with since."""
    texts = {edit.position: edit.run.source for edit in edits.changed}
    return [
        {**cell, "source": texts.get(position, cell["source"])}
        for position, cell in enumerate(cells)
    ]


def words_for(edits: Edits, filename: str) -> list[str]:
    """What is to be said of it, a sentence each."""
    words = [
        f"{edit.label} counts as it was run at {clock(edit.run.started)}, not as it is saved"
        for edit in edits.changed
    ]
    if edits.unknown:
        named = [_called(run) for run in edits.unknown[:_MOST_NAMED]]
        more = len(edits.unknown) - len(named)
        listed = ", ".join(named) + (f" and {more} more" if more else "")
        words.append(f"not in {filename} as it is saved, so no part of this flow: {listed}")
    return words


def task_name(source: str) -> str | None:
    """The name on a cell's `%%task` or `#| task` line."""
    said = find_first_line(source.split("\n"))
    if said is None or said.word != "task":
        return None
    words = said.text.split()
    return words[0] if words and not words[0].startswith("-") else None


def clock(moment: datetime) -> str:
    """A time of day, as messages have it."""
    return moment.astimezone().strftime("%H:%M:%S")


def _called(run: HandRun) -> str:
    name = task_name(run.source)
    return f"'{name}'" if name else f"the task of In [{run.number}]"
