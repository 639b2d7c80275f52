"""`orch-nb deployments`, `deployment …` and `upcoming`."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import click

from orch_nb.cli.parameter_options import (
    ParameterCommand,
    add_parameter_options,
    take_parameters,
)
from orch_nb.cli.records import format_time, print_json, run_record
from orch_nb.cli.runs import Page, ascii_option, json_option
from orch_nb.cli.text import escape_text, near_path, one_line, pad_text
from orch_nb.durations import format_duration, show_duration

if TYPE_CHECKING:
    from orch_nb.app.deploying import DeploymentDetails
    from orch_nb.app.triggering import Trigger
    from orch_nb.schedules.deployment import Deployment

_NAMES = 28  # columns
_SHOWN = 5  # next times
_WORDS = 67  # columns beside a label


@click.command()
@ascii_option
@json_option
def deployments(ascii_only: bool, as_json: bool) -> None:
    """List deployments, by name."""
    from orch_nb.app import deploying
    from orch_nb.app.deployment_json import deployment_record

    found = deploying.deployments()
    if as_json:
        print_json([deployment_record(deployment) for deployment in found])
        return
    page = Page(ascii_only)
    if not found:
        page.text("no deployments yet; make one with  orch-nb deploy NOTEBOOK --cron …")
    now = datetime.now(UTC)
    for deployment in found:
        times = deploying.upcoming_of(deployment, now, 1)
        when = "paused" if deployment.paused else "on demand"
        if times:
            when = f"next {_local(times[0], deployment)}"
        name = pad_text(one_line(deployment.name, _NAMES), _NAMES)
        page.text(f"{name}  v{deployment.version:<3} {when}")


@click.command()
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20, help="how many  [20]")
@ascii_option
@json_option
def upcoming(limit: int, ascii_only: bool, as_json: bool) -> None:
    """List the next scheduled runs, the soonest first."""
    from orch_nb.app import deploying

    found = deploying.upcoming(limit)
    if as_json:
        print_json(
            [
                {"scheduled_time": format_time(t), "deployment": d.name, "flow": d.spec.flow}
                for t, d in found
            ]
        )
        return
    page = Page(ascii_only)
    if not found:
        page.text("nothing is scheduled; `orch-nb deployments` lists what there is")
    now = datetime.now(UTC)
    for time, deployment in found:
        left = _distance(time - now)
        page.text(f"{_local(time, deployment):<26} {left:>9}  {one_line(deployment.name, 40)}")


@click.group()
def deployment() -> None:
    """Show, pause, run, change or delete a deployment."""


@deployment.command()
@click.argument("name")
@ascii_option
@json_option
def show(name: str, ascii_only: bool, as_json: bool) -> None:
    """Show a deployment: when it runs, with what, and what became of its last ticks."""
    from orch_nb.app import deploying
    from orch_nb.app.deployment_json import details_record

    details = deploying.deployment_details(name)
    if as_json:
        print_json(details_record(details))
        return
    page = Page(ascii_only)
    found = details.deployment
    page.text(f"{found.name} · version {found.version}{' · paused' if found.paused else ''}")
    show_times(page, found)
    for label, words in _rows(details).items():
        _row(page, label, words)
    for run in details.runs:
        time = _local(run.scheduled_time, found) if run.scheduled_time else ""
        page.state(run.state_name, f"  {pad_text(one_line(run.name, 24), 24)} {time}")
    for tick in details.ticks:
        if tick.reason:
            page.text(f"–  {_local(tick.scheduled_time, found)}  {escape_text(tick.reason, 200)}")


@deployment.command()
@click.argument("name")
@json_option
def pause(name: str, as_json: bool) -> None:
    """Stop a deployment's schedules; what waits is cancelled, what runs goes on."""
    _say(_change("pause_deployment", name, True), "is paused", as_json)


@deployment.command()
@click.argument("name")
@json_option
def resume(name: str, as_json: bool) -> None:
    """Let a paused deployment go on, with the times to come."""
    _say(_change("pause_deployment", name, False), "goes on", as_json)


@deployment.command()
@click.argument("name")
@json_option
def delete(name: str, as_json: bool) -> None:
    """Delete a deployment; its runs stay recorded."""
    _say(_change("delete_deployment", name), "is deleted", as_json)


@deployment.command()
@click.argument("name")
@json_option
def history(name: str, as_json: bool) -> None:
    """List a deployment's versions, the newest first."""
    from orch_nb.app import deploying
    from orch_nb.app.deployment_json import version_record

    found, versions = deploying.deployment_history(name)
    if as_json:
        print_json([version_record(version, found) for version in versions])
        return
    page = Page(False)
    for version in versions:
        mark = "*" if version.version == found.version else " "
        files = f"{len(version.files)} files" if len(version.files) != 1 else "1 file"
        when = _local(version.created, found)
        page.text(f"{mark} v{version.version:<4} {when}  {files if version.files else 'follows'}")


