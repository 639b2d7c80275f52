"""Which warnings were shown already: Python shows most of them once for each place.

Every module keeps the places in a registry of its own, valid for one version of the filters;
when the filters change (many libraries do that inside a call), what was shown counts no more. A
cell that ran in another process has its own copy, so what it showed is told to the others like
any change; and that it kept silent because of an earlier cell is a use of that cell's change.
So is any warning, shown or not, where a cell above has set the filters.
"""

from __future__ import annotations

import contextlib
import re
import sys
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

SHOWN = "warning shown in "  # ambient names: one for each place
SILENT = "warning not shown again in "
RESET = "warnings filters changed"
ASKED = "warnings filters asked"

_ANY = re.compile("")
_NAME = "__warningregistry__"
_VERSION = "version"

Places = dict[str, list[Any]]  # module → the keys of its registry


@dataclass(frozen=True, slots=True)
class Warned:
    """What a cell did to the registries: shipped as it is, applied by ``apply``."""

    reset: bool = False  # the filters changed: only what is told here was shown
    places: Places = field(default_factory=dict)


class WarnedWatch:
    """The registries before a cell."""

    def __init__(self) -> None:
        self._version = _filters_version()
        self._silent: set[str] = set()
        self._before: Places = {}
        for name, registry in _registries(self._version):
            self._before[name] = [key for key in registry if key != _VERSION]
            for key in self._before[name]:
                registry[key] = _Place(self._silent, _place(name, key))
        self._asked = _FilterAsked.put_first()

    def changed(self) -> Warned:
        """What the cell did."""
        self._asked.take_away()
        version = _filters_version()
        after = {n: [k for k in r if k != _VERSION] for n, r in _registries(version)}
        if version != self._version:
            return Warned(True, after)
        new = {n: keys for n, keys in after.items() if len(keys) != len(self._before.get(n, ()))}
        return Warned(False, new)

    def names(self, warned: Warned) -> list[str]:
        """The ambient names of what was shown, and of what was not shown again."""
        shown = {
            SHOWN + _place(module, key)
            for module, keys in warned.places.items()
            for key in keys
            if warned.reset or key not in self._before.get(module, ())
        }
        silent = {SILENT + place for place in self._silent}
        asked = {ASKED} if self._asked.asked else set()
        return sorted(shown | silent | asked | ({RESET} if warned.reset else set()))


class _FilterAsked:
    """Stands in the first filter for the message that it is for, and tells of the first warning:
    Python asks the filters in their order, in C, and nothing else tells that it does. To others,
    who look at the filters (joblib hands them to its workers), it is a pattern."""

    def __init__(self, message: Any) -> None:
        self._message = message  # None for any, a pattern, or a text
        self.asked = False

    @classmethod
    def put_first(cls) -> _FilterAsked:
        """Put one into the first filter there is."""
        filters: Any = warnings.filters
        first = cls(filters[0][1] if filters else None)
        if filters:
            filters[0] = (filters[0][0], first, *filters[0][2:])
        return first

    def take_away(self) -> None:
        """Leave the filters as they would be without it."""
        filters: Any = warnings.filters
        for at, one in enumerate(filters):
            if one[1] is self:
                filters[at] = (one[0], self._message, *one[2:])

    def match(self, text: str) -> Any:
        self.asked = True
        if isinstance(self._message, str):
            return self._message == text
        return self._message is None or self._message.match(text)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        return getattr(_ANY if self._message is None else self._message, name)

    def __eq__(self, other: object) -> bool:
        return bool(self._message == other)

    def __hash__(self) -> int:
        return hash(self._message)

    def __repr__(self) -> str:
        return repr(self._message)

    def __reduce__(self) -> tuple[Callable[[Any], Any], tuple[Any]]:
        return _itself, (self._message,)


def _itself(message: Any) -> Any:
    return message


class _Place:
    """Stands in a registry for "shown": true, and tells when somebody asks."""

    def __init__(self, asked: set[str], place: str) -> None:
        self._asked = asked
        self._place = place

    def __bool__(self) -> bool:
        self._asked.add(self._place)
        return True


