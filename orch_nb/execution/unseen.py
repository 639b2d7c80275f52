"""See the files that a cell changed without Python's knowledge: in native code, or by a program.

The system counts what a process writes. A cell that wrote nothing at all costs two looks at that
count; after another one its folder is walked for files that have changed since it began, as far
as the time allows. What cells in other processes wrote meanwhile is told apart by their claims.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from collections.abc import Iterator

_SHORTEST = 0.0015  # seconds that a walk may take at least
_SHARE = 0.04  # of the cell's own time, that a walk may take
_SURELY = 0.02  # seconds for it where Python knows of no writing, but the cell did write
_LOOK_EVERY = 64  # entries between looks at the clock
# Linux takes file times from CLOCK_REALTIME_COARSE (which Python does not name), which is behind
# the true time by some milliseconds; or, from 6.13 on, from the true one, where a file's time was
# looked at since it last changed.
_FILE_CLOCK = 5 if sys.platform == "linux" else time.CLOCK_REALTIME
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", ".ipynb_checkpoints"})
_HOST = os.uname().nodename if hasattr(os, "uname") else ""
_NOT_DATA = (".ipynb", ".py", ".pyc")  # saved by editors, and by this run itself


class FolderWatch:
    """The working folder before one cell.

    ``own`` are folders in which orch_nb keeps its things.
    """

    def __init__(self, folder: str, own: frozenset[str] = frozenset()) -> None:
        self._folder = folder
        self._own = own
        self._within_own = tuple(f"{place}/" for place in own)
        # a notebook may lie where orch_nb keeps its things: its own folder is not among them
        self._inside = f"{folder}/" if folder.startswith(self._within_own) else ""
        self._claims = claims.size()
        self._counted = _count_writes()
        self._began = time.clock_gettime_ns(_FILE_CLOCK)
        self._surely_began = time.time_ns()
        self._there: frozenset[str] = frozenset()

    def list_files(self) -> None:
        """Note what there is, before a program starts that may delete some of it."""
        if not self._there:
            walk = _Walk(self._folder, self._own, _SHORTEST)
            self._there = frozenset(path for path, _changed in walk)

    def is_own(self, path: str) -> bool:
        """Whether a file is one of orch_nb's own."""
        if self._inside and path.startswith(self._inside):
            return False
        return path in self._own or path.startswith(self._within_own)

    def changed(self, known: set[str], seconds: float) -> set[str]:
        """Files that were changed or deleted since, without those ``known`` and those that other
        processes claim; ``seconds`` is what the cell took."""
        if self._counted is not None and _count_writes() == self._counted and not self._there:
            return set()
        least = _SHORTEST if known else _SURELY
        walk = _Walk(self._folder, self._own, max(least, _SHARE * seconds))
        there: set[str] = set()
        found: set[str] = set()
        unsure: set[str] = set()  # changed within the tick of the clock in which the cell began
        for path, changed in walk:
            there.add(path)
            if changed >= self._began and path not in known:
                (found if changed > self._surely_began else unsure).add(path)
        if walk.is_whole:
            found |= self._there - there - known
        if not found and not unsure:
            return found
        ever, since = claims.of_others(self._claims)
        found = (found - since) | (unsure - ever)
        for path in found:
            claims.add(path)
        return found


class _Walk:
    """The files under a folder, nearest first, with the time of their last change in ns."""

    def __init__(self, folder: str, own: frozenset[str], seconds: float) -> None:
        self._folder = folder
        self._own = own
        self._until = time.perf_counter() + seconds
        self.is_whole = True

    def __iter__(self) -> Iterator[tuple[str, int]]:
        todo = [self._folder]
        seen = 0
        for folder in todo:
            try:
                entries = os.scandir(folder)
            except OSError:
                continue
            with entries:
                for entry in entries:
                    seen += 1
                    if not seen % _LOOK_EVERY and time.perf_counter() > self._until:
                        self.is_whole = False
                        return
                    with contextlib.suppress(OSError):  # it may be gone by now
                        if entry.is_dir(follow_symlinks=False):
                            if self._is_data(entry):
                                todo.append(entry.path)
                        elif not entry.name.endswith(_NOT_DATA) and entry.name[:9] != ".orch_nb-":
                            yield entry.path, entry.stat(follow_symlinks=False).st_ctime_ns

    def _is_data(self, entry: os.DirEntry[str]) -> bool:
        hidden = entry.name.startswith(".")
        return not hidden and entry.name not in _SKIPPED and entry.path not in self._own


class Claims:
    """What the cells of one flow run are known to write: a file that all its processes share,
    be they forks or not.

    Each line has who writes, and the path; a line without a path says that the writer is done.
    One that was killed never says so, and counts as writing.
    """

    def __init__(self) -> None:
        self._descriptor: int | None = None
        self._writer = ""
        self._number = 0
        self._claimed = False

    def open(self, path: str) -> None:
        """Use the run's file, which the first of its processes makes."""
        with contextlib.suppress(OSError):  # then what others write is taken for a cell's own
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)

    def begin(self) -> None:
        """A cell begins in this process."""
        self._number += 1
        self._writer = f"{_HOST}.{os.getpid()}.{self._number}"
        self._claimed = False

    def add(self, path: str) -> None:
        """This process's cell is about to write ``path``."""
        if "\n" not in path:
            self._claimed = True
            self._append(f"{self._writer} {path}\n")

    def end(self) -> None:
        """The cell has ended."""
        if self._claimed:
            self._append(f"{self._writer} \n")

    def size(self) -> int:
        """How long the file is now: a moment, to be given to ``of_others``."""
        if self._descriptor is None:
            return 0
        with contextlib.suppress(OSError):  # a cell may close what it does not own
            return os.fstat(self._descriptor).st_size
        return 0

    def of_others(self, moment: int) -> tuple[set[str], set[str]]:
        """The paths that other cells have claimed ever, and those that they may have written
        since a moment."""
        ever: set[str] = set()
        since: set[str] = set()
        held: dict[str, set[str]] = {}
        position = 0
        if self._descriptor is None:
            return ever, since
        with contextlib.suppress(OSError):
            for line in os.pread(self._descriptor, self.size(), 0).splitlines(keepends=True):
                position += len(line)
                writer, _, path = os.fsdecode(line).rstrip("\n").partition(" ")
                if writer == self._writer:
                    continue
                if path:
                    ever.add(path)
                    held.setdefault(writer, set()).add(path)
                else:
                    paths = held.pop(writer, set())
                    if position > moment:
                        since |= paths
        return ever, since.union(*held.values())

    def _append(self, line: str) -> None:
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.write(self._descriptor, os.fsencode(line))


claims = Claims()


def _count_writes() -> int | None:
    """How often this process and the children it has collected wrote; None if it can't be told."""
    try:
        with open("/proc/self/io", "rb", buffering=0) as file:  # noqa: PTH123  # every cell waits
            _, _, rest = file.read(512).partition(b"\nsyscw:")
        return int(rest.split(maxsplit=1)[0])
    except (OSError, ValueError, IndexError):
        return None
