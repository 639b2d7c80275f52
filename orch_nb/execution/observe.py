"""See a cell act on the world outside its process, and make it wait for its turn.

Python tells its audit hooks of opened files, started programs and sockets. One hook is set in
every process that orch_nb starts (never in a user's kernel) and does nothing between cells. Of
looks at a file's status (`os.path.exists` and the like) the hooks hear nothing: the functions of
`os` behind them are wrapped, in the same processes.
"""

from __future__ import annotations

import functools
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

from orch_nb.execution.unseen import FolderWatch, claims

_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND

# Event → words for what the cell does; the arguments' first (and second) items are paths
# for those in _PATHS.
_EFFECTS = {
    "os.remove": "deletes a file",
    "os.rename": "renames a file",
    "os.rmdir": "removes a folder",
    "os.mkdir": "makes a folder",
    "os.link": "links a file",
    "os.symlink": "links a file",
    "os.truncate": "cuts a file",
    "os.chmod": "changes a file's mode",
    "os.utime": "changes a file's times",
    "shutil.rmtree": "removes a folder",
    "shutil.move": "moves a file",
    "shutil.copyfile": "copies a file",
    "subprocess.Popen": "starts a program",
    "os.system": "starts a program",
    "os.exec": "becomes another program",
    "os.posix_spawn": "starts a program",
    "os.fork": "forks",
    "os.forkpty": "forks",
    "os.kill": "sends a signal",
    "socket.connect": "opens a connection",
    "socket.bind": "opens a port",
    "socket.sendto": "sends to the network",
    "sqlite3.connect": "opens a database",
    "urllib.Request": "calls the network",
    "ftplib.connect": "opens a connection",
    "smtplib.connect": "opens a connection",
}
_PATHS = frozenset(
    name for name in _EFFECTS if name.startswith("shutil.") or "file" in _EFFECTS[name]
) | {"os.rmdir", "os.mkdir", "sqlite3.connect"}

_LOOKS = ("stat", "lstat", "access")

_STARTS = frozenset({"starts a program", "becomes another program", "forks"})

# Written as a side effect of importing or plotting: caches that no notebook looks at.
_IGNORED_PARTS = ("/__pycache__/", "/.cache/", "/site-packages/", "/.matplotlib/", "/.config/")
_NO_FILES = ("", ":memory:")  # databases that end with their connection
_IGNORED_STARTS = ("/dev/", "/proc/", "/sys/")


class Observer:
    """What one cell read, wrote and did, and the question before its first effect.

    ``permit`` is called once, with the effect in words and the files read, or about to be
    written, and returns when the cell may go on; without it nothing waits.
    """

    def __init__(
        self,
        permit: Callable[[str, list[str]], None] | None = None,
        folder: FolderWatch | None = None,
    ) -> None:
        self.read: set[str] = set()
        self._looked: set[str] = set()  # whether they are there, how large, how old
        self.written: set[str] = set()
        self.unseen: set[str] = set()  # those of ``written`` that were found only afterwards
        self.acted = ""
        self.effects: set[str] = set()  # all of them, in words
        self._descriptors: frozenset[str] | None = None  # before the first that was opened as such
        self._permit = permit
        self._folder = folder
        self.asking: int | None = None  # the thread that asks; what it does is not the cell's doing

    def see_open(self, path: Any, flags: int) -> None:
        """A file is about to be opened."""
        text = _path_text(path)
        if text is None or self.is_own(text):
            return
        if flags & _WRITE_FLAGS:
            self.see_writing(text)
            self.see_effect("writes a file")
        elif not _is_code(text):
            self.read.add(text)

    def see_descriptor(self) -> None:
        """A file is about to be opened as a number, which tells no other process what it is."""
        if self._descriptors is None:
            self._descriptors = _descriptors()

    @property
    def left_open(self) -> bool:
        """Whether such a file, or another one opened since, is open still."""
        return self._descriptors is not None and not _descriptors() <= self._descriptors

    def see_look(self, path: Any) -> None:
        """A file's status is asked for, be it there or not."""
        text = _path_text(path)
        if text is not None and not _is_code(text) and not self.is_own(text):
            self._looked.add(text)

    def is_own(self, path: str) -> bool:
        """Whether a file is one of orch_nb's own, as of a run that the cell starts."""
        return self._folder is not None and self._folder.is_own(path)

    def see_writing(self, path: str) -> None:
        """A file is about to be changed, renamed or deleted."""
        if path not in self.written:
            self.written.add(path)
            claims.add(path)

    def see_effect(self, words: str) -> None:
        """The cell is about to act; waits for permission the first time."""
        first = not self.acted
        self.effects.add(words)
        self.acted = self.acted or words
        if self.asking is not None:
            return  # another thread acts while the question is open
        self.asking = threading.get_ident()
        try:
            if first and self._permit is not None:
                self._permit(words, sorted(self.read | self.written))
            if self._folder is not None and words in _STARTS:
                self._folder.list_files()
        finally:
            self.asking = None

    def look_around(self, seconds: float) -> None:
        """After the cell, which took so long: see the files that it changed unseen."""
        # what is no path at all, as a picture's text, is none of a folder either
        self.read |= {path for path in self._looked if not os.path.isdir(path)}  # noqa: PTH112
        if self._folder is None:
            return
        found = self._folder.changed(self.written, seconds)
        if found:
            self.unseen = found
            self.written |= found
            self.effects.add("writes a file")
            self.acted = self.acted or "writes a file"


