"""`orch-nb warm`: the processes that are kept ready for the next command, seen and stopped."""

from __future__ import annotations

import sys
import time
from typing import Any

import click

from orch_nb.cli.failure import DONE, RUN_FAILED
from orch_nb.cli.records import print_json
from orch_nb.cli.runs import Page, ascii_option, json_option
from orch_nb.cli.text import one_line
from orch_nb.durations import show_duration

_PATIENCE = 20.0  # seconds for a daemon to come up, or to end
_NAP = 0.05


@click.command()
@click.argument("what", type=click.Choice(["status", "start", "stop"]), default="status")
@ascii_option
@json_option
def warm(what: str, ascii_only: bool, as_json: bool) -> None:
    """Show, start or stop the processes that make the next run begin at once.

    `orch-nb run` starts them by itself, and they leave after ten idle minutes. ORCH_NB_WARM=0
    keeps it from doing so, ORCH_NB_WARM_IDLE=1h has them stay longer.
    """
    from orch_nb.warm import starting

    if what == "stop":
        starting.stop_daemons()
        found = _wait_for(wanted=False)
    elif what == "start":
        found = _wait_for(wanted=True) if starting.start_daemon() else []
    else:
        found = starting.daemons()
    if as_json:
        print_json(found)
    elif what == "start" and not found:
        page = Page(ascii_only)
        page.text("nothing can be kept warm here, or ORCH_NB_WARM switches it off")
    else:
        _show(Page(ascii_only), found)
    sys.stdout.flush()
    failed = (what == "start" and not found) or (what == "stop" and _idle(found))
    raise click.exceptions.Exit(RUN_FAILED if failed else DONE)


def _wait_for(*, wanted: bool) -> list[dict[str, Any]]:
    """What the daemons say, once one is there that serves, or none is there but those that see
    their last runs to the end."""
    from orch_nb.warm import identity
    from orch_nb.warm.client import connect
    from orch_nb.warm.starting import daemons, is_any_there

    end = time.monotonic() + _PATIENCE
    address = f"{identity.address(identity.standing())}.sock"
    while time.monotonic() < end:
        if wanted:
            line = connect(address, _PATIENCE)
            if line is not None:
                line.close()
                return daemons()
        elif not is_any_there():
            return []
        time.sleep(_NAP)
    return daemons()


def _idle(found: list[dict[str, Any]]) -> bool:
    return any(not daemon["running"] for daemon in found)


def _show(page: Page, found: list[dict[str, Any]]) -> None:
    if not found:
        page.text("nothing is kept warm; the next `orch-nb run` does so, for the runs after it")
    for daemon in found:
        page.text(
            f"process {daemon['process']}  up {show_duration(daemon['up'])}, "
            f"idle {show_duration(daemon['idle'])}, {daemon['running']} running, "
            f"{daemon['served']} served, {daemon['memory'] / 1e6:,.0f} MB"
        )
        for libraries in daemon["libraries"]:
            names = ", ".join(name.replace(":", ".") for name in libraries)
            page.text(f"  holds {one_line(names, 70)}")
