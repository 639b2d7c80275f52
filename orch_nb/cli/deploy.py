"""`orch-nb deploy` and `serve`: have a notebook run on its own."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from orch_nb.cli.deployment import show_times
from orch_nb.cli.duration_option import DURATION
from orch_nb.cli.flow_options import add_flow_options, take_flow_options
from orch_nb.cli.parameter_options import (
    ParameterCommand,
    add_parameter_options,
    take_parameters,
)
from orch_nb.cli.records import print_json
from orch_nb.cli.runs import Page, ascii_option, json_option

if TYPE_CHECKING:
    from orch_nb.app.deploying import DeployRequest
    from orch_nb.app.telling import NotifyRule
    from orch_nb.app.triggering import Trigger
    from orch_nb.schedules import Schedule

Command = TypeVar("Command", bound=Callable[..., object])

_CATCH_UP = ("skip", "latest", "all")
_OVERLAP = ("queue", "skip", "cancel-running", "allow")

_OPTIONS = (
    click.option("--name", metavar="NAME", help="the deployment's name [the flow's]"),
    click.option("--cron", "crons", multiple=True, metavar="FIELDS", help="such as '0 6 * * 1-5'"),
    click.option("--every", "intervals", multiple=True, metavar="TIME", help="such as 15m"),
    click.option("--anchor", metavar="WHEN", help="the time that --every counts from [now]"),
    click.option("--rrule", "rules", multiple=True, metavar="RULE", help="an RFC 5545 rule"),
    click.option("--tz", "zone", metavar="ZONE", help="the schedules' IANA zone [this machine's]"),
    click.option(
        "--catch-up",
        type=click.Choice(_CATCH_UP),
        default="latest",
        help="what runs after a downtime  [latest]",
    ),
    click.option(
        "--max",
        "max_catch_up",
        type=click.IntRange(min=0),
        default=24,
        help="with --catch-up all, at most so many  [24]",
    ),
    click.option(
        "--overlap",
        type=click.Choice(_OVERLAP),
        default="queue",
        help="while an earlier run has not ended  [queue]",
    ),
    click.option("--start-deadline", type=DURATION, help="skip what has not started by then"),
    click.option("--tag", "tags", multiple=True, help="a tag for its runs"),
    click.option("--include", multiple=True, metavar="PATH", help="a file of the snapshot"),
    click.option("--follow", is_flag=True, help="run the file as it is, no snapshot"),
    click.option("-k", "--kernel", help="the kernel to use instead of the notebook's"),
    click.option("--cwd", metavar="FOLDER", help="the working folder [the notebook's]"),
    click.option("--env-file", metavar="PATH", help="variables for the cells, read at each run"),
    click.option("--pool", default="default", help="which workers run it  [default]"),
    click.option("--retain", type=DURATION, help="delete runs that are older [never]"),
    click.option("--html", is_flag=True, help="export each output notebook as a page"),
    click.option("--notify-on", metavar="STATES", help="failed,crashed,late,completed,cancelled"),
    click.option(
        "--notify-to",
        "targets",
        multiple=True,
        metavar="URL",
        help="who is told: an apprise URL, or secret:NAME",
    ),
    click.option(
        "--on-file",
        "file_triggers",
        multiple=True,
        metavar="PATH",
        help="also run when it appears or changes",
    ),
    click.option(
        "--on-flow",
        "flow_triggers",
        multiple=True,
        metavar="NAME:STATE",
        help="also run when another flow reaches a state",
    ),
    click.option("--on-call", is_flag=True, help="also run at an HTTP call; prints its token"),
)


def add_deploy_options(command: Command) -> Command:
    """Decorate a command with all that a deployment can be given."""
    command = add_flow_options(add_parameter_options(command))
    for decorate in reversed(_OPTIONS):
        command = decorate(command)
    return command


@click.command(cls=ParameterCommand, no_args_is_help=True)
@click.argument("notebook")
@add_deploy_options
@click.option("--paused", is_flag=True, help="don't let its schedules tick yet")
@click.option("--test", "trial", is_flag=True, help="send each --notify-to a test now")
@ascii_option
@json_option
def deploy(ascii_only: bool, as_json: bool, trial: bool, **values: Any) -> None:
    """Have NOTEBOOK run on its own, at its schedules' times and when it is asked to.

    A deployment keeps the notebook as it is now. `orch-nb start` runs it.
    """
    from orch_nb.app import deploying
    from orch_nb.app.deployment_json import deployment_record

    request, token = build_deploy_request(values)
    if trial:
        _send_trials(request)
    made = deploying.deploy(request)
    if as_json:
        record = deployment_record(made)
        print_json({**record, "token": token} if token else record)
        return
    page = Page(ascii_only)
    page.text(f"{made.name} · version {made.version}{' · paused' if made.paused else ''}")
    show_times(page, made)
    if token:
        page.text(f"  call    POST /trigger/{made.name}  with  Authorization: Bearer {token}")
        page.text("          the token is not shown again")
    if made.version == 1:
        page.text("  next    orch-nb start  runs what is due")


@click.command(cls=ParameterCommand, no_args_is_help=True)
@click.argument("notebook")
@add_deploy_options
@click.option("--worker-limit", type=click.IntRange(min=1), help="runs at a time [one per core]")
@click.option("--port", type=int, default=0, help="for health and metrics [any free one]")
def serve(worker_limit: int | None, port: int, **values: Any) -> None:
    """Deploy NOTEBOOK and run it from this process, until Ctrl-C.

    It serves a pool of its own: other deployments are left to `orch-nb start`. When it ends, its
    schedules are paused.
    """
    from orch_nb.app import deploying
    from orch_nb.cli.service import run_service
    from orch_nb.errors import NotFoundError
    from orch_nb.service.daemon import ServiceOptions

    request, token = build_deploy_request({**values, "paused": False})
    if request.pool == "default":
        request = replace(request, pool=f"serve/{request.name or request.notebook}")
    made = deploying.deploy(request)
    if made.paused:  # since it was served before
        made = deploying.pause_deployment(made.name, False)
    page = Page(False)
    page.text(f"{made.name} · version {made.version} · Ctrl-C ends")
    show_times(page, made)
    if token:
        page.text(f"  call    POST /trigger/{made.name}  with  Authorization: Bearer {token}")
    try:
        run_service(ServiceOptions(pool=request.pool, limit=worker_limit, port=port))
    finally:
        # Its runs would wait for ever: nobody else works on its pool.
        with contextlib.suppress(NotFoundError):
            deploying.pause_deployment(made.name, True)
            page.text(f"{made.name} is paused; `orch-nb serve` goes on with it")


def build_deploy_request(values: Mapping[str, Any]) -> tuple[DeployRequest, str | None]:
    """The request that the command line describes, and the token of `--on-call`."""
    from orch_nb.app.deploying import DeployRequest
    from orch_nb.schedules import CatchUp, Overlap, Policy

    token = secrets.token_urlsafe(24) if values["on_call"] else None
    policy = Policy(
        CatchUp(values["catch_up"]),
        values["max_catch_up"],
        Overlap(values["overlap"]),
        values["start_deadline"],
    )
    request = DeployRequest(
        notebook=values["notebook"],
        name=values["name"],
        schedules=_schedules(values),
        policy=policy,
        parameters=take_parameters(values),
        tags=tuple(values["tags"]),
        options=take_flow_options(values),
        include=tuple(values["include"]),
        follow=values["follow"],
        kernel=values["kernel"],
        cwd=values["cwd"],
        env_file=values["env_file"],
        pool=values["pool"],
        keep=values["retain"],
        html=values["html"],
        paused=values["paused"],
        notify=_rules(values),
        triggers=_triggers(values, token),
        keep_anchors=values["anchor"] is None,
    )
    return request, token


def _schedules(values: Mapping[str, Any]) -> tuple[Schedule, ...]:
    from orch_nb.app.local_time import local_zone
    from orch_nb.schedules import parse_cron, parse_interval, parse_rrule

    zone = values["zone"] or local_zone()
    now = datetime.now(UTC)
    found: list[Schedule] = [parse_cron(text, zone) for text in values["crons"]]
    found += [
        parse_interval(text, zone, anchor=values["anchor"], now=now) for text in values["intervals"]
    ]
    found += [parse_rrule(text, zone, now=now) for text in values["rules"]]
    if values["anchor"] and not values["intervals"]:
        raise click.UsageError("--anchor is for --every\ngive --every TIME too")
    return tuple(found)


def _rules(values: Mapping[str, Any]) -> tuple[NotifyRule, ...]:
    from orch_nb.app.telling import NotifyRule, check_target, parse_states

    if not values["targets"] and values["notify_on"]:
        raise click.UsageError("--notify-on says of what, but not who is told\nadd --notify-to URL")
    states = parse_states(values["notify_on"] or "failed,crashed")
    return tuple(NotifyRule(states, check_target(target)) for target in values["targets"])


def _triggers(values: Mapping[str, Any], token: str | None) -> tuple[Trigger, ...]:
    from orch_nb.app import triggering

    found = [triggering.on_file(path) for path in values["file_triggers"]]
    found += [triggering.on_flow(text) for text in values["flow_triggers"]]
    if token is not None:
        found.append(triggering.on_call(token))
    return tuple(found)


def _send_trials(request: DeployRequest) -> None:
    from orch_nb.app import telling

    if not request.notify:
        raise click.UsageError("--test has nobody to tell\nadd --notify-to URL")
    for rule in request.notify:
        telling.deliver(rule.target, telling.trial_message(request.name or request.notebook))
