"""`%flow deploy`: deploy the notebook of a kernel, as it is saved."""

from __future__ import annotations

import dataclasses
from datetime import UTC, datetime

from orch_nb.app.deploying import DeployRequest, deploy, upcoming_of
from orch_nb.app.live_cells import Asking, saved_file
from orch_nb.app.local_time import local_zone
from orch_nb.app.plain import plain_line
from orch_nb.notebook.binding import GivenParameter, ParameterSource
from orch_nb.notebook.flow_line import check_schedule, take_parameters
from orch_nb.notebook.reader import read_notebook
from orch_nb.option_text import parse_line
from orch_nb.options import DeployOptions, FlowOptions
from orch_nb.schedules import CatchUp, Overlap, Policy, Schedule, describe, parse_schedule
from orch_nb.schedules.deployment import Deployment

_FLOW = tuple(field.name for field in dataclasses.fields(FlowOptions))


def deploy_from_kernel(asking: Asking, text: str) -> Deployment:
    """Record what `%flow deploy NAME --schedule "0 6 * * 1-5"` asks for; ``text`` is what follows
    `deploy`. Raises InputError."""
    where = "%flow deploy"
    pairs, rest = take_parameters(text, where)
    name, options = parse_line(rest, DeployOptions, where=where)
    if options.schedule is not None or options.tz is not None:
        check_schedule(options.schedule, options.tz, where)
    path = saved_file(asking)
    request = DeployRequest(
        notebook=str(path),
        name=name,
        schedules=_schedules(str(path), options),
        policy=Policy(CatchUp(options.catch_up), overlap=Overlap(options.overlap)),
        parameters=tuple(GivenParameter(n, v, ParameterSource.TEXT) for n, v in pairs),
        tags=options.tags,
        options=_given(options),
        include=options.include,
        follow=options.follow,
        paused=options.paused,
        keep_anchors=True,
    )
    return deploy(request)


def told(made: Deployment) -> list[str]:
    """A deployment in a few lines: its version, when it runs, and what runs it."""
    name = plain_line(made.name)
    lines = [f"{name} · version {made.version}{' · paused' if made.paused else ''}"]
    lines += [f"  when  {describe(one)} ({one.zone})" for one in made.spec.schedules]
    if not made.spec.schedules:
        lines.append(f"  when  on demand: orch-nb deployment run {name}")
    times = upcoming_of(made, datetime.now(UTC), 1)
    if times:
        lines.append(f"  next  {times[0].astimezone().strftime('%a %d %b %Y %H:%M')}")
    if made.version == 1:
        lines.append("  orch-nb start  runs what is due, as does JupyterLab while it is open")
    return lines


def _schedules(path: str, options: DeployOptions) -> tuple[Schedule, ...]:
    declared = read_notebook(path).flow
    text, now = options.schedule or declared.schedule, datetime.now(UTC)
    if text is None:
        return ()
    zone = options.tz or declared.zone or local_zone()
    return (parse_schedule(text, zone, now=now),)


def _given(options: DeployOptions) -> dict[str, object]:
    """The options of its runs that were given."""
    plain = FlowOptions()
    given = {name: getattr(options, name) for name in _FLOW}
    return {name: value for name, value in given.items() if value != getattr(plain, name)}
