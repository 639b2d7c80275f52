"""Makes what a cell emitted fit for a notebook file."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from typing import Any

_JSON_MIME = re.compile(r"application/(.*\+)?json")


def clean_output(output: Mapping[str, Any]) -> dict[str, Any] | None:
    """The output with the fields that nbformat allows, and no others; None for what has no place.

    ``transient`` goes (it is for front-ends), binary data becomes base64, and data of a type that
    nbformat wants as text becomes text.
    """
    kind = output.get("output_type")
    match kind:
        case "stream":
            return {
                "output_type": kind,
                "name": str(output.get("name", "stdout")),
                "text": _text(output.get("text", "")),
            }
        case "error":
            return {
                "output_type": kind,
                "ename": str(output.get("ename", "")),
                "evalue": str(output.get("evalue", "")),
                "traceback": [str(line) for line in output.get("traceback") or ()],
            }
        case "display_data" | "execute_result":
            cleaned: dict[str, Any] = {
                "output_type": kind,
                "data": _bundle(output.get("data") or {}),
                "metadata": dict(output.get("metadata") or {}),
            }
            if kind == "execute_result":
                cleaned["execution_count"] = output.get("execution_count")
            return cleaned
        case _:
            return None


def _bundle(data: Mapping[str, Any]) -> dict[str, Any]:
    return {
        str(mime): value if _JSON_MIME.fullmatch(str(mime)) else _text(value)
        for mime, value in data.items()
    }


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    if isinstance(value, list) and all(isinstance(line, str) for line in value):
        return "".join(value)
    return json.dumps(value, default=repr)
