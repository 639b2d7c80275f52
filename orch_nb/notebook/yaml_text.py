"""YAML as papermill reads it: safe, and with dates left as text."""

from __future__ import annotations

from functools import cache
from typing import Any

_TIMESTAMP = "tag:yaml.org,2002:timestamp"
_MOST_NODES = 1_000_000


class YamlError(ValueError):
    """Text that is no YAML, or too much of it; the message says why in one line."""


def load_yaml(text: str) -> Any:
    """The value of a YAML document. Raises YamlError.

    Aliases that repeat each other until the value is beyond all size, or contain themselves,
    are refused.
    """
    import yaml

    try:
        value = yaml.load(text, Loader=_loader())
        _count(value, _MOST_NODES)
    except yaml.YAMLError as error:
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        mark = getattr(error, "problem_mark", None)
        raise YamlError(f"{problem}, line {mark.line + 1}" if mark else str(problem)) from None
    except RecursionError:
        raise YamlError("nested too deeply") from None
    except (ValueError, TypeError, OverflowError) as error:
        raise YamlError(str(error)) from None
    return value


@cache
def _loader() -> Any:
    import yaml

    class Loader(yaml.SafeLoader):
        """The safe loader without its reading of dates."""

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != _TIMESTAMP]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    return Loader


def _count(value: Any, left: int) -> int:
    """What remains of the budget after walking the value, each repetition counted."""
    if left <= 0:
        raise YamlError("too large a value (aliases repeat it too often)")
    if isinstance(value, dict):
        for key, item in value.items():
            left = _count(item, _count(key, left - 1))
    elif isinstance(value, list | tuple | set):
        for item in value:
            left = _count(item, left - 1)
    return left
