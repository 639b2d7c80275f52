"""The files that warm processes were made from; when one is another, the processes are stale."""

from __future__ import annotations

import os
from collections.abc import Iterable


class Watched:
    """Files and folders as they were when they were added."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, int] | None] = {}

    def add(self, paths: Iterable[str]) -> None:
        """Watch these too."""
        for path in paths:
            if path not in self._seen:
                self._seen[path] = _look(path)

    def changed(self) -> str:
        """A path that is not as it was; empty without one."""
        for path, seen in self._seen.items():
            if _look(path) != seen:
                return path
        return ""


def _look(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116  # thousands of them, while a command waits
    except OSError:
        return None
    return found.st_mtime_ns, found.st_ino
