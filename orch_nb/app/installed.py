"""The versions of installed packages, by the names that code imports."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path


class Installed:
    """What one interpreter has. ``python`` is its path; by default it is this one."""

    def __init__(self, python: str | None = None) -> None:
        self._places = None if _is_this(python) else _site_folders(Path(python or ""))
        self._known: dict[str, str] = {}
        self._owners: Mapping[str, list[str]] | None = None

    def version(self, name: str) -> str:
        """The version of the package that has the top-level module ``name``: "2.3.1"; of several
        packages "a 1.0, b 2.0"; and "" where none says that it has it."""
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = self._find(name)
        return found

    def _find(self, name: str) -> str:
        version = self._version_of(name)
        if version:
            return version
        if self._owners is None:  # reads all packages' lists of files: seldom needed, and slow
            self._owners = metadata.packages_distributions() if self._places is None else {}
        owners = sorted(set(self._owners.get(name, ())))
        return ", ".join(f"{owner} {self._version_of(owner)}" for owner in owners)

    def _version_of(self, distribution: str) -> str:
        try:
            if self._places is None:
                return metadata.version(distribution)
            for found in metadata.distributions(name=distribution, path=self._places):
                return found.version
        except (metadata.PackageNotFoundError, ValueError, OSError):
            pass
        return ""


def _is_this(python: str | None) -> bool:
    return python is None or os.path.abspath(python) == os.path.abspath(sys.executable)  # noqa: PTH100 - a link is another environment


def _site_folders(python: Path) -> list[str]:
    return [str(path) for path in python.parent.parent.glob("lib*/python3*/site-packages")]
