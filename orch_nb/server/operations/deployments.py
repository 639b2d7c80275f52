"""Deployments and their schedules."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from orch_nb.app import deploying, redeploying, telling, triggering
from orch_nb.app.deploying import DeployRequest
from orch_nb.app.deployment_json import details_record, version_record
from orch_nb.app.local_time import local_zone
from orch_nb.app.started import given_options, given_parameters
from orch_nb.durations import parse_duration
from orch_nb.errors import OptionError
from orch_nb.model import Json
from orch_nb.schedules import (
    CatchUp,
    Overlap,
    Policy,
    Schedule,
    describe,
    next_ticks,
    parse_cron,
    parse_interval,
    parse_rrule,
    to_json,
)
from orch_nb.schedules.deployment import DEFAULT_POOL
from orch_nb.server.call import Call
from orch_nb.server.operations.records import deployment_of, run_of
from orch_nb.wire import format_time

_SHOWN = 5  # next times
_KINDS = ("cron", "every", "rrule")
_PLAIN = Policy()


def all_of_them(call: Call) -> Json:
    """Every deployment."""
    return {"deployments": [deployment_of(one, call.root) for one in deploying.deployments()]}


def create(call: Call) -> Json:
    """Deploy a notebook under a name."""
    return _deploy(call, call.body["name"])


def change(call: Call) -> Json:
    """A new version of a deployment that is there."""
    return _deploy(call, deploying.deployment_details(call.deployment).deployment.name)


def _deploy(call: Call, name: str) -> Json:
    call.root.needs_disk("a schedule")
    body = call.body
    token = (
        secrets.token_urlsafe(24) if any(t.get("call") for t in body.get("triggers", ())) else ""
    )
    given = {key: body.get(key) or {} for key in ("parameters", "texts")}
    request = DeployRequest(
        notebook=str(call.root.local(body["path"], must_exist=True)),
        name=name,
        schedules=_schedules(body.get("schedules", ())),
        policy=_policy(body.get("policy") or {}),
        parameters=given_parameters(given),
        tags=tuple(body.get("tags", ())),
        options=given_options(body.get("options") or {}),
        include=tuple(body.get("include", ())),
        follow=body.get("follow", False),
        kernel=body.get("kernel"),
        cwd=call.local("cwd"),
        env_file=call.local("env_file"),
        pool=body.get("pool", DEFAULT_POOL),
        keep=_seconds(body.get("retain")),
        html=body.get("html", False),
        paused=body.get("paused", False),
        notify=_rules(body.get("notify", ())),
        triggers=tuple(_trigger(call, one, token) for one in body.get("triggers", ())),
    )
    made = deploying.deploy(request)
    call.desk.keeper.poke()
    return deployment_of(made, call.root, token or None)


def _rules(given: Any) -> tuple[telling.NotifyRule, ...]:
    return tuple(
        telling.NotifyRule(
            telling.parse_states(rule.get("states", "failed,crashed")),
            telling.check_target(rule["target"]),
        )
        for rule in given
    )


def _trigger(call: Call, given: Mapping[str, Any], token: str) -> triggering.Trigger:
    if len(given) != 1:
        raise OptionError("a trigger has one of file, flow and call", hint="give just one")
    if "file" in given:
        return triggering.on_file(str(call.root.local(given["file"])))
    if "flow" in given:
        return triggering.on_flow(given["flow"])
    return triggering.on_call(token)


def _schedules(given: Any) -> tuple[Schedule, ...]:
    return tuple(_schedule(one) for one in given)


def _schedule(given: Mapping[str, Any]) -> Schedule:
    said = [kind for kind in _KINDS if kind in given]
    if len(said) != 1 or ("anchor" in given and said != ["every"]):
        raise OptionError(
            "a schedule has one of cron, every (with or without an anchor) and rrule",
            hint="such as {'cron': '0 6 * * 1-5', 'zone': 'Europe/Madrid'}",
        )
    zone, now = given.get("zone") or local_zone(), datetime.now(UTC)
    if "cron" in given:
        return parse_cron(given["cron"], zone)
    if "every" in given:
        return parse_interval(given["every"], zone, anchor=given.get("anchor"), now=now)
    return parse_rrule(given["rrule"], zone, now=now)


def _policy(given: Mapping[str, Any], before: Policy = _PLAIN) -> Policy:
    deadline = before.start_deadline
    if "start_deadline" in given:
        deadline = _seconds(given["start_deadline"])
    return replace(
        before,
        catch_up=CatchUp(given.get("catch_up", before.catch_up)),
        max_catch_up=given.get("max_catch_up", before.max_catch_up),
        overlap=Overlap(given.get("overlap", before.overlap)),
        start_deadline=deadline,
    )


def _seconds(text: str | None) -> float | None:
    return None if text is None else parse_duration(text)


def show(call: Call) -> Json:
    """One deployment, with what became of it lately."""
    details = deploying.deployment_details(call.deployment)
    return {
        **details_record(details),
        **deployment_of(details.deployment, call.root),
        "runs": [run_of(run, call.root) for run in details.runs],
    }


def delete(call: Call) -> Json:
    """Forget it."""
    deploying.delete_deployment(call.deployment)
    return {"done": True}


def versions(call: Call) -> Json:
    """Its versions."""
    found, every = deploying.deployment_history(call.deployment)
    return {"versions": [version_record(version, found) for version in every]}


def pause(call: Call) -> Json:
    """Stop its schedules."""
    return deployment_of(deploying.pause_deployment(call.deployment, True), call.root)


def resume(call: Call) -> Json:
    """Let its schedules go on."""
    found = deploying.pause_deployment(call.deployment, False)
    call.desk.keeper.poke()
    return deployment_of(found, call.root)


def run(call: Call) -> Json:
    """Put a run of it into the queue."""
    given = {key: call.body.get(key) or {} for key in ("parameters", "texts")}
    made, _ = deploying.run_deployment(
        call.deployment,
        given_parameters(given),
        idempotency_key=call.body.get("idempotency_key"),
    )
    call.desk.keeper.poke()
    return run_of(made, call.root)


def redeploy(call: Call) -> Json:
    """A new version with the notebook as it is now; what is given takes the place of what was."""
    body, changed = call.body, dict[str, Any]()
    if "schedules" in body:
        changed["schedules"] = _schedules(body["schedules"])
    if "policy" in body:
        spec = deploying.deployment_details(call.deployment).deployment.spec
        changed["policy"] = _policy(body["policy"], spec.policy)
    if "texts" in body:
        changed["parameters"] = given_parameters({"parameters": {}, "texts": body["texts"]})
    if "notify" in body:
        changed["notify"] = _rules(body["notify"])
    made = redeploying.redeploy(call.deployment, **changed)
    call.desk.keeper.poke()
    return deployment_of(made, call.root)


def rollback(call: Call) -> Json:
    """Run an earlier version."""
    found = deploying.roll_back(call.deployment, call.body.get("version"))
    return deployment_of(found, call.root)


def preview(call: Call) -> Json:
    """Schedules in words, and their next times together."""
    schedules = _schedules(call.body["schedules"])
    count, now = call.body.get("count", _SHOWN), datetime.now(UTC)
    times = {time for one in schedules for time in next_ticks(one, now, count)}
    return {
        "schedules": [
            {
                **to_json(one),
                "sentence": describe(one),
                "next_times": [format_time(time) for time in next_ticks(one, now, count)],
            }
            for one in schedules
        ],
        "next_times": [format_time(time) for time in sorted(times)[:count]],
        "zone": local_zone(),
    }


def upcoming(call: Call) -> Json:
    """What runs next."""
    return {
        "upcoming": [
            {
                "scheduled_time": format_time(time),
                "deployment": one.name,
                "flow": one.spec.flow,
                "path": call.root.shown(one.spec.notebook),
            }
            for time, one in deploying.upcoming(call.query.get("limit", 20))
        ]
    }


def try_target(call: Call) -> Json:
    """Send a message, to see that it arrives."""
    target = telling.check_target(call.body["target"])
    telling.deliver(target, telling.trial_message(call.body.get("name", "this schedule")))
    return {"done": True}
