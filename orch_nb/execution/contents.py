"""What files hold, told briefly: to see later whether they still hold the same."""

from __future__ import annotations

import contextlib
import glob
import os
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import xxhash

ABSENT = "absent"
_OURS = ".run.ipynb"
_PIECE = 1 << 22
_SETTLED = 2_000_000_000  # nanoseconds after which a file's time tells of every later change
_PATTERN = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Content:
    """A file's content: its digest, size in bytes, and time of change in nanoseconds.

    ``settled`` says that the time was old enough when this was told: while it and the size
    stay the same, so does the content.
    """

    digest: str
    size: int = 0
    modified: int = 0
    settled: bool = False

    def to_json(self) -> list[Any]:
        """As plain JSON."""
        return [self.digest, self.size, self.modified, self.settled]

    @classmethod
    def from_json(cls, plain: Any) -> Self:
        """Back from JSON."""
        digest, size, modified, settled = plain
        return cls(str(digest), int(size), int(modified), bool(settled))


def content_of(path: str, now: int, known: Content | None = None) -> Content:
    """The content of a file, or of a folder's listing where ``path`` ends in a slash.

    ``now`` is the time in nanoseconds since 1970. A file that looks as ``known`` says is not
    read again. What can't be read has a digest of its own.
    """
    try:
        if path.endswith("/"):
            return Content(_listing(path))
        found = os.stat(path)  # noqa: PTH116 - as elsewhere, paths are text here
        if stat.S_ISDIR(found.st_mode):
            return Content(_listing(path))
        if not stat.S_ISREG(found.st_mode):
            return Content("no plain file")
        same = known and (known.size, known.modified) == (found.st_size, found.st_mtime_ns)
        if known is not None and known.settled and same:
            return known
        settled = now - found.st_mtime_ns > _SETTLED
        return Content(_digest(path), found.st_size, found.st_mtime_ns, settled)
    except FileNotFoundError:
        return Content(ABSENT)
    except OSError as error:
        return Content(f"can't be read: {error.strerror}")


def expand(paths: Iterable[str]) -> list[str]:
    """Absolute paths, with those that are patterns replaced by what fits them, and the folder
    that is searched."""
    found: set[str] = set()
    for path in paths:
        if _PATTERN.isdisjoint(path):
            found.add(path)
            continue
        found.update(glob.glob(path, recursive=True))  # noqa: PTH207 - gives text, hides nothing
        found.add(f"{_fixed_part(path)}/")
    return sorted(found)


def _fixed_part(pattern: str) -> Path:
    parts = []
    for part in Path(pattern).parts:
        if not _PATTERN.isdisjoint(part):
            break
        parts.append(part)
    return Path(*parts)


def _listing(path: str) -> str:
    digest = xxhash.xxh3_128()
    with os.scandir(path) as entries:
        for name in sorted(entry.name for entry in entries):
            if name.endswith(_OURS) or name.startswith("."):
                continue  # a run's own output
            digest.update(name.encode("utf-8", "surrogateescape") + b"\0")
    return digest.hexdigest()


def _digest(path: str) -> str:
    digest = xxhash.xxh3_128()
    with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - as above
        with contextlib.suppress(AttributeError, OSError):
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_SEQUENTIAL)
        while piece := file.read(_PIECE):
            digest.update(piece)
    return digest.hexdigest()
