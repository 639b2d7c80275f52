"""Starts on events: a path appears or changes, another flow reaches a state, a call with a token.

Each event has a key, and a deployment starts once for each key: any number of processes may
watch, and one that dies before it has noted what it saw makes no second run.
"""

from __future__ import annotations

import hmac
import logging
from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path

from orch_nb.app.deploying import start_now, with_parameters
from orch_nb.app.triggering import describe_paths, hash_token
from orch_nb.errors import NotFoundError, ParameterError
from orch_nb.model import FlowRun, Json
from orch_nb.notebook.binding import GivenParameter, ParameterSource
from orch_nb.notebook.secret_text import secret_name
from orch_nb.schedules.deployment import Origin
from orch_nb.service.path_news import PathNews
from orch_nb.states import StateName
from orch_nb.store import Store
from orch_nb.store.deployments import get_deployment
from orch_nb.store.trigger_rows import Trigger, TriggerKind, list_triggers, set_seen
from orch_nb.store.watching import flow_events, newest_event

LOCAL_EVERY = 1.0  # seconds between looks; the system's word makes them come sooner
REMOTE_EVERY = 10.0
_NOTHING_TO_WATCH = 2.0
SETTLED = 1.0  # seconds for which a file has not changed: nobody is writing it any more

_log = logging.getLogger(__name__)


class TriggerWatch:
    """Looks at what triggers wait for."""

    def __init__(self, store: Store, news: PathNews | None = None) -> None:
        self._store = store
        self._news = news
        self._looked_far = float("-inf")

    def step(self, now: datetime, monotonic: float) -> float:
        """Start what has a reason to; the seconds until the next look."""
        triggers = [trigger for trigger in list_triggers(self._store) if not trigger.paused]
        far = monotonic - self._looked_far >= REMOTE_EVERY
        if far:
            self._looked_far = monotonic
        for trigger in triggers:
            try:
                self._look(trigger, far, now)
            except Exception:  # one that can't be looked at must not silence the others
                _log.exception("a trigger could not be looked at")
        if self._news is not None:
            self._news.follow(_folders(triggers))
        return LOCAL_EVERY if triggers else _NOTHING_TO_WATCH

    def _look(self, trigger: Trigger, far: bool, now: datetime) -> None:
        if trigger.kind is TriggerKind.FILE:
            path = str(trigger.spec["path"])
            if "://" in path and not far:
                return
            self._on_file(trigger, path, now)
        elif trigger.kind is TriggerKind.FLOW:
            self._on_flow(trigger)

    def _on_file(self, trigger: Trigger, path: str, now: datetime) -> None:
        known: Mapping[str, str] = trigger.seen or {}
        found = describe_paths(path)
        if "://" not in path:
            found = _without_unsettled(found, known, now)
        news = {name: mark for name, mark in found.items() if known.get(name) != mark}
        for name, mark in sorted(news.items()):
            self._start(trigger, f"{trigger.id}:{name}:{mark}")
        if found != known:
            self._store.write(lambda t: set_seen(t, trigger, found))

    def _on_flow(self, trigger: Trigger) -> None:
        since, after = (int(number) for number in trigger.seen)
        state = StateName(trigger.spec["state"])
        flow = str(trigger.spec["flow"])
        last = newest_event(self._store)
        if last <= after:
            return
        for event in flow_events(self._store, flow, state, after=after, since=since):
            self._start(trigger, f"{trigger.id}:{event}")
        self._store.write(lambda t: set_seen(t, trigger, [since, last]))

    def _start(self, trigger: Trigger, key: str) -> None:
        deployment = get_deployment(self._store, trigger.deployment_id)
        start_now(self._store, deployment, Origin.TRIGGER, key=key)


def _without_unsettled(
    found: Mapping[str, str], known: Mapping[str, str], now: datetime
) -> dict[str, str]:
    """Files with their marks; one that has just been written to counts as it was known."""
    settled = {}
    for name, mark in found.items():
        age = now.timestamp() - int(mark.partition(":")[0]) / 1e9
        if not 0 <= age < SETTLED:  # a clock that was set back must not hold it up
            settled[name] = mark
        elif name in known:
            settled[name] = known[name]
    return settled


def _folders(triggers: Iterable[Trigger]) -> set[Path]:
    """The folders of this machine in which something is waited for."""
    paths = [str(trigger.spec["path"]) for trigger in triggers if trigger.kind is TriggerKind.FILE]
    return {Path(path).parent for path in paths if "://" not in path}


def start_by_token(
    store: Store, called: str, token: str, parameters: Mapping[str, Json], *, key: str | None
) -> tuple[FlowRun, bool] | None:
    """Start a deployment whose HTTP trigger has that token; None when there is no such one.

    Raises ParameterError for parameters that the notebook does not take, and for references to
    secrets: whoever may start a notebook may not choose which of them it is given.
    """
    try:
        deployment = get_deployment(store, called)
    except NotFoundError:
        return None
    digest = hash_token(token)
    fitting = [
        trigger
        for trigger in list_triggers(store, deployment.id, TriggerKind.HTTP)
        if hmac.compare_digest(str(trigger.spec["token_hash"]), digest)
    ]
    if not fitting or not token or deployment.paused:
        return None
    for name, value in parameters.items():
        if secret_name(value) is not None:
            raise ParameterError(
                f"a call can't name a secret, as {name} does",
                hint=f"deploy with  -p {name} {value}",
            )
    given = [
        GivenParameter(name, value, ParameterSource.CALL) for name, value in parameters.items()
    ]
    return start_now(
        store,
        with_parameters(store, deployment, given),
        Origin.TRIGGER,
        key=None if key is None else f"http:{key}",
    )
