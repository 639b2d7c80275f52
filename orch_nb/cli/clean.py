"""`orch-nb clean` and `keep`: delete old runs, and keep single ones from that."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import click

from orch_nb.cli.records import print_json, run_record
from orch_nb.cli.runs import Page, ascii_option, json_option
from orch_nb.cli.text import escape_text, format_bytes
from orch_nb.durations import parse_duration

if TYPE_CHECKING:
    from orch_nb.app.cleaning import Cleaned

_MOST_FLOWS = 20  # lines


def _age(context: click.Context, param: click.Parameter, text: str | None) -> float | None:
    return None if text is None else parse_duration(text)


@click.command()
@click.option("--older-than", callback=_age, metavar="TIME", help="runs that ended before, as 30d")
@click.option("--flow", help="only runs of this flow")
@click.option("--keep-last", type=click.IntRange(min=0), metavar="N", help="spare each flow's last")
@click.option("--dry-run", is_flag=True, help="only say what would go")
@ascii_option
@json_option
def clean(ascii_only: bool, as_json: bool, **values: Any) -> None:
    """Delete old runs: their record, their logs, and values that no other run shares.

    Runs marked by `orch-nb keep` stay, and output notebooks too.
    """
    from orch_nb.app.cleaning import CleanRequest
    from orch_nb.app.cleaning import clean as clean_runs

    cleaned = clean_runs(CleanRequest(**values))
    if as_json:
        print_json(
            {
                "dry_run": values["dry_run"],
                "runs": [run_record(run) for run in cleaned.runs],
                "values": cleaned.values,
                "bytes": cleaned.size,
                "pinned": cleaned.pinned,
            }
        )
        return
    page = Page(ascii_only)
    for line in describe(cleaned, dry_run=values["dry_run"]):
        page.text(line)


def describe(cleaned: Cleaned, *, dry_run: bool) -> list[str]:
    """What was, or would be, deleted: a line, then one for each flow."""
    stay = "stays" if cleaned.pinned == 1 else "stay"
    kept = f"; {_count(cleaned.pinned, 'kept run')} {stay}" if cleaned.pinned else ""
    if not cleaned.runs:
        return [f"no run is old enough{kept}"]
    verb = "would delete" if dry_run else "deleted"
    freed = f"{_count(cleaned.values, 'value')}, {format_bytes(cleaned.size)}"
    lines = [f"{verb} {_count(len(cleaned.runs), 'run')} ({freed}){kept}"]
    flows = Counter(run.flow for run in cleaned.runs).most_common()
    lines += [f"  {count:>5}  {escape_text(flow, 60)}" for flow, count in flows[:_MOST_FLOWS]]
    if len(flows) > _MOST_FLOWS:
        lines.append(f"         and {_count(len(flows) - _MOST_FLOWS, 'other flow')}")
    return lines


@click.command()
@click.argument("run", metavar="RUN")
@click.option("--undo", is_flag=True, help="let it be cleaned away again")
@ascii_option
@json_option
def keep(run: str, undo: bool, ascii_only: bool, as_json: bool) -> None:
    """Mark a run (its name, or its id) so that `orch-nb clean` never deletes it."""
    from orch_nb.app.cleaning import keep as keep_run

    marked = keep_run(run, pinned=not undo)
    if as_json:
        print_json({**run_record(marked), "pinned": marked.pinned})
        return
    says = "is kept" if marked.pinned else "is cleaned away in its time"
    Page(ascii_only).state(marked.state_name, f"{escape_text(marked.name, 80)} {says}")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}" + ("" if number == 1 else "s")
