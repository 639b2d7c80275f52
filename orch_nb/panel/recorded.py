"""`orch_nb.panel(run)`: a run out of the store, followed while another process runs it."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import time
from pathlib import Path
from typing import Any

from orch_nb import app
from orch_nb.app.view_records import RecordedRun
from orch_nb.app.view_schema import Row
from orch_nb.app.viewing import RunView
from orch_nb.errors import InputError, OrchError
from orch_nb.panel.panel import Link, Panel
from orch_nb.panel.processes import start_process
from orch_nb.states import StateName

_log = logging.getLogger(__name__)
_LIVE = {"cancel": "", "retry": "the run has not ended"}  # of a run of another process
_HERE = "JPY_SESSION_NAME"  # the variable that names the kernel's notebook
POLL = 0.5  # seconds between looks at the store


def open_panel(run: Any) -> Panel:
    """The panel of a run: its name or id, or anything with a ``run`` or an ``id``.

    Displayed, it follows the run to its end. Raises NotFoundError for a run that is not on
    record.
    """
    recorded = _find(_called(run))
    try:
        view = recorded.read()
    except BaseException:
        recorded.close()
        raise
    asked = _Asked(view.run["id"])
    panel = asked.panel = Panel(view, on_ask=asked, graph=recorded.graph)
    if view.ended:
        recorded.close()
        panel.set_actions(_actions_after(view))
        panel.finish()
    else:
        _start_following(panel, recorded)
    return panel


def _find(called: str) -> RecordedRun:
    recorded = RecordedRun(called)
    recorded.actions = _with_cells(recorded.notebook, _LIVE)
    return recorded


def _with_cells(notebook: str, actions: dict[str, str]) -> dict[str, str]:
    """The actions, and that cells can be gone to, where they are this notebook's."""
    here, file = os.environ.get(_HERE), Path(notebook)
    if not here or not file.is_file() or Path(here).absolute() != file.absolute():
        return actions
    return {**actions, "go": ""}


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
    """Answers the buttons of a run that some other process runs, or has run."""

    def __init__(self, run: str) -> None:
        self._run = run
        self.panel: Panel | None = None

    async def __call__(self, action: str, row: Row | None) -> str | Link:
        import asyncio

        match action:
            case "cancel":
                run = await asyncio.to_thread(app.cancel, self._run)
                return f"{run.name} is {str(run.state_name).lower()}"
            case "resume":
                return await asyncio.to_thread(self._go_on, "resume")
            case "retry" if row is not None:
                return await asyncio.to_thread(self._go_on, "retry", row["name"])
            case "output" if self.panel is not None:
                return _open_output(self.panel.view.run["output"])
        raise InputError(f"nothing here can {action}")

    def _go_on(self, verb: str, *tasks: str) -> str:
        """Have another process go on with the run, and follow it from its beginning."""
        began = start_process(verb, self._run, *tasks)
        panel = self.panel
        if panel is not None:
            recorded = _find(self._run)
            try:
                view = recorded.read()
            except BaseException:
                recorded.close()
                raise
            panel.reopen()
            panel.update(view)
            _start_following(panel, recorded)
        return f"it goes on in process {began}, with the notebook as it is saved"


def _open_output(output: str) -> str | Link:
    """The output notebook, for the page to open where it lies beside or below this notebook."""
    words = f"the output notebook is {output}"
    here = os.environ.get(_HERE)
    if here:
        with contextlib.suppress(ValueError):
            below = Path(output).absolute().relative_to(Path(here).absolute().parent)
            return Link(words, below.as_posix())
    return words


def _actions_after(view: RunView) -> dict[str, str]:
    """What can be asked for once the run has ended."""
    actions = {"output": ""}
    if StateName(view.run["state"]) is not StateName.COMPLETED:
        words = f"%flow debug {view.run['name']} loads its inputs"
        actions |= {"resume": "", "retry": "", "debug": words}
    return _with_cells(view.run["notebook"], actions)


def _start_following(panel: Panel, recorded: RecordedRun) -> None:
    threading.Thread(
        target=_follow, args=(panel, recorded), name="orch_nb follow", daemon=True
    ).start()


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
    panel.set_actions(_actions_after(view))
    panel.finish()
