"""The standard streams of a running cell: Python's writes, and what reaches the descriptors."""

from __future__ import annotations

import codecs
import contextlib
import io
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

STREAMS = {"stdout": 1, "stderr": 2}
_KEPT = 1 << 20  # bytes a capture file may hold before it is emptied between cells


class CapturedStream(io.TextIOBase):
    """`sys.stdout` or `sys.stderr` while a shell is open; lives across cells and forks.

    A process that a cell forked by itself (a multiprocessing worker) inherits this object; there
    it writes to the descriptor, which the shell's process reads.
    """

    encoding = "UTF-8"
    errors = "strict"

    def __init__(
        self, name: str, write: Callable[[str, str], None], flush: Callable[[str], None]
    ) -> None:
        super().__init__()
        self._name = name
        self._write = write
        self._flush = flush
        self._owner = os.getpid()

    @property
    def name(self) -> str:
        """The stream's file name, as Python's own streams have one."""
        return f"<{self._name}>"

    def adopt(self) -> None:
        """Let the calling process, a fork of the last owner, record what is written."""
        self._owner = os.getpid()

    def writable(self) -> bool:
        """Return True."""
        return True

    def isatty(self) -> bool:
        """Return False: notebooks are no terminals."""
        return False

    def fileno(self) -> int:
        """Return the captured descriptor, so that a subprocess given this stream is captured."""
        return STREAMS[self._name]

    def write(self, text: str) -> int:
        """Record ``text``. Raise TypeError if it is no str."""
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text)}")
        if os.getpid() == self._owner:
            self._write(self._name, text)
        else:
            os.write(STREAMS[self._name], text.encode("utf-8", "replace"))
        return len(text)

    def flush(self) -> None:
        """End the piece of text recorded so far, as a kernel's flush does."""
        if os.getpid() == self._owner:
            self._flush(self._name)


class _CaptureFile:
    """An unlinked file in place of one descriptor."""

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        self._descriptor = descriptor
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._position = 0
        self._file = _open_unlinked(name)
        os.dup2(self._file, descriptor)

    def read(self, *, final: bool = False) -> str:
        size = os.fstat(self._file).st_size
        if size == self._position and not final:
            return ""
        data = os.pread(self._file, size - self._position, self._position)
        self._position += len(data)
        return self._decoder.decode(data, final)

    def shrink(self) -> None:
        if self._position > _KEPT and os.fstat(self._file).st_size == self._position:
            os.ftruncate(self._file, 0)
            self._position = 0

    def close(self) -> None:
        os.close(self._file)


class DescriptorCapture:
    """Files on descriptors 1 and 2, and nothing to read on 0, until `close`."""

    def __init__(self) -> None:
        self._saved = {n: os.dup(n) for n in (0, *STREAMS.values())}
        with Path(os.devnull).open("rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        self._files = [_CaptureFile(name, n) for name, n in STREAMS.items()]

    def drain(self, *, final: bool = False) -> Iterator[tuple[str, str]]:
        """Yield ``(stream name, text)`` of what was written since the last time.

        ``final`` gives up waiting for the rest of a character of several bytes.
        """
        for file in self._files:
            if text := file.read(final=final):
                yield file.name, text

    def shrink(self) -> None:
        """Give back the memory of text already read; between cells only."""
        for file in self._files:
            file.shrink()

    def renew(self) -> None:
        """After a fork: files of this process's own, the parent's left alone."""
        for file in self._files:
            file.close()
        self._files = [_CaptureFile(name, n) for name, n in STREAMS.items()]

    def close(self) -> None:
        """Put the descriptors back as they were."""
        for number, saved in self._saved.items():
            os.dup2(saved, number)
            os.close(saved)
        for file in self._files:
            file.close()


class NoDescriptorCapture(DescriptorCapture):
    """Stands in where descriptors can't be replaced, as in a browser."""

    def __init__(self) -> None:
        self._saved = {}
        self._files = []

    def renew(self) -> None:
        """Do nothing."""


def capture_descriptors() -> DescriptorCapture:
    """Return a capture that fits the platform."""
    if sys.platform in ("emscripten", "wasi", "win32"):
        return NoDescriptorCapture()
    return DescriptorCapture()


def flush_originals() -> None:
    """Push what Python's first streams hold into the descriptors (and out of a fork's copy)."""
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()


def _open_unlinked(name: str) -> int:
    # appending, so that several writers of one descriptor never overwrite each other
    create: Any = getattr(os, "memfd_create", None)
    if create is None:
        number, path = tempfile.mkstemp(prefix=f"orch_nb-{name}-")
        appending = os.open(path, os.O_RDWR | os.O_APPEND)
        Path(path).unlink()
        os.close(number)
        return appending
    descriptor = int(create(name))
    import fcntl

    fcntl.fcntl(descriptor, fcntl.F_SETFL, fcntl.fcntl(descriptor, fcntl.F_GETFL) | os.O_APPEND)
    return descriptor
