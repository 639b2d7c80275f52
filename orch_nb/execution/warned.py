"""Which warnings were shown already: Python shows most of them once for each place.

Every module keeps the places in a registry of its own, valid for one version of the filters;
when the filters change, what was shown counts no more. A cell that ran in another process has
its own copy, so what it showed first is told to the others like any change.
"""

from __future__ import annotations

import contextlib
import sys
import warnings
from collections.abc import Mapping
from typing import Any

PREFIX = "warnings shown in "  # the ambient name of a module's registry

_NAME = "__warningregistry__"

Shown = dict[str, dict[Any, Any]]  # module → what its registry holds


def look() -> Shown:
    """The valid entries of all modules' registries; modules without any are left out."""
    version = _filters_version()
    found: Shown = {}
    for name, module in list(sys.modules.items()):
        registry = getattr(module, "__dict__", {}).get(_NAME)
        if isinstance(registry, dict) and registry.get("version") == version:
            entries = {key: value for key, value in registry.items() if key != "version"}
            if entries:
                found[name] = entries
    return found


def changed(before: Shown, after: Shown) -> Shown:
    """The modules whose entries differ, with those they have now."""
    names = {*before, *after}
    return {
        name: after.get(name, {})
        for name in sorted(names)
        if before.get(name, {}) != after.get(name, {})
    }


def names(shown: Shown) -> list[str]:
    """The ambient names of the modules."""
    return [PREFIX + module for module in shown]


def apply(shown: Mapping[str, Mapping[Any, Any]]) -> None:
    """Make the named modules' registries hold just these entries, where they are loaded."""
    version = _filters_version()
    for name, entries in shown.items():
        module = sys.modules.get(name)
        if module is None:
            continue
        registry = module.__dict__.setdefault(_NAME, {})
        registry.clear()
        registry.update(entries)
        registry["version"] = version


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
    return registry.get("version", 0)


class _Probe(UserWarning):
    """Shown to nobody."""


def _show_nothing(*args: object, **kwargs: object) -> None:
    """Take a warning, show nothing."""
