"""`orch_nb.panel(run)`: a run out of the store, followed while another process runs it."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from orch_nb import app
from orch_nb.app.view_records import RecordedRun
from orch_nb.app.view_schema import Row
from orch_nb.app.viewing import RunView
from orch_nb.errors import InputError
from orch_nb.panel.panel import Panel

POLL = 0.5  # seconds between looks at the store


def open_panel(run: Any) -> Panel:
    """The panel of a run: its name or id, or anything with a ``run`` or an ``id``.

    Displayed, it follows the run to its end. Raises NotFoundError for a run that is not on
    record.
    """
    called = _called(run)
    with RecordedRun(called, _actions(live=False)) as recorded:
        view = recorded.read()
        graph = recorded.graph
    asked = _Asked(view.run["id"])
    panel = Panel(view, on_ask=asked, actions=_actions(live=not view.ended), graph=graph)
    if view.ended:
        panel.finish()
    else:
        threading.Thread(
            target=_follow, args=(panel, view.run["id"]), name="orch_nb follow", daemon=True
        ).start()
    return panel


def _called(run: Any) -> str:
    if isinstance(run, str):
        return run
    found = getattr(run, "run", run)
    called = getattr(found, "id", None)
    if not isinstance(called, str):
        raise InputError(
            f"{type(run).__name__} is no run",
            hint="give a run's name or id: orch-nb runs lists them",
        )
    return called


def _actions(*, live: bool) -> Mapping[str, str]:
    return {"cancel": ""} if live else {}


class _Asked:
    """Answers the buttons of a run that some other process runs."""

    def __init__(self, run: str) -> None:
        self._run = run

    async def __call__(self, action: str, row: Row | None) -> str:
        import asyncio

        run = await asyncio.to_thread(app.cancel, self._run)
        return f"{run.name} is {str(run.state_name).lower()}"


def _follow(panel: Panel, called: str) -> None:
    """Look at the store until the run has ended."""
    pause = threading.Event()
    with RecordedRun(called, _actions(live=True)) as recorded:
        view: RunView = panel.view
        while not view.ended:
            view = recorded.read(view)
            panel.update(view)
            pause.wait(POLL)
    panel.set_actions(_actions(live=False))
    panel.finish()