def all_shown() -> Warned:
    """All that was shown in this process, for one that has shown nothing."""
    registries = _registries(_filters_version())
    return Warned(True, {n: [k for k in r if k != _VERSION] for n, r in registries})


def apply(warned: Warned) -> None:
    """Do to this process's registries what a cell did to its own."""
    if warned.reset:
        warnings._filters_mutated()  # type: ignore[attr-defined]
    _modules.forget()
    version = _filters_version()
    for name, keys in warned.places.items():
        module = sys.modules.get(name)
        if module is None:
            continue
        registry = module.__dict__.setdefault(_NAME, {})
        if registry.get(_VERSION) != version:
            registry.clear()
            registry[_VERSION] = version
        registry.update(dict.fromkeys(keys, True))


def is_warning(name: str) -> bool:
    """Whether an ambient name is one of those above."""
    return name.startswith((SHOWN, SILENT, RESET, ASKED))


def left_by(ambient: frozenset[str]) -> frozenset[str]:
    """Of the ambient names that are told of a cell, those of what it has changed, not used."""
    return frozenset(n for n in ambient if n != ASKED and not n.startswith(SILENT))


def conflict(did: frozenset[str], seen: frozenset[str]) -> str | None:
    """Why a later cell, which used ``seen``, has shown other warnings than after one that
    ``did``; None if it has not."""
    for name in sorted(did):
        if name.startswith(SHOWN) and name in seen:
            return name
        if name == RESET and any(other.startswith(SILENT) for other in seen):
            return name
        if name == "warnings" and ASKED in seen:
            return RESET
    return None


class _Modules:
    """The modules that have a registry with places in it. Looking at a thousand modules costs a
    fresh fork more than most cells, so it is done again only after a warning was shown."""

    def __init__(self) -> None:
        self._names: tuple[str, ...] | None = None
        self._watches = False

    def names(self) -> tuple[str, ...]:
        self._watch()
        if self._names is None:
            self._names = tuple(n for n, m in list(sys.modules.items()) if len(_of(m)) > 1)
        return self._names

    def forget(self) -> None:
        self._names = None

    def _watch(self) -> None:
        """Have this told of each warning that is shown: what is not shown enters no registry."""
        if self._watches:
            return
        self._watches = True
        show = warnings._showwarnmsg  # type: ignore[attr-defined]

        def show_and_tell(message: Any) -> None:
            if message.category is not _Probe:
                self.forget()
            show(message)

        warnings._showwarnmsg = show_and_tell  # type: ignore[attr-defined]


_modules = _Modules()


def prepare() -> None:
    """Find the registries; to be called before a fork, whose child then need not look."""
    _modules.names()


def _of(module: Any) -> dict[Any, Any]:
    registry = getattr(module, "__dict__", {}).get(_NAME)
    return registry if isinstance(registry, dict) else {}


def _registries(version: int) -> Iterator[tuple[str, dict[Any, Any]]]:
    """The registries that count in that version of the filters, by module."""
    for name in _modules.names():
        registry = _of(sys.modules.get(name))
        if registry.get(_VERSION) == version and len(registry) > 1:
            yield name, registry


def _place(module: str, key: Any) -> str:
    line = key[-1] if isinstance(key, tuple) and len(key) == 3 else ""
    return f"{module}, line {line}" if line else module


def _filters_version() -> int:
    """The filters' version, which Python tells only by writing it into a registry."""
    registry: dict[Any, int] = {}
    keep = warnings.showwarning
    warnings.showwarning = _show_nothing
    try:
        with contextlib.suppress(_Probe):  # raised where filters make errors of warnings
            warnings.warn_explicit("", _Probe, "", 1, module="orch_nb", registry=registry)
    finally:
        warnings.showwarning = keep
    return registry.get(_VERSION, 0)


class _Probe(UserWarning):
    """Shown to nobody."""


def _show_nothing(*args: object, **kwargs: object) -> None:
    """Take a warning, show nothing."""
