"""The parameters of a flow from a kernel: the values that the kernel holds count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orch_nb.notebook.binding import BoundParameters, ParameterSource
from orch_nb.notebook.literals import json_value
from orch_nb.notebook.parameters import read_parameters


def with_kernel_values(
    bound: BoundParameters, notebook: Any, namespace: Mapping[str, Any]
) -> BoundParameters:
    """Parameters that were not given have the kernel's values, where it has them.

    Those that were given and are the same as the kernel's are not given any more."""
    given, record, sources = dict(bound.given), dict(bound.record), dict(bound.sources)
    for parameter in read_parameters(notebook):
        name = parameter.name
        if name not in namespace:
            continue
        if name in given:
            if _is_same(given[name], namespace[name]):
                del given[name]
            continue
        try:
            record[name] = json_value(namespace[name])
        except Exception:  # no value that JSON can say
            record[name] = repr(namespace[name])[:200]
        sources[name] = str(ParameterSource.KERNEL)
    return BoundParameters(given, record, sources)


def _is_same(one: Any, other: Any) -> bool:
    try:
        return type(one) is type(other) and bool(one == other)
    except Exception:  # the values' own comparison
        return False
