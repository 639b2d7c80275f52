"""Which warnings were shown already: Python shows most of them once for each place.

Every module keeps the places in a registry of its own, valid for one version of the filters;
when the filters change (many libraries do that inside a call), what was shown counts no more. A
cell that ran in another process has its own copy, so what it showed is told to the others like
any change; and that it kept silent because of an earlier cell is a use of that cell's change.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

SHOWN = "warning shown in "  # ambient names: one for each place
SILENT = "warning not shown again in "
RESET = "warnings filters changed"

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

    def changed(self) -> Warned:
        """What the cell did."""
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
        return sorted(shown | silent | ({RESET} if warned.reset else set()))


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


def conflict(did: frozenset[str], seen: frozenset[str]) -> str | None:
    """Why a later cell, which used ``seen``, has shown other warnings than after one that
    ``did``; None if it has not."""
    for name in sorted(did):
        if name.startswith(SHOWN) and name in seen:
            return name
        if name == RESET and any(other.startswith(SILENT) for other in seen):
            return name
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
