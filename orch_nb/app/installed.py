"""The versions of installed packages, by the names that code imports."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path

Version = tuple[str, tuple[str, ...]]  # in words, and the packages that it is of


class Installed:
    """What one interpreter has. ``python`` is its path; by default it is this one."""

    def __init__(self, python: str | None = None) -> None:
        self._places = None if _is_this(python) else _site_folders(Path(python or ""))
        self._known: dict[str, Version] = {}
        self._owners: Mapping[str, list[str]] | None = None

    def version(self, name: str, owners: Sequence[str] = ()) -> Version:
        """The version of the package that has the top-level module ``name``: "2.3.1", or where it
        is called otherwise "scikit-learn 1.5"; "" where none says that it has it. ``owners`` are
        the packages that had it when this was last asked: to find out takes long."""
        found = self._known.get(name)
        if found is None:
            found = self._known[name] = self._find(name, owners)
        return found

    def _find(self, name: str, owners: Sequence[str]) -> Version:
        version = self._version_of(name)
        if version:
            return version, ()
        if not owners:
            if self._owners is None:  # reads all packages' lists of files
                self._owners = metadata.packages_distributions() if self._places is None else {}
            owners = sorted(set(self._owners.get(name, ())))
        words = (f"{owner} {self._version_of(owner)}".strip() for owner in owners)
        return ", ".join(words), tuple(owners)

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
