"""What orch_nb knows of one kernel: its shell, the cells run by hand, the flows that run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orch_nb.execution.by_hand import HandRun
from orch_nb.settings import OrchNb

if TYPE_CHECKING:
    from orch_nb.magics.recording import CellWatcher
    from orch_nb.magics.transformer import CellTransformer


@dataclass(frozen=True, slots=True)
class CellNow:
    """The cell that runs: its id, where the front-end told one, its text as written, and the
    number of its prompt. ``page`` is the notebook around it, where its page has told that."""

    id: str | None
    source: str
    number: int
    page: Mapping[str, Any] | None = None


@dataclass(eq=False)
class KernelSession:
    """One for each shell that loaded orch_nb."""

    shell: Any
    settings: OrchNb = field(init=False)
    transformer: CellTransformer | None = None
    watcher: CellWatcher | None = None
    runs_by_hand: list[HandRun] = field(default_factory=list)
    cell: CellNow | None = None  # while one runs
    pages: dict[str, Mapping[str, Any]] = field(default_factory=dict)  # told, by the cell to come
    flows: list[Any] = field(default_factory=list)  # in the background, not yet settled

    def __post_init__(self) -> None:
        self.settings = OrchNb(parent=self.shell)

    @property
    def namespace(self) -> dict[str, Any]:
        """The notebook's variables."""
        namespace: dict[str, Any] = self.shell.user_ns
        return namespace

    @property
    def next_number(self) -> int:
        """The number that the next cell's prompt has. (IPython's own count has moved on, or not
        yet, when a cell begins, depending on its version.)"""
        return len(self.shell.history_manager.input_hist_parsed)

    def take_page(self, cell_id: str | None, source: str) -> Mapping[str, Any] | None:
        """The page that was told for the cell which begins now; by its text where no id is told."""
        if cell_id is not None:
            return self.pages.pop(cell_id, None)
        for told, page in self.pages.items():
            cells = page.get("cells", ())
            if any(cell.get("id") == told and cell.get("source") == source for cell in cells):
                return self.pages.pop(told)
        return None

    def close(self) -> None:
        """Cancel what runs in the background."""
        for flow in self.flows:
            flow.cancel()


def session_of(shell: Any) -> KernelSession | None:
    """The session of a shell that has loaded orch_nb."""
    return shell.meta.get("orch_nb")  # type: ignore[no-any-return]


def current_session() -> KernelSession:
    """The session of this process's shell. Raises RuntimeError where orch_nb is not loaded."""
    from IPython import get_ipython

    shell = get_ipython()
    session = None if shell is None else session_of(shell)
    if session is None:
        raise RuntimeError("orch_nb is not loaded in this kernel: run %load_ext orch_nb")
    return session