@deployment.command()
@click.argument("name")
@click.argument("version", type=int, required=False)
@json_option
def rollback(name: str, version: int | None, as_json: bool) -> None:
    """Run an earlier VERSION from now on; without one, that before the current."""
    found = _change("roll_back", name, version)
    _say(found, f"runs version {found.version} now", as_json)


@deployment.command(cls=ParameterCommand)
@click.argument("name")
@add_parameter_options
@click.option("--idempotency-key", metavar="KEY", help="run once for each KEY")
@ascii_option
@json_option
def run(
    name: str, idempotency_key: str | None, ascii_only: bool, as_json: bool, **values: Any
) -> None:
    """Run a deployment now, once; a worker takes it up."""
    from orch_nb.app import deploying

    made, new = deploying.run_deployment(
        name, take_parameters(values), idempotency_key=idempotency_key
    )
    if as_json:
        print_json(run_record(made))
        return
    words = "waits for a worker" if new else "was started before with that key"
    page = Page(ascii_only)
    page.state(made.state_name, f"  {made.name} {words}")
    page.text(f"  next    orch-nb show {made.name} · orch-nb why {made.name}")


def _change(action: str, *arguments: object) -> Deployment:
    from orch_nb.app import deploying

    changed: Deployment = getattr(deploying, action)(*arguments)
    return changed


def _say(found: Deployment, words: str, as_json: bool) -> None:
    from orch_nb.app.deployment_json import deployment_record

    if as_json:
        print_json(deployment_record(found))
    else:
        Page(False).text(f"{found.name} {words}")


def show_times(page: Page, found: Deployment) -> None:
    """Each schedule as a sentence, and the next times."""
    from orch_nb.app import deploying
    from orch_nb.schedules import describe

    for schedule in found.spec.schedules:
        _row(page, "when", f"{describe(schedule)} ({schedule.zone})")
    if not found.spec.schedules:
        _row(page, "when", "on demand")
    times = deploying.upcoming_of(found, datetime.now(UTC), _SHOWN)
    if times:
        more = f" · +{len(times) - 1}" if len(times) > 1 else ""
        _row(page, "next", f"{_local(times[0], found)}{more}")


def _row(page: Page, label: str, words: str) -> None:
    """A label and what it says, on as many lines as that takes."""
    lines = textwrap.wrap(words, _WORDS, break_long_words=False, break_on_hyphens=False)
    for number, line in enumerate(lines):
        page.text(f"  {'' if number else label:<10}{line}")


def _rows(details: DeploymentDetails) -> dict[str, str]:
    found, spec = details.deployment, details.deployment.spec
    policy = spec.policy
    rows = {
        "notebook": near_path(spec.notebook) + (" (as it is)" if spec.follow else ""),
        "files": ", ".join(escape_text(file.path, 80) for file in found.files[1:]),
        "params": ", ".join(f"{name}={value!r}" for name, value, _ in spec.parameters),
        "missed": f"catch-up {policy.catch_up} · overlap {policy.overlap}",
        "deadline": format_duration(policy.start_deadline) if policy.start_deadline else "",
        "pool": spec.pool,
        "kept": format_duration(spec.keep) if spec.keep else "for ever",
        "tells": ", ".join(
            f"{rule.target} of {', '.join(state.lower() for state in rule.states)}"
            for rule in details.rules
        ),
        "starts": ", ".join(_trigger(trigger) for trigger in details.triggers),
        "tags": " ".join(f"#{tag}" for tag in spec.tags),
    }
    return {label: escape_text(words, 300) for label, words in rows.items() if words}


def _trigger(trigger: Trigger) -> str:
    match trigger.kind.value:
        case "file":
            return f"file {trigger.spec['path']}"
        case "flow":
            return f"flow {trigger.spec['flow']}:{trigger.spec['state']}"
        case _:
            return "call"


def _local(time: datetime, found: Deployment) -> str:
    """``Mon 26 Oct 06:00 CET``, in the zone of the deployment's first schedule."""
    zone = found.spec.schedules[0].zone if found.spec.schedules else "UTC"
    local = time.astimezone(ZoneInfo(zone))
    seconds = f":{local:%S}" if local.second else ""
    return f"{local:%a %d %b %H:%M}{seconds} {local:%Z}"


def _distance(left: timedelta) -> str:
    seconds = max(left.total_seconds(), 0)
    if seconds < 86_400:
        return f"in {show_duration(seconds)}"
    return f"in {seconds / 86_400:.0f} d"
