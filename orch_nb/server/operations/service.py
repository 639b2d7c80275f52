"""The server itself: versions, options, who works, and what has happened."""

from __future__ import annotations

from orch_nb import __version__
from orch_nb.app.resident import Wish, daemon_status, set_wish
from orch_nb.app.working import Seen
from orch_nb.app.working import workers as known
from orch_nb.model import Json
from orch_nb.option_schema import json_schema
from orch_nb.options import FlowOptions, TaskOptions
from orch_nb.server.call import Call
from orch_nb.wire import format_time

API_VERSION = 1


def health(call: Call) -> Json:
    """That it is there."""
    return {"ok": True, "version": __version__, "api": API_VERSION}


def options(call: Call) -> Json:
    """The schemas that forms are made from."""
    return {"task": json_schema(TaskOptions), "flow": json_schema(FlowOptions)}


def workers(call: Call) -> Json:
    """Who schedules and works."""
    return {"workers": [_worker(seen) for seen in known()]}


def _worker(seen: Seen) -> Json:
    one = seen.worker
    return {
        "name": one.name,
        "kind": one.kind,
        "pool": one.pool,
        "limit": one.limit,
        "running": one.running,
        "condition": seen.condition,
        "started": format_time(one.started),
        "seen": format_time(one.seen),
    }


def daemon(call: Call) -> Json:
    """Whether schedules will run, in plain words."""
    found = daemon_status()
    return {
        "runs": found.runs,
        "own": found.own,
        "wish": str(found.wish),
        "active": list(found.active),
        "workers": [_worker(seen) for seen in found.working],
        "sentence": found.sentence,
        "hint": found.hint,
    }


def set_daemon(call: Call) -> Json:
    """Say how long the daemon is to be there; it is started if something is scheduled."""
    set_wish(Wish(call.body["wish"]))
    call.desk.keeper.poke()
    return daemon(call)


async def events(call: Call) -> Json:
    """What happened after the cursor; without one, the cursor to begin with."""
    return await call.desk.feed.page(
        call.query.get("cursor"), call.query.get("wait", 0), call.query.get("limit", 500)
    )
