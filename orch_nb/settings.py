"""What a user sets for all of orch_nb: `%config OrchNb.tasks = "defer"`, or ORCH_NB_TASKS."""

from __future__ import annotations

import os

from traitlets import Bool, Bunch, Enum, Unicode, default, observe
from traitlets.config import Configurable

from orch_nb.places import DASK, dask_place

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

    dask = Unicode(
        help="The cluster of runner dask: an address, a scheduler file, or module:function of one "
        "that makes it. Empty for one on this machine.",
    ).tag(config=True)

    @default("dask")
    def _dask_default(self) -> str:
        return dask_place()

    @observe("dask")
    def _dask_changed(self, change: Bunch) -> None:
        os.environ[DASK] = change["new"]  # for the processes that this one starts, too

    @default("panel")
    def _panel_default(self) -> bool:
        """``ORCH_NB_PANEL=0`` turns it off."""
        return os.environ.get("ORCH_NB_PANEL", "1") != "0"

    @default("tasks")
    def _tasks_default(self) -> str:
        """``ORCH_NB_TASKS``, where it says something that is known."""
        said = os.environ.get("ORCH_NB_TASKS", RUN)
        return said if said in (RUN, DEFER) else RUN
