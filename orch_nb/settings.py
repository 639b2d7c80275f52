"""What a user sets for all of orch_nb: `%config OrchNb.tasks = "defer"`, or ORCH_NB_TASKS."""

from __future__ import annotations

import os

from traitlets import Bool, Enum, default
from traitlets.config import Configurable

RUN, DEFER = "run", "defer"


class OrchNb(Configurable):
    """orch_nb in a kernel."""

    tasks = Enum(
        (RUN, DEFER),
        help="What a %%task cell does by hand: run, or only register, to be run by %%flow.",
    ).tag(config=True)

    panel = Bool(
        help="Show flows with the panel's buttons and graph, where it is to be had; else a table.",
    ).tag(config=True)

    @default("panel")
    def _panel_default(self) -> bool:
        """``ORCH_NB_PANEL=0`` turns it off."""
        return os.environ.get("ORCH_NB_PANEL", "1") != "0"

    @default("tasks")
    def _tasks_default(self) -> str:
        """``ORCH_NB_TASKS``, where it says something that is known."""
        said = os.environ.get("ORCH_NB_TASKS", RUN)
        return said if said in (RUN, DEFER) else RUN
