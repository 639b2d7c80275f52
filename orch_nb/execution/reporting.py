"""What a cell declares of its run: `orch_nb.report(accuracy=0.93)`."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from orch_nb.errors import InputError

MIME = "application/vnd.orch-nb.report+json"


def report(**metrics: Any) -> None:
    """Declare results of this run, by name: numbers, truth values and short texts. They are shown
    in the cell's output, and gathered by a sweep. Raises InputError for other values."""
    plain = {name: _plain(name, value) for name, value in metrics.items()}
    words = "  ".join(f"{name} = {value}" for name, value in plain.items())
    from IPython.core.getipython import get_ipython  # a script does without

    if get_ipython() is None:
        print(words)
        return
    from IPython.display import display

    display({MIME: plain, "text/plain": words}, raw=True)


def reports_in(outputs: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """What cells' outputs declare; later ones win."""
    found: dict[str, Any] = {}
    for output in outputs:
        declared = (output.get("data") or {}).get(MIME)
        if isinstance(declared, Mapping):
            found |= declared
    return found


def _plain(name: str, value: Any) -> Any:
    item = getattr(value, "item", None)
    if item is not None and getattr(value, "ndim", 0) == 0:
        value = item()  # a number of a library's own
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # JSON has no word for it
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise InputError(
        f"report({name}=…) is given a {type(value).__qualname__}",
        hint="give a number, a text, True or False",
    )
