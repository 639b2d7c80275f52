"""Word from the operating system that something in a folder has changed (watchfiles)."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

_POLL_MILLISECONDS = 500  # until the thread sees that it is to follow other folders

_log = logging.getLogger(__name__)


class PathNews:
    """Follows folders in a thread of its own, and calls ``tell`` when there is news in one.

    It only makes looks come sooner: who relies on it looks now and then all the same.
    """

    def __init__(self, tell: Callable[[], None]) -> None:
        self._tell = tell
        self._folders: frozenset[Path] = frozenset()
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    def follow(self, folders: Iterable[Path]) -> None:
        """Follow these folders from now on, as far as they exist."""
        wanted = frozenset(folder for folder in folders if folder.is_dir())
        if wanted == self._folders:
            return
        self.close()
        self._folders = wanted
        if wanted:
            self._stop = threading.Event()
            self._thread = threading.Thread(
                target=self._watch, args=(wanted, self._stop), name="orch_nb paths", daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """Follow nothing any more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
        self._folders = frozenset()

    def _watch(self, folders: frozenset[Path], stop: threading.Event) -> None:
        from watchfiles import watch

        try:
            for _ in watch(
                *folders, stop_event=stop, recursive=False, rust_timeout=_POLL_MILLISECONDS
            ):
                self._tell()
        except Exception:  # a folder that went away; looking now and then goes on
            _log.warning("folders can't be followed any more", exc_info=True)
