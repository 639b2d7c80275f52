"""What each route takes: its body and its query, by the name of its operation."""

from __future__ import annotations

from collections.abc import Mapping

from orch_nb.server.route import Schema
from orch_nb.server.schemas import (
    CELLS,
    DEPLOYMENT_BODY,
    FLAG,
    GIVEN,
    KIND,
    MOMENT,
    NOTEBOOK,
    PATH,
    SCHEDULE,
    STATE,
    TAGS,
    TYPE,
    many,
    maybe,
    number,
    record,
    text,
)

_EDITED = record((), **NOTEBOOK, cells=CELLS)
_FILTER = {
    "state": many(STATE, 20),
    "type": many(TYPE, 10),
    "flow": text(300),
    "path": PATH,
    "tag": many(text(200, minLength=1), 20),
    "search": text(200),
    "since": MOMENT,
    "until": MOMENT,
}
_AGAIN = record(
    (),
    tasks=many(text(200, minLength=1), 1_000),
    onward=maybe(text(200)),
    output=maybe(PATH),
    **GIVEN,
)
_NAMED = record(("name", "path"), name=text(200, minLength=1), **DEPLOYMENT_BODY)

BODIES: Mapping[str, Schema] = {
    "service.set_daemon": record(("wish",), wish={"enum": ["servers", "stay", "off"]}),
    "notebooks.graph": _EDITED,
    "notebooks.check": _EDITED,
    "notebooks.tag": record(
        ("source", "kind"),
        source=text(1_000_000),
        metadata={"type": "object"},
        kind=KIND,
        options={"type": "object", "maxProperties": 100},
    ),
    "runs.start": record(
        (),
        **NOTEBOOK,
        **GIVEN,
        output=maybe(PATH),
        cwd=maybe(PATH),
        kernel=maybe(text(200)),
        tags=TAGS,
        name=maybe(text(200)),
    ),
    "runs.resume": _AGAIN,
    "runs.retry": record(
        ("tasks",), tasks={**many(text(200, minLength=1), 1_000), "minItems": 1}, **GIVEN
    ),
    "runs.answer": record(
        ("task",),
        task=text(200, minLength=1),
        values={"type": "object", "additionalProperties": text(100_000), "maxProperties": 200},
    ),
    "runs.keep": record((), keep=FLAG),
    "deployments.create": _NAMED,
    "deployments.change": record(("path",), **DEPLOYMENT_BODY),
    "deployments.redeploy": record(
        (),
        texts=GIVEN["texts"],
        **{key: DEPLOYMENT_BODY[key] for key in ("schedules", "policy", "notify")},
    ),
    "deployments.run": record(
        (), parameters=GIVEN["parameters"], texts=GIVEN["texts"], idempotency_key=text(200)
    ),
    "deployments.rollback": record((), version=number(1, 1_000_000)),
    "deployments.preview": record(
        ("schedules",), schedules=many(SCHEDULE, 50), count=number(1, 100)
    ),
    "deployments.try_target": record(("target",), target=text(2_000, minLength=1), name=text(200)),
}

QUERIES: Mapping[str, Mapping[str, Schema]] = {
    "service.events": {"cursor": number(), "wait": number(0, 50), "limit": number(1, 500)},
    "runs.page": {**_FILTER, "cursor": text(40), "limit": number(1, 500)},
    "runs.grid": {**_FILTER, "limit": number(1, 100)},
    "runs.logs": {
        "task": text(200),
        "level": number(0, 100),
        "cursor": number(),
        "limit": number(1, 5_000),
    },
    "runs.outputs": {"cell": number(1, 1_000_000)},
    "runs.plan": {"task": many(text(200), 100), "onward": text(200)},
    "deployments.upcoming": {"limit": number(1, 200)},
}
