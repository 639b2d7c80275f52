"""`orch-nb backfill`: run a deployment for past times."""

from __future__ import annotations

from zoneinfo import ZoneInfo

import click

from orch_nb.cli.records import format_time, print_json, run_record
from orch_nb.cli.runs import Page, ascii_option, json_option

_SHOWN = 5


@click.command()
@click.argument("deployment")
@click.option("--from", "start", required=True, metavar="WHEN", help="the first time, inclusive")
@click.option("--to", "end", required=True, metavar="WHEN", help="the last time, exclusive")
@click.option("--max-active", type=click.IntRange(min=1), default=1, help="runs at a time  [1]")
@click.option("--reverse", is_flag=True, help="the newest first")
@click.option("--dry-run", is_flag=True, help="only say what would run")
@ascii_option
@json_option
def backfill(
    deployment: str,
    start: str,
    end: str,
    max_active: int,
    reverse: bool,
    dry_run: bool,
    ascii_only: bool,
    as_json: bool,
) -> None:
    """Run DEPLOYMENT once for each interval of its schedule in a range of past times.

    A cell finds its interval in `orch_nb.run.data_interval`. What an earlier backfill has run is
    not run again.
    """
    from orch_nb.app import backfilling

    request = backfilling.BackfillRequest(deployment, start, end, max_active, reverse)
    done = backfilling.plan_backfill(request) if dry_run else backfilling.backfill(request)
    if as_json:
        spans = [[format_time(a), format_time(b)] for a, b in done.intervals]
        print_json({"intervals": spans, "runs": [run_record(run) for run in done.runs]})
        return
    page = Page(ascii_only)
    zone = ZoneInfo(done.deployment.spec.schedules[0].zone)
    for interval in done.intervals[:_SHOWN]:
        first, last = (moment.astimezone(zone) for moment in interval)
        page.text(f"  {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M %Z}")
    if len(done.intervals) > _SHOWN:
        page.text(f"  … and {len(done.intervals) - _SHOWN} more")
    if dry_run:
        page.text(f"{len(done.intervals)} runs, at most {max_active} at once; nothing was started")
        return
    before = len(done.intervals) - len(done.runs)
    more = f"; {before} were there before" if before else ""
    page.text(f"{len(done.runs)} runs wait, at most {max_active} at once{more}")
