"""`orch_nb.panel(run)`: a run out of the store, followed while another process runs it."""

from __future__ import annotations

import logging
import threading
import time
from typing import Any

from orch_nb import app
from orch_nb.app.view_records import RecordedRun
from orch_nb.app.view_schema import Row
from orch_nb.errors import InputError, OrchError
from orch_nb.panel.panel import Panel

_log = logging.getLogger(__name__)
_LIVE = {"cancel": ""}  # what the run of another process can be asked for
POLL = 0.5  # seconds between looks at the store


def open_panel(run: Any) -> Panel:
    """The panel of a run: its name or id, or anything with a ``run`` or an ``id``.

    Displayed, it follows the run to its end. Raises NotFoundError for a run that is not on
    record.
    """
    recorded = RecordedRun(_called(run), _LIVE)
    try:
        view = recorded.read()
    except BaseException:
        recorded.close()
        raise
    panel = Panel(view, on_ask=_Asked(view.run["id"]), graph=recorded.graph)
    if view.ended:
        recorded.close()
        panel.set_actions({})
        panel.finish()
    else:
        threading.Thread(
            target=_follow, args=(panel, recorded), name="orch_nb follow", daemon=True
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


class _Asked:
    """Answers the buttons of a run that some other process runs."""

    def __init__(self, run: str) -> None:
        self._run = run

    async def __call__(self, action: str, row: Row | None) -> str:
        import asyncio

        run = await asyncio.to_thread(app.cancel, self._run)
        return f"{run.name} is {str(run.state_name).lower()}"


def _follow(panel: Panel, recorded: RecordedRun) -> None:
    """Look at the store until the run has ended, or the store is gone."""
    view = panel.view
    try:
        with recorded:
            while not view.ended:
                time.sleep(POLL)
                view = recorded.read(view)
                panel.update(view)
    except OrchError:
        _log.exception("the run %s can't be followed any more", view.run["name"])
    panel.set_actions({})
    panel.finish()
