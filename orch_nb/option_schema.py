"""The options of tasks and flows as a form's JSON schema, and as rows of a reference page."""

from __future__ import annotations

from typing import Any

from orch_nb.durations import FORM
from orch_nb.option_text import LONGEST_NAME, PAIRS, to_json_value, value_text
from orch_nb.options import FlowOptions, TaskOptions, option_specs


def json_schema(options: type[TaskOptions] | type[FlowOptions]) -> dict[str, Any]:
    """The JSON schema of the metadata that `to_mapping` writes, for a form."""
    properties: dict[str, Any] = {
        "name": {"type": "string", "title": "name", "maxLength": LONGEST_NAME}
    }
    for spec in option_specs(options):
        schema: dict[str, Any] = {"title": spec.flag[2:].replace("-", " ")}
        schema["description"] = spec.help
        if spec.kind == "flag":
            schema["type"] = "boolean"
        elif spec.kind == "int":
            schema |= {"type": "integer", "minimum": spec.minimum}
        elif spec.kind == "number":
            schema |= {"type": "number", "minimum": spec.minimum}
        elif spec.kind in PAIRS:
            number = {"type": "integer", "minimum": 1} if spec.kind == "counts" else {}
            schema |= {"type": "object", "additionalProperties": number or {"type": "number"}}
        elif spec.kind in {"names", "paths"}:
            schema |= {"type": "array", "items": {"type": "string", "minLength": 1}}
        elif spec.kind == "choice":
            schema |= {"type": "string", "enum": list(spec.choices)}
        elif spec.kind == "runner":
            schema |= {"type": "string", "pattern": f"^({'|'.join(spec.choices)}|dask=.+)$"}
        else:
            schema["type"] = "string"
        if spec.kind in {"duration", "durations"}:
            schema["description"] += f" ({FORM})"
        if spec.default is not None:
            schema["default"] = to_json_value(spec, spec.default)
        properties[spec.field] = schema
    return {"type": "object", "properties": properties, "additionalProperties": False}


def reference_rows(
    options: type[TaskOptions] | type[FlowOptions],
) -> tuple[tuple[str, str, str], ...]:
    """Rows ``(usage, default, help)`` of a reference page; the default is "" when there is none."""
    return tuple(
        (
            f"{spec.flag} {spec.placeholder}".strip(),
            ""
            if spec.kind == "flag" or spec.default in (None, ())
            else value_text(spec, spec.default),
            spec.help,
        )
        for spec in option_specs(options)
    )