def _path_text(path: Any) -> str | None:
    if isinstance(path, int) or path is None or path in _NO_FILES:
        return None
    try:
        text = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - runs for each open
    except (TypeError, ValueError, OSError):
        return None
    if text.startswith(_IGNORED_STARTS) or any(part in f"{text}/" for part in _IGNORED_PARTS):
        return None
    return None if text.startswith(sys.base_prefix) else text


def _descriptors() -> frozenset[str]:
    """The open ones, and the one that lists them."""
    try:
        return frozenset(os.listdir("/dev/fd"))  # noqa: PTH208 - numbers, not paths
    except OSError:
        return frozenset()


def _is_code(path: str) -> bool:
    """Whether a file is read because something is imported: that is known by other means."""
    return path.endswith((".py", ".pyc", ".so", ".pth"))


def _looks_for_modules(filename: str) -> bool:
    return (
        filename.startswith("<frozen importlib")
        or "/importlib/" in filename
        or "/importlib_metadata/" in filename
        or filename.endswith("/pkgutil.py")
    )


_current: Observer | None = None
_installed = False


def watch(observer: Observer | None) -> None:
    """Make ``observer`` see what happens from now on; None ends the watching."""
    global _current, _installed
    if not _installed and observer is not None:
        sys.addaudithook(_hook)
        for name in _LOOKS:
            _see_calls_of(name)
        _installed = True
    _current = observer


def _see_calls_of(name: str) -> None:
    """Put a function in the place of one of ``os`` that tells the observer of the path first."""
    original = getattr(os, name)

    @functools.wraps(original)
    def look(path: Any, *arguments: Any, **named: Any) -> Any:
        if _current is not None:
            _current.see_look(path)
        return original(path, *arguments, **named)

    look.__module__ = "os"  # so that pickle finds it where it is
    setattr(os, name, look)
    for able in (os.supports_dir_fd, os.supports_fd, os.supports_follow_symlinks):
        if original in able:
            able.add(look)


def act(words: str) -> None:
    """Say that the cell, if one runs, is about to act in a way that no audit event tells early
    enough; waits for its turn."""
    if _current is not None:
        _current.see_effect(words)


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    observer = _current
    if observer is None or observer.asking == threading.get_ident():
        return
    if event == "open":
        path, mode, flags = arguments
        if mode is None:
            observer.see_descriptor()
        observer.see_open(path, flags)
    elif event in ("os.listdir", "os.scandir"):
        if _looks_for_modules(sys._getframe(1).f_code.co_filename):
            return  # which one it finds is known by other means
        folder = _path_text(arguments[0] if arguments[0] is not None else ".")
        if folder is not None:
            observer.read.add(f"{folder}/")
    elif event == "os.chdir":
        folder = _path_text(arguments[0])
        if folder is not None:
            observer.read.add(folder)  # that somebody may have yet to make
    elif event in _EFFECTS:
        if event in _PATHS:
            paths = [text for text in map(_path_text, arguments[:2]) if text is not None]
            paths = [path for path in paths if not observer.is_own(path)]
            if not paths:
                return
            for path in paths:
                observer.see_writing(path)
        observer.see_effect(_EFFECTS[event])
