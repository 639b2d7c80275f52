"""Process-wide state that notebooks use like a variable: read, compared, set.

Each entry is known by the name that the analysis uses for it. A state is looked at only when
its library is loaded; the watch works in the context that cells run in (see CellShell.within).
"""

from __future__ import annotations

import io
import itertools
import locale
import logging
import operator
import os
import random
import sys
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from orch_nb.execution.anatomy_arrays import repr_of_state


@dataclass(frozen=True, slots=True)
class Ambient:
    """One state: the module that must be loaded, and how to get, set and compare it.

    ``fixed`` marks a part that can't be told to another process; a change of it stays in its own.
    """

    module: str
    get: Callable[[], Any]
    set: Callable[[Any], None]
    mark: Callable[[Any], Any] = repr_of_state  # what compares equal when nothing changed
    fixed: Callable[[], Any] | None = None


def _module(name: str) -> Any:
    return sys.modules[name]


def _set_environment(value: Mapping[str, str]) -> None:
    for name in set(os.environ) - set(value):
        del os.environ[name]
    for name, text in value.items():
        if os.environ.get(name) != text:
            os.environ[name] = text


def _set_warnings(value: list[Any]) -> None:
    warnings.filters[:] = value  # type: ignore[index]
    warnings._filters_mutated()  # type: ignore[attr-defined]


def _rc_params() -> dict[str, Any]:
    return dict(dict.items(_module("matplotlib").rcParams))


def _set_rc_params(value: dict[str, Any]) -> None:
    dict.update(_module("matplotlib").rcParams, value)


def _pandas_options() -> dict[str, Any]:
    # not by get_option, which warns of old ones, and is slow
    return dict(_flat(_module("pandas._config.config")._global_config, ""))


