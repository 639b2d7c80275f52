"""Writes a file whole or not at all, and says in words why it can't be written."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

from orch_nb.errors import OutputError
from orch_nb.notebook.remote import is_remote, write_remote

STDOUT = "-"

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_REFUSED = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_PROBE = bytes(64 * 1024)


def check_writable(path: str | Path) -> None:
    """Raise OutputError unless a notebook can be written at ``path``, leaving no trace.

    URLs and standard output are taken at their word.
    """
    shown = str(path)
    if shown == STDOUT or is_remote(shown):
        return
    target = _resolved(shown)
    if _is_special(target):
        if not os.access(target, os.W_OK):
            raise _error(PermissionError(errno.EACCES, "not writable"), shown, 0)
        return
    with _temporary(shown, target, 0) as temporary:
        _write_new(temporary, _PROBE, None)


def write_file(path: str | Path, content: bytes) -> None:
    """Replace the file at ``path`` by ``content`` in one step, keeping its permission bits.

    A reader sees the old file or the new one, and so does whoever looks after a power cut. Devices
    and pipes are written to directly, URLs through papermill's handlers, ``-`` to standard
    output. Raises OutputError, with the old file as it was.
    """
    shown = str(path)
    if shown == STDOUT:
        _write_stdout(content)
        return
    if is_remote(shown):
        try:
            write_remote(shown, content.decode("utf-8"))
        except OSError as error:
            raise OutputError(
                f"the output can't be written: {error}", where=shown, hint="check the URL"
            ) from error
        return
    target = _resolved(shown)
    if _is_special(target):
        try:
            with target.open("wb") as stream:
                stream.write(content)
        except OSError as error:
            raise _error(error, shown, len(content)) from None
        return
    with _temporary(shown, target, len(content)) as temporary:
        _write_new(temporary, content, _mode(target))
        temporary.replace(target)
        _sync_folder(target.parent)


@contextlib.contextmanager
def _temporary(shown: str, target: Path, size: int) -> Iterator[Path]:
    """A name for a new file beside the target; the file is gone afterwards, whatever happened."""
    temporary = target.parent / f".orch_nb-{os.urandom(8).hex()}.tmp"
    try:
        if target.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        if target.exists() and not os.access(target, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        yield temporary
    except OSError as error:
        raise _error(error, shown, size) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink()


def _write_new(path: Path, content: bytes, mode: int | None) -> None:
    """Write a file that does not exist yet, down to the disk; ``mode`` None means the umask's."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
        stream.flush()
        os.fsync(descriptor)
    if mode is not None:
        path.chmod(mode)


def _mode(target: Path) -> int | None:
    try:
        return stat.S_IMODE(target.stat().st_mode)
    except OSError:
        return None


def _sync_folder(folder: Path) -> None:
    """Make the new name last through a power cut, where the file system can."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _error(error: OSError, shown: str, size: int) -> OutputError:
    hint = "choose another place with -o"
    if error.errno in _FULL:
        room = f" (it needs {size / 1e6:.1f} MB)" if size else ""
        problem, hint = (
            f"there is no space left for the output{room}",
            f"free some space, or {hint}",
        )
    elif error.errno in _REFUSED:
        problem = "you may not write the output here"
    elif error.errno == errno.EISDIR:
        problem, hint = "the output is a folder", "name a file in it"
    elif error.errno in (errno.ENOENT, errno.ENOTDIR) and not Path(shown).parent.is_dir():
        folder = Path(shown).parent
        problem, hint = f"the output's folder {folder} does not exist", f"mkdir -p {folder}"
    elif error.errno == errno.ENAMETOOLONG:
        problem = "the output's name is too long"
    else:
        problem = f"the output can't be written: {error.strerror or error}"
    return OutputError(problem, where=shown if shown.isprintable() else repr(shown), hint=hint)


def _write_stdout(content: bytes) -> None:
    stream = getattr(sys.stdout, "buffer", None)
    if stream is None:  # a captured standard output
        sys.stdout.write(content.decode("utf-8"))
    else:
        stream.write(content)
    sys.stdout.flush()


def _resolved(path: str) -> Path:
    """The file itself, where the path is a link to it: the link stays a link."""
    try:
        return Path(os.path.realpath(path))
    except (OSError, ValueError) as error:
        raise OutputError(
            f"the output can't be written: {error}", where=repr(path), hint="choose another -o"
        ) from None


def _is_special(target: Path) -> bool:
    """Whether it is a device, pipe or socket, which can't be replaced."""
    try:
        mode = target.stat().st_mode
    except OSError:
        return False
    return not stat.S_ISREG(mode) and not stat.S_ISDIR(mode)
