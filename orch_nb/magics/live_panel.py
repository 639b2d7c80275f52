"""A run as the panel in a cell's output; it has the same verbs as the live table."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import orch_nb
from orch_nb.app.viewing import RunView, first_view
from orch_nb.engine.events import Event, Notice, RunStarted
from orch_nb.magics.display import Ending, outputs_html
from orch_nb.states import StateName

# As `orch_nb.panel` has them: one face does not import another.
OnAsk = Callable[[str, Any], Any]
Panel = Any

_PATIENCE = 3.0  # seconds with a free kernel after which no page is taken to have the widget
_STILL = 1.0  # seconds between the pictures that are shown then
_LOOK = 0.2  # seconds that count as free between two looks, at most

_RUNNING = {"cancel": "", "debug": "the run has not ended", "retry": "the run has not ended"}


class LivePanel:
    """Takes the events of one run, in any thread, and shows them.

    ``serves_comms`` says whether this kernel hears its pages while a cell awaits.
    """

    def __init__(
        self,
        on_ask: OnAsk,
        *,
        serves_comms: bool,
        values: Mapping[str, Any] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._on_ask = on_ask
        self._serves_comms = serves_comms
        self._clock = clock
        self._values = values
        self._lock = threading.Lock()
        self._panel: Panel | None = None
        self._early: list[Event] = []  # what was said before the run began
        self._runs = 0
        self._is_shown = False
        self._looked_at = 0.0
        self._waited = 0.0  # seconds that a page could have asked something
        self._still_at = 0.0

    @property
    def runs(self) -> int:
        """How often a run has begun here: more than once where it was resumed."""
        return self._runs

    @property
    def view(self) -> RunView | None:
        """What is shown; None before the run has begun."""
        return None if self._panel is None else self._panel.view

    @property
    def has_begun(self) -> bool:
        """Whether there is something to show."""
        return self._panel is not None

    def hear(self, event: Event) -> None:
        """Take in an event."""
        with self._lock:
            if isinstance(event, RunStarted):
                self._begin(event)
            elif self._panel is None:
                self._early.append(event)
            else:
                self._panel.feed(event)

    def refresh(self, ending: Ending | None = None, *, at_once: bool = False) -> None:
        """Show the panel, and a still picture now and then where no page has the widget; with an
        ``ending`` for the last time."""
        panel = self._panel
        if panel is None:
            return
        if not self._is_shown:
            self._is_shown = True
            panel.show()
        if ending is not None:
            for line in ending.lines:
                panel.feed(Notice(line))
            run = panel.view.run
            panel.set_actions(_actions(run["notebook"], _actions_after(panel.view)))
            panel.finish(outputs_html(ending))
        elif self._serves_comms and not panel.answers and not at_once:
            self._refresh_still(panel)

    def _begin(self, event: RunStarted) -> None:
        if self._panel is None:
            self._panel = orch_nb.panel.Panel(
                first_view(event),
                on_ask=self._on_ask,
                actions=_actions(event.run.notebook, _RUNNING),
                graph=event.graph,
                values=self._values,
            )
        else:
            self._panel.reopen()
            self._panel.set_actions(_actions(event.run.notebook, _RUNNING))
            self._panel.feed(event)
        self._runs += 1
        for early in self._early:
            self._panel.feed(early)
        self._early.clear()

    def _refresh_still(self, panel: Panel) -> None:
        now = self._clock()
        self._waited += min(_LOOK, now - self._looked_at)
        self._looked_at = now
        if self._waited >= _PATIENCE and now - self._still_at >= _STILL:
            self._still_at = now
            panel.show_still()


def _actions(notebook: str, own: Mapping[str, str]) -> dict[str, str]:
    """The actions, and that cells can be gone to, where the cells are those of a file."""
    return {**own, "go": ""} if Path(notebook).is_file() else dict(own)


def _actions_after(view: RunView) -> dict[str, str]:
    """What can be asked for once the run has ended."""
    if StateName(view.run["state"]) is StateName.COMPLETED:
        return {"output": ""}
    return {"resume": "", "retry": "", "debug": "", "output": ""}
