"""JSON schemas of what the API takes and gives."""

from __future__ import annotations

from typing import Any

from orch_nb.model import CellKind, CellsMode
from orch_nb.schedules.policy import CatchUp, Overlap
from orch_nb.server.route import Schema
from orch_nb.states import StateName, StateType

MOST_NUMBER = 2**53 - 1  # what a browser can count to


def text(longest: int = 1_000, **more: Any) -> Schema:
    """A text."""
    return {"type": "string", "maxLength": longest, **more}


def number(least: int = 0, most: int = MOST_NUMBER, **more: Any) -> Schema:
    """A whole number."""
    return {"type": "integer", "minimum": least, "maximum": most, **more}


def many(items: Schema, most: int = 1_000) -> Schema:
    """A list."""
    return {"type": "array", "items": items, "maxItems": most}


def record(required: tuple[str, ...] = (), **properties: Schema) -> Schema:
    """An object with just these properties."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(required),
        "additionalProperties": False,
    }


def gives(**properties: Schema) -> Schema:
    """An object of an answer: all of these properties, and maybe more in later versions."""
    return {"type": "object", "properties": properties, "required": list(properties)}


def maybe(schema: Schema) -> Schema:
    """The schema, or null."""
    return {"anyOf": [schema, {"type": "null"}]}


def ref(name: str) -> Schema:
    """One of the named schemas below."""
    return {"$ref": f"#/components/schemas/{name}"}


FLAG: Schema = {"type": "boolean"}
OBJECT: Schema = {"type": "object"}
STRING: Schema = {"type": "string"}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
MOMENT: Schema = {"type": "string", "maxLength": 40, "format": "date-time"}
TIME: Schema = {"type": "string", "format": "date-time"}
STATE: Schema = {"enum": [str(name) for name in StateName]}
TYPE: Schema = {"enum": [str(kind) for kind in StateType]}
CELLS: Schema = {"enum": [str(mode) for mode in CellsMode]}
KIND: Schema = {"enum": [str(kind) for kind in CellKind]}
PATH = text(2_000, minLength=1)
TAGS = many(text(200, minLength=1), 50)
DURATION = text(40)

# what a run is given; shared by runs, resumes and deployments
GIVEN: dict[str, Schema] = {
    "parameters": {"type": "object", "maxProperties": 500},
    "texts": {"type": "object", "additionalProperties": text(100_000), "maxProperties": 500},
    "options": {"type": "object", "maxProperties": 100},
}
NOTEBOOK: dict[str, Schema] = {"path": PATH, "content": {"type": "object"}}

SCHEDULE = record(cron=text(200), every=DURATION, rrule=text(2_000), zone=text(60), anchor=text(40))
POLICY = record(
    catch_up={"enum": [str(one) for one in CatchUp]},
    max_catch_up=number(1, 100_000),
    overlap={"enum": [str(one) for one in Overlap]},
    start_deadline=maybe(DURATION),
)
NOTIFY = record(("target",), states=text(200), target=text(2_000, minLength=1))
TRIGGER = record(file=PATH, flow=text(300), call=FLAG)

DEPLOYMENT_BODY: dict[str, Schema] = {
    "path": PATH,
    **GIVEN,
    "schedules": many(SCHEDULE, 50),
    "policy": POLICY,
    "tags": TAGS,
    "include": many(PATH, 200),
    "follow": FLAG,
    "kernel": maybe(text(200)),
    "cwd": maybe(PATH),
    "env_file": maybe(PATH),
    "pool": text(100, minLength=1),
    "retain": maybe(DURATION),
    "html": FLAG,
    "paused": FLAG,
    "notify": many(NOTIFY, 50),
    "triggers": many(TRIGGER, 50),
}

_RANGE = gives(line=INTEGER, column=INTEGER, end_line=INTEGER, end_column=INTEGER)
_PROBLEM = gives(
    rule=STRING,
    severity={"enum": ["error", "warning", "note"]},
    message=STRING,
    hint=STRING,
    where=STRING,
    cell=maybe(INTEGER),
    cell_id=maybe(STRING),
    range=maybe(ref("Range")),
    fixes=many(gives(title=STRING, text=maybe(STRING), metadata=maybe(OBJECT))),
)
_RUN = gives(
    id=STRING,
    name=STRING,
    flow=STRING,
    state_type=TYPE,
    state_name=STATE,
    scheduled_time=maybe(TIME),
    start_time=maybe(TIME),
    end_time=maybe(TIME),
    parameters=OBJECT,
    tags=many(STRING),
    state_message=STRING,
    notebook=STRING,
    output=maybe(STRING),
    attempt=INTEGER,
    pinned=FLAG,
    path=maybe(STRING),
    output_path=maybe(STRING),
)
_TASK = gives(
    id=STRING,
    name=STRING,
    cell=INTEGER,
    cell_id=STRING,
    kind=KIND,
    state_type=TYPE,
    state_name=STATE,
    attempt=INTEGER,
    max_attempts=INTEGER,
    start_time=maybe(TIME),
    end_time=maybe(TIME),
    seconds=maybe(NUMBER),
)
_DEPLOYMENT = gives(
    id=STRING,
    name=STRING,
    version=INTEGER,
    paused=FLAG,
    next_times=many(TIME),
    notebook=STRING,
    path=maybe(STRING),
    changed=FLAG,
    sentences=many(STRING),
    token=maybe(STRING),
)
_EVENT = gives(
    type={"const": "change"},
    cursor=INTEGER,
    time=TIME,
    run=STRING,
    name=STRING,
    flow=STRING,
    task=maybe(STRING),
    cell=maybe(INTEGER),
    new=STATE,
)

COMPONENTS: dict[str, Schema] = {
    "Error": gives(message=STRING, where=maybe(STRING), hint=maybe(STRING)),
    "Object": OBJECT,
    "Range": _RANGE,
    "Problem": _PROBLEM,
    "Run": _RUN,
    "Task": _TASK,
    "Deployment": _DEPLOYMENT,
    "Event": _EVENT,
    "Health": gives(ok=FLAG, version=STRING, api=INTEGER),
    "OptionSchemas": gives(task=OBJECT, flow=OBJECT),
    "Graph": gives(
        cells=many(OBJECT),
        edges=many(OBJECT),
        picture=OBJECT,
        words=many(OBJECT),
        parameters=many(OBJECT),
        flow=maybe(OBJECT),
        problems=many(ref("Problem")),
    ),
    "Problems": gives(problems=many(ref("Problem"))),
    "Cell": gives(source=STRING, metadata=OBJECT),
    "RunPage": gives(runs=many(ref("Run")), cursor=maybe(STRING)),
    "RunDocument": gives(
        run=ref("Run"), deployed=maybe(OBJECT), snapshot=OBJECT, questions=many(OBJECT)
    ),
    "Tasks": gives(tasks=many(ref("Task"))),
    "HistoryRows": gives(changes=many(OBJECT)),
    "Logs": gives(logs=many(OBJECT), cursor=INTEGER, ended=FLAG),
    "Outputs": gives(cells=many(OBJECT), ended=FLAG),
    "Detail": OBJECT,
    "Plan": gives(cells=many(OBJECT), notices=many(STRING), reused=INTEGER, runs=INTEGER),
    "Why": gives(headline=STRING, reasons=many(STRING), outlook=STRING),
    "Differences": gives(differences=many(OBJECT)),
    "Grid": gives(runs=many(ref("Run")), rows=many(OBJECT)),
    "Deployments": gives(deployments=many(ref("Deployment"))),
    "Versions": gives(versions=many(OBJECT)),
    "Preview": gives(schedules=many(OBJECT), next_times=many(TIME)),
    "Upcoming": gives(upcoming=many(OBJECT)),
    "Workers": gives(workers=many(OBJECT)),
    "Daemon": gives(
        runs=FLAG, own=FLAG, wish=STRING, active=many(STRING), sentence=STRING, hint=STRING
    ),
    "Events": gives(cursor=INTEGER, reset=FLAG, events=many(ref("Event"))),
    "Done": gives(done=FLAG),
}
