"""`orch-nb start`, `scheduler`, `worker` and `workers`."""

from __future__ import annotations

import getpass
import logging
import os
import sys
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from orch_nb.cli.duration_option import DURATION
from orch_nb.cli.records import format_time, print_json
from orch_nb.cli.runs import Page, ascii_option, json_option
from orch_nb.cli.text import one_line, pad_text
from orch_nb.durations import show_duration

if TYPE_CHECKING:
    from orch_nb.service.daemon import ServiceOptions

_limit = click.option("--limit", type=click.IntRange(min=1), help="runs at a time [one per core]")
_pool = click.option("--pool", default="default", help="whose runs to take  [default]")
_port = click.option("--port", type=int, default=8787, help="for health and metrics; 0: any [8787]")
_late = click.option(
    "--late-after", type=DURATION, default=15.0, help="a run not started by then is Late  [15s]"
)
_no_port = click.option("--no-port", is_flag=True, help="no health and no metrics")

_UNIT = """\
[Unit]
Description=orch_nb: scheduled notebooks
After=network-online.target

[Service]
Type=simple
User={user}
{environment}
ExecStart={command}
Restart=on-failure
KillMode=mixed
TimeoutStopSec=1h

[Install]
WantedBy=multi-user.target
"""


@click.command()
@_pool
@_limit
@_port
@_no_port
@_late
@click.option("--print-unit", is_flag=True, help="print a systemd unit and end")
def start(
    pool: str,
    limit: int | None,
    port: int,
    no_port: bool,
    late_after: float,
    print_unit: bool,
) -> None:
    """Run what is deployed: a scheduler and a worker in one process, until Ctrl-C.

    Ctrl-C (or SIGTERM) lets the runs in hand end; a second one cancels them.
    """
    from orch_nb.service.daemon import ServiceOptions

    options = ServiceOptions(
        pool=pool, limit=limit, port=None if no_port else port, late_after=late_after
    )
    if print_unit:
        click.echo(_unit(options), nl=False)
    else:
        run_service(options)


@click.command()
@_port
@_no_port
@_late
def scheduler(port: int, no_port: bool, late_after: float) -> None:
    """Run a scheduler alone; any number of them may share a store on PostgreSQL."""
    from orch_nb.service.daemon import ServiceOptions

    run_service(ServiceOptions(works=False, port=None if no_port else port, late_after=late_after))


@click.command()
@_pool
@_limit
@click.option("--port", type=int, help="for health and metrics; 0: any [none]")
def worker(pool: str, limit: int | None, port: int | None) -> None:
    """Run a worker alone; any number of them may share a store, and a machine."""
    from orch_nb.service.daemon import ServiceOptions

    run_service(ServiceOptions(schedules=False, pool=pool, limit=limit, port=port))


@click.command()
@ascii_option
@json_option
def workers(ascii_only: bool, as_json: bool) -> None:
    """List schedulers and workers: who is alive, and who was lost."""
    from orch_nb.app.working import workers as known

    found = known()
    if as_json:
        print_json(
            [
                {
                    "name": seen.worker.name,
                    "kind": seen.worker.kind,
                    "pool": seen.worker.pool,
                    "limit": seen.worker.limit,
                    "running": seen.worker.running,
                    "condition": seen.condition,
                    "started": format_time(seen.worker.started),
                    "seen": format_time(seen.worker.seen),
                }
                for seen in found
            ]
        )
        return
    page = Page(ascii_only)
    if not found:
        page.text("nobody works; `orch-nb start` runs a scheduler and a worker")
    for seen in found:
        one = seen.worker
        name = pad_text(one_line(one.name, 28), 28)
        work = f"pool {one_line(one.pool, 16)}, {one.running} of {one.limit}"
        what = work if one.kind == "worker" else ""
        ago = (
            "" if seen.condition in ("alive", "draining") else f" for {show_duration(seen.silence)}"
        )
        page.text(f"{name}  {one.kind:<9}  {seen.condition}{ago}  {what}".rstrip())


def run_service(options: ServiceOptions) -> None:
    """Run the loops in this process until a signal comes."""
    from orch_nb.errors import InputError
    from orch_nb.service.daemon import Service

    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    try:
        service = Service(options)
    except OSError as error:
        raise InputError(
            f"port {options.port} can't be used: {error.strerror or error}",
            hint="give another with --port, or --no-port",
        ) from None
    if service.port is not None:
        click.echo(f"health and metrics at {service.port.url}", err=True)
    service.run()


def _unit(options: ServiceOptions) -> str:
    from orch_nb.durations import format_duration
    from orch_nb.places import find_places
    from orch_nb.service.daemon import ServiceOptions

    command = [sys.executable, "-m", "orch_nb.cli", "start", "--pool", options.pool]
    command += ["--no-port"] if options.port is None else ["--port", str(options.port)]
    command += ["--limit", str(options.limit)] if options.limit else []
    if options.late_after != ServiceOptions().late_after:
        command += ["--late-after", format_duration(options.late_after)]
    variables = [f"ORCH_NB_HOME={find_places().home}"]
    store = os.environ.get("ORCH_NB_STORE", "")
    variables += [f"ORCH_NB_STORE={store}"] if store and urlsplit(store).password is None else []
    lines = [f"Environment={_quote(variable)}" for variable in variables]
    if store and len(lines) == 1:  # a unit can be read by everybody
        lines.append(f"EnvironmentFile={find_places().home}/store.env")
        lines.append("# with ORCH_NB_STORE=…, which holds a password here; mode 0600")
    return _UNIT.format(
        user=getpass.getuser(),
        environment="\n".join(lines),
        command=" ".join(_quote(word) for word in command),
    )


def _quote(word: str) -> str:
    """As systemd reads it: quotes where there is a blank, and no specifiers."""
    word = word.replace("\\", "\\\\").replace('"', '\\"').replace("%", "%%")
    return f'"{word}"' if " " in word else word
