"""The rows of calls: each cell that is called has one row that counts them, and they have their
own, below all cells. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from typing import cast

from orch_nb.app.view_rows import changed_row, new_row
from orch_nb.app.view_schema import Row
from orch_nb.durations import show_duration
from orch_nb.model import TaskRun
from orch_nb.states import TYPE_OF, StateName, StateType

# A row's cell number, and the id of the task run where it is one of the cell's calls.
RowKey = tuple[int, str | None]
Index = Mapping[RowKey, int]

_LEAST_PACE = 3  # calls that must have ended before their pace is told
_WORDS = ("completed", "running", "waiting", "failed", "not run")
DONE, RUNNING, WAITING, FAILED, NOT_RUN = range(5)  # places in a row's counts


def row_key(task: TaskRun) -> RowKey:
    """What finds the row of a task run."""
    called = task.is_call or task.map_index is not None
    return task.cell_number, task.id if called else None


def shown_name(row: Row) -> str:
    """How a row is called: `load`, `load ×3` for all its calls, `load #2` for one of them."""
    calls = sum(row.get("calls", ()))
    if calls:
        return f"{row['name']} ×{calls}"
    return row["name"] if "item" not in row else f"{row['name']} #{row['item']}"


def shown_counts(row: Row) -> str:
    """How its calls stand, in words; nothing once all have completed."""
    counts = row.get("calls", ())
    if not any(counts[RUNNING:]):
        return ""
    return ", ".join(f"{count} {word}" for count, word in zip(counts, _WORDS, strict=True) if count)


class Rows:
    """Rows that are being added to; made of those of a view, which stay as they are."""

    def __init__(self, rows: Sequence[Row], index: Index) -> None:
        self.rows = list(rows)
        self.index = dict(index)
        self._ends: dict[int, float] = {}  # the latest end of a cell's calls that was seen

    def put(self, task: TaskRun, began: float | None) -> None:
        """Show a task run as it is now; one that has no row yet gets the last."""
        key = row_key(task)
        position = self.index.get(key)
        if position is not None:
            before = self.rows[position]
            self.rows[position] = changed_row(before, task, began)
            if key[1] is not None:
                self._count(task.cell_number, before, self.rows[position])
        elif key[1] is None:
            self._append(key, new_row(task, began))
        else:
            self._add_call(key, task, began)

    def _append(self, key: RowKey, row: Row) -> None:
        self.index[key] = len(self.rows)
        self.rows.append(row)

    def _add_call(self, key: RowKey, task: TaskRun, began: float | None) -> None:
        row = new_row(task, began)
        if (task.cell_number, None) not in self.index:
            group: Row = {"cell": task.cell_number, "name": row["name"], "state": row["state"]}
            self._append((task.cell_number, None), cast("Row", {**group, "group": True}))
        above = self.rows[self.index[task.cell_number, None]]
        row["task"] = False  # the cell's own row counts
        row.setdefault("item", sum(above.get("calls", ())))
        self._append(key, row)
        self._count(task.cell_number, None, row)

    def _count(self, cell: int, before: Row | None, now: Row) -> None:
        """Have the cell's own row count a call that is in another state."""
        position = self.index[cell, None]
        above = self.rows[position]
        counts = list(above.get("calls", (0, 0, 0, 0, 0)))
        if before is not None:
            counts[_place(before)] -= 1
        counts[_place(now)] += 1
        fresh = cast("Row", {**above, "calls": counts})
        if above.get("group"):
            end = max(now.get("end") or 0.0, self._ends.get(cell, 0.0))
            self._ends[cell] = end
            fresh = _summed(fresh, now.get("start"), end)
        ended = counts[DONE] + counts[FAILED]
        if now.get("end") is not None and ended % (1 + ended // 20) == 0:
            self._tell_pace(cell, fresh)  # not of each call, where there are many to look at
        if fresh != above:
            self.rows[position] = fresh

    def tell_paces(self) -> None:
        """How long calls took, now that all of them have ended."""
        for (cell, call), position in self.index.items():
            if call is None and "calls" in self.rows[position]:
                fresh = self.rows[position].copy()
                self._tell_pace(cell, fresh)
                self.rows[position] = fresh

    def _tell_pace(self, cell: int, row: Row) -> None:
        took = [
            (end - call["start"], call["item"])
            for call in self.rows
            if call["cell"] == cell and "item" in call and (end := call.get("end")) is not None
        ]
        if len(took) < _LEAST_PACE:
            return
        longest, item = max(took)
        median = statistics.median(seconds for seconds, _ in took)
        row["pace"] = f"median {show_duration(median)} · slowest #{item} {show_duration(longest)}"


def _place(row: Row) -> int:
    state = StateName(row["state"])
    if state in (StateName.UPSTREAM_FAILED, StateName.SKIPPED, StateName.CANCELLED):
        return NOT_RUN
    match TYPE_OF[state]:
        case StateType.COMPLETED:
            return DONE
        case StateType.FAILED | StateType.CRASHED:
            return FAILED
        case StateType.RUNNING | StateType.CANCELLING:
            return RUNNING
        case _:
            return WAITING


def _summed(row: Row, start: float | None, end: float) -> Row:
    """The row of a cell that only ran as it was called, after one of its calls has changed:
    that began at ``start``; ``end`` is the latest end of all."""
    counts = row["calls"]
    if counts[RUNNING]:
        state = StateName.RUNNING
    elif counts[WAITING]:
        state = StateName.RUNNING if counts[DONE] or counts[FAILED] else StateName.PENDING
    elif counts[FAILED]:
        state = StateName.FAILED
    else:
        state = StateName.COMPLETED if counts[DONE] else StateName.CANCELLED
    summed = cast("Row", {**row, "state": str(state)})
    if start is not None:
        summed["start"] = min(start, row.get("start", start))
    summed.pop("end", None)
    if TYPE_OF[state].is_terminal and "start" in summed:
        summed["end"] = max(end, summed["start"])
    return summed