def _flat(options: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in options.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{prefix}{name}.")
        else:
            yield prefix + name, value


def _set_pandas_options(value: dict[str, Any]) -> None:
    config = _module("pandas._config.config")
    known = _pandas_options()
    for key, new in value.items():
        if known.get(key) == new:
            continue
        if key in config._deprecated_options:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                config.set_option(key, new)
        else:
            config.set_option(key, new)


def _by_repr(value: Any) -> str:
    return repr(value)


def _loggers() -> Iterator[tuple[str, logging.Logger]]:
    yield "", logging.root
    for name, found in list(logging.root.manager.loggerDict.items()):
        if isinstance(found, logging.Logger):
            yield name, found


_AS_MADE = (logging.NOTSET, True, False)


def _logging_settings() -> dict[str, tuple[int, bool, bool]]:
    found = {name: (log.level, log.propagate, log.disabled) for name, log in _loggers()}
    return {name: state for name, state in found.items() if not name or state != _AS_MADE}


def _set_logging(value: Mapping[str, tuple[int, bool, bool]]) -> None:
    for name, (level, propagate, disabled) in value.items():
        logger = logging.getLogger(name or None)
        logger.setLevel(level)
        logger.propagate, logger.disabled = propagate, disabled


def _log_handlers() -> list[tuple[Any, ...]]:
    """What handles the records: open streams and files, and how they are set."""
    return [
        (name, h, h.level, h.formatter, getattr(h, "stream", None), *h.filters)
        for name, log in _loggers()
        for h in log.handlers
    ]


def keeps_records() -> bool:
    """Whether a handler of the notebook's own, or one that writes to a text in memory, gets what
    is logged: it is seen in one process only."""
    handlers = (handler for _, log in _loggers() for handler in log.handlers)
    return any(
        type(one).__module__ == "__main__" or isinstance(getattr(one, "stream", None), io.StringIO)
        for one in handlers
    )


def _set_locale(value: str) -> None:
    locale.setlocale(locale.LC_ALL, value)


def _decimal_context() -> Any:
    return _module("decimal").getcontext().copy()


def _set_decimal_context(value: Any) -> None:
    _module("decimal").setcontext(value.copy())


def _estimator_counters() -> list[Any]:
    """What numbers the HTML that scikit-learn shows of an estimator; a module of its own, which
    moved."""
    places = ("sklearn.utils._repr_html.estimator", "sklearn.utils._estimator_html_repr")
    module = next(sys.modules[name] for name in places if name in sys.modules)
    return [module._CONTAINER_ID_COUNTER, module._ESTIMATOR_ID_COUNTER]


def _set_estimator_counts(value: tuple[int, ...]) -> None:
    for counter, count in zip(_estimator_counters(), value, strict=True):
        counter.count = count


AMBIENT: dict[str, Ambient] = {
    "random": Ambient("random", random.getstate, random.setstate),
    "numpy.random": Ambient(
        "numpy.random",
        lambda: _module("numpy.random").get_state(legacy=False),
        lambda value: _module("numpy.random").set_state(value),
    ),
    "torch.random": Ambient(
        "torch",
        lambda: _module("torch").get_rng_state().numpy().copy(),
        lambda value: _module("torch").set_rng_state(_module("torch").from_numpy(value)),
    ),
    "matplotlib.rcParams": Ambient("matplotlib", _rc_params, _set_rc_params, _by_repr),
    "pandas.options": Ambient("pandas", _pandas_options, _set_pandas_options, _by_repr),
    "numpy.errstate": Ambient(
        "numpy",
        lambda: _module("numpy").geterr(),
        lambda value: _module("numpy").seterr(**value) and None,
    ),
    "numpy.printoptions": Ambient(
        "numpy",
        lambda: _module("numpy").get_printoptions(),
        lambda value: _module("numpy").set_printoptions(
            **{k: v for k, v in value.items() if k != "override_repr"}
        ),
        _by_repr,
    ),
    "decimal": Ambient("decimal", _decimal_context, _set_decimal_context, _by_repr),
    "sklearn.config": Ambient(
        "sklearn",
        lambda: _module("sklearn").get_config(),
        lambda value: _module("sklearn").set_config(**value),
        _by_repr,
    ),
    "sklearn.display": Ambient(
        "sklearn",
        lambda: tuple(counter.count for counter in _estimator_counters()),
        _set_estimator_counts,
    ),
    "warnings": Ambient("warnings", lambda: list(warnings.filters), _set_warnings, _by_repr),
    "locale": Ambient(
        "locale",
        lambda: locale.setlocale(locale.LC_ALL),
        _set_locale,
    ),
    "os.environ": Ambient("os", lambda: dict(os.environ), _set_environment),
    "os.cwd": Ambient("os", os.getcwd, os.chdir),
    "sys.path": Ambient(
        "sys", lambda: list(sys.path), lambda value: sys.path.__setitem__(slice(None), value), tuple
    ),
    "logging": Ambient("logging", _logging_settings, _set_logging, fixed=_log_handlers),
}


_SEEDED = ("random", "numpy.random", "torch.random")  # a seed sets the whole of them


class AmbientWatch:
    """The states as they were before a cell."""

    def __init__(self) -> None:
        self._before = {name: _look(entry) for name, entry in AMBIENT.items()}
        self._fixed = {n: entry.fixed() for n, entry in AMBIENT.items() if entry.fixed is not None}
        self.stays = ""  # what a cell changed of a state that can't be told, by ``changed``

    def changed(self, sets: Collection[str] = ()) -> tuple[dict[str, Any], frozenset[str]]:
        """The states that differ now, by name, with their new values; and which of them belong
        to a library that the cell was the first to load.

        Those that it ``sets`` count where they are as before, too: others may have changed them
        since, beside the cell.
        """
        found = {}
        fresh = set()
        self.stays = ""
        for name, entry in AMBIENT.items():
            now = _look(entry)
            if now is None:
                continue
            before = self._before[name]
            if before is None:
                fresh.add(name)
                # Told as it differs from the library's own defaults: where another cell has
                # loaded the library and set something, that must stay.
                value = _beyond_defaults(name, now[0])
                if value:
                    found[name] = value
            elif before[1] != now[1] or (name in sets and name in _SEEDED):
                found[name] = now[0]
            if entry.fixed is not None and _differ(self._fixed[name], entry.fixed()):
                found[name] = now[0]
                self.stays = name
        return found, frozenset(fresh)


def _differ(one: list[tuple[Any, ...]], other: list[tuple[Any, ...]]) -> bool:
    """Whether they hold other objects."""
    flat, also = (list(itertools.chain(*rows)) for rows in (one, other))
    return len(flat) != len(also) or not all(map(operator.is_, flat, also))


def _beyond_defaults(name: str, value: Any) -> Any:
    default = _DEFAULTS.get(name)
    if default is None:
        return value
    try:
        known = default()
    except (AttributeError, KeyError):  # a version of the library that keeps them elsewhere
        return value
    missing = object()
    return {key: new for key, new in value.items() if repr(known.get(key, missing)) != repr(new)}


def _pandas_defaults() -> dict[str, Any]:
    options = _module("pandas._config.config")._registered_options
    return {key: option.defval for key, option in options.items()}


_DEFAULTS: dict[str, Callable[[], dict[str, Any]]] = {
    "matplotlib.rcParams": lambda: dict(dict.items(_module("matplotlib").rcParamsOrig)),
    "pandas.options": _pandas_defaults,
    "numpy.errstate": lambda: {
        "divide": "warn",
        "over": "warn",
        "under": "ignore",
        "invalid": "warn",
    },
    "numpy.printoptions": lambda: {
        "edgeitems": 3,
        "threshold": 1000,
        "floatmode": "maxprec",
        "precision": 8,
        "suppress": False,
        "linewidth": 75,
        "nanstr": "nan",
        "infstr": "inf",
        "sign": "-",
        "formatter": None,
        "legacy": False,
        "override_repr": None,
    },
    "sklearn.config": lambda: dict(_module("sklearn._config")._global_config),
}


def _look(entry: Ambient) -> tuple[Any, Any] | None:
    value = _get(entry)
    return None if value is None else (value, entry.mark(value))


def _get(entry: Ambient) -> Any:
    if entry.module not in sys.modules:
        return None
    try:
        return entry.get()
    except (
        OSError,
        AttributeError,
        KeyError,
        StopIteration,
    ):  # half imported, or the folder is gone
        return None


def random_states() -> dict[str, Any]:
    """The states of the loaded libraries' random numbers. Some libraries draw from them when they
    are imported, which may be long before a cell asks for that: they count as imported already."""
    states = {name: _get(AMBIENT[name]) for name in _SEEDED}
    return {name: state for name, state in states.items() if state is not None}


def set_ambient(states: Mapping[str, Any]) -> None:
    """Set each named state whose library is loaded, importing the library if it is not."""
    for name, value in states.items():
        entry = AMBIENT[name]
        if entry.module not in sys.modules:
            __import__(entry.module)
        entry.set(value)
