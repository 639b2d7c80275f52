"""Records every cell that is run by hand, through IPython's own events."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from orch_nb.execution.by_hand import HandRun, HandRunRecorder
from orch_nb.first_line import find_first_line
from orch_nb.magics.session import CellNow
from orch_nb.settings import DEFER

if TYPE_CHECKING:
    from orch_nb.magics.session import KernelSession

_LONGEST = 2000  # runs by hand that are remembered
_LOADS = re.compile(r"\s*%load_ext\s+orch_nb\s*")


class CellWatcher:
    """Listens to `pre_run_cell` and `post_run_cell`. Cells may run inside of each other."""

    def __init__(self, session: KernelSession) -> None:
        self._session = session
        self._open: list[tuple[HandRunRecorder | None, CellNow | None]] = []

    def begin(self) -> None:
        """Listen from now on. What has been run so far counts as having ended well; so does the
        cell that loads orch_nb, where it does nothing else."""
        history = list(self._session.shell.history_manager.input_hist_raw)
        if history and not _LOADS.fullmatch(history[-1]):
            history.pop()
        now = datetime.now(UTC)
        self._session.runs_by_hand += [
            HandRun(number, source, None, now, ok=True)
            for number, source in enumerate(history)
            if source.strip()
        ]
        self._session.shell.events.register("pre_run_cell", self.before)
        self._session.shell.events.register("post_run_cell", self.after)

    def end(self) -> None:
        """Listen no more."""
        self._session.shell.events.unregister("pre_run_cell", self.before)
        self._session.shell.events.unregister("post_run_cell", self.after)

    @property
    def is_idle(self) -> bool:
        """Whether no cell runs."""
        return not self._open

    def before(self, info: Any) -> None:
        """A cell is about to run."""
        session = self._session
        source = info.raw_cell or ""
        cell_id = getattr(info, "cell_id", None)  # IPython 7 does not tell
        recorder = None
        if info.store_history and not info.silent:
            page = session.take_page(cell_id, source)
            session.cell = CellNow(cell_id, source, session.next_number, page)
            said = find_first_line(source.split("\n"))
            if said is None or said.word != "flow":
                recorder = HandRunRecorder(
                    session.namespace,
                    source,
                    number=session.cell.number,
                    cell_id=cell_id,
                    task=said is not None and said.word == "task" and not self._defers,
                )
        self._open.append((recorder, session.cell))

    def after(self, result: Any) -> None:
        """A cell has run; ``result`` is None when it was interrupted very early."""
        if not self._open:
            return  # the cell that loaded orch_nb
        recorder, _ = self._open.pop()
        session = self._session
        session.cell = self._open[-1][1] if self._open else None
        if recorder is not None:
            error: BaseException | None = KeyboardInterrupt()
            if result is not None:
                error = result.error_before_exec or result.error_in_exec
            said = find_first_line(recorder.source.split("\n"))
            deferred = self._defers and said is not None and said.word == "task"
            session.runs_by_hand.append(recorder.record(error=error, deferred=deferred))
            del session.runs_by_hand[:-_LONGEST]
        if self.is_idle:
            for flow in list(session.flows):
                flow.settle()

    @property
    def _defers(self) -> bool:
        return bool(self._session.settings.tasks == DEFER)
