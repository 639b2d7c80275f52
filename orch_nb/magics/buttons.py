"""What the buttons of a panel under a %%flow cell do, in the kernel that runs the flow."""

from __future__ import annotations

import shlex
from collections.abc import Awaitable
from typing import TYPE_CHECKING, Protocol

from orch_nb.app.live import LiveRequest
from orch_nb.app.view_schema import Row
from orch_nb.errors import InputError
from orch_nb.magics.live_panel import LivePanel
from orch_nb.magics.session import KernelSession
from orch_nb.notebook.flow_line import FlowLine
from orch_nb.options import FlowOptions

if TYPE_CHECKING:
    from orch_nb.app.live import LiveFlow

_SERVE = 0.05  # seconds between looks at a run that is about to begin


class Attended(Protocol):
    """A flow that is attended, as far as the buttons need to know."""

    flow: LiveFlow

    def start(self) -> None: ...
    def cancel(self) -> None: ...
    def attend_apart(self) -> None: ...


class Attend(Protocol):
    """Makes a flow that shows itself in a panel that is there already."""

    def __call__(
        self, session: KernelSession, request: LiveRequest, shown: LivePanel
    ) -> Attended: ...


class Buttons:
    """Answers the questions of one panel. ``attend`` is how a run that is resumed is attended."""

    def __init__(self, session: KernelSession, attend: Attend) -> None:
        self._session = session
        self._attend = attend
        self._flow: Attended | None = None
        self.panel: LivePanel | None = None

    def belong_to(self, flow: Attended) -> None:
        """Cancel this flow from now on."""
        self._flow = flow

    def __call__(self, action: str, row: Row | None) -> str | Awaitable[str]:
        """Do what a button is for. Raises OrchError."""
        match action:
            case "cancel" if self._flow is not None:
                self._flow.cancel()
                return "asked to end"
            case "resume":
                return self._go_on(())
            case "retry" if row is not None:
                return self._go_on((row["name"],))
            case "debug" if row is not None:
                return self._debug(row["name"])
            case "output":
                return f"the output notebook is {self._header('output')}"
        raise InputError(f"nothing here can {action}")

    def _header(self, name: str) -> str:
        view = None if self.panel is None else self.panel.view
        return "" if view is None else str(view.run[name])  # type: ignore[literal-required]

    async def _go_on(self, tasks: tuple[str, ...]) -> str:
        """Resume the run where the panel stands; the kernel is free meanwhile."""
        from orch_nb.magics.flows import asking

        panel = self.panel
        if panel is None:
            raise InputError("the run has not begun")
        line = FlowLine(None, FlowOptions(), background=True)
        request = LiveRequest(asking(self._session), line, resume=self._header("id"), tasks=tasks)
        begun = panel.runs
        attended = self._attend(self._session, request, panel)
        attended.start()
        while panel.runs == begun and not attended.flow.is_over:
            await attended.flow.main.serve(_SERVE)
        if panel.runs == begun:
            attended.flow.finish()  # raises why it has not begun
            raise InputError("the run did not begin")
        self._flow = attended
        attended.attend_apart()
        words = f"{', '.join(tasks)} runs again" if tasks else "it goes on"
        return f"{words}, with the cells as saved, and as run by hand since"

    def _debug(self, task: str) -> str:
        from orch_nb.magics.subcommands import load_failed

        run = self._header("name")
        found = load_failed(self._session, run, task, None)
        names = sorted({*found.loaded.values, *found.from_kernel})
        inputs = (
            f"its inputs are in the kernel: {', '.join(names)}" if names else "it has no inputs"
        )
        lost = [f"{name} is not to be had: {why}" for name, why in found.loaded.missing.items()]
        line = f"%flow debug {run} {shlex.quote(task)}"
        words = [inputs, *lost, f"{line} also writes its source into a cell"]
        return ". ".join(words)
