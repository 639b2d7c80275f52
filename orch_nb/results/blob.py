"""One kept value as one file: a pickle frame and the large buffers beside it.

A worker writes the file and hands the manifest to its driver, which signs it; a reader maps the
file privately (copy-on-write), so that arrays are neither copied nor shared. The layout::

    0    magic, padded with zeros
    64   the pickle frame
    …    each buffer, at a multiple of 64 bytes

Where everything lies is told by the manifest, never by the file.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import mmap
import os
import pickle
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import xxhash

from orch_nb.errors import ResultError
from orch_nb.places import wants_durability

Buffer = pickle.PickleBuffer | memoryview | bytes | bytearray

_MAGIC = b"orch_nb blob 1\n"
_ALIGNMENT = 64  # what SIMD loads of Arrow and NumPy like
_SUFFIX = ".blob"
_PARTIAL = ".part"


@dataclass(frozen=True, slots=True)
class BufferEntry:
    """One out-of-band buffer: its xxh3-128 in hexadecimal, and where it lies in bytes."""

    xxh3: str
    offset: int
    length: int


@dataclass(frozen=True, slots=True)
class Manifest:
    """What a blob holds. ``digest`` is its address, made from all the other digests.

    The pickle frame, which can execute code, has a cryptographic digest; buffers are only data.
    """

    digest: str
    pickle_sha256: str
    pickle_length: int
    buffers: tuple[BufferEntry, ...]
    size: int

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "digest": self.digest,
            "pickle_sha256": self.pickle_sha256,
            "pickle_length": self.pickle_length,
            "buffers": [[entry.xxh3, entry.offset, entry.length] for entry in self.buffers],
            "size": self.size,
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """Back from JSON; ResultError when it is no manifest."""
        try:
            return cls(
                digest=_hexadecimal(plain["digest"], 64),
                pickle_sha256=_hexadecimal(plain["pickle_sha256"], 64),
                pickle_length=_natural(plain["pickle_length"]),
                buffers=tuple(
                    BufferEntry(_hexadecimal(xxh3, 32), _natural(offset), _natural(length))
                    for xxh3, offset, length in plain["buffers"]
                ),
                size=_natural(plain["size"]),
            )
        except (KeyError, TypeError, ValueError):
            raise ResultError("a kept value's record is damaged") from None


def blob_path(folder: Path, digest: str) -> Path:
    """Where a blob lies in a results folder."""
    return folder / digest[:2] / (digest + _SUFFIX)


def write_blob(
    folder: Path, pickle_bytes: bytes, buffers: Sequence[Buffer], *, durable: bool | None = None
) -> Manifest:
    """Write a value under ``folder`` and return its manifest.

    The file appears whole or not at all. One that is there already, and is sound, is left as it
    is. ``durable`` (by default what ``ORCH_NB_DURABILITY`` says) syncs it to the disk. Raises
    ResultError, in words, when the disk is full or the folder can't be written; nothing is left
    behind then.
    """
    durable = wants_durability() if durable is None else durable
    raw = [_flat(buffer) for buffer in buffers]
    manifest = _describe(pickle_bytes, raw)
    path = blob_path(folder, manifest.digest)
    if _is_sound(path, manifest):
        return manifest
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(path, [pickle_bytes, *raw], manifest, durable=durable)
    except OSError as error:
        raise ResultError(
            f"a value of {manifest.size:,} bytes can't be kept: {error.strerror}",
            where=str(folder),
            hint="free some space, or set ORCH_NB_RESULTS to another folder",
        ) from error
    return manifest


def read_blob(
    path: Path, manifest: Manifest, *, check_buffers: bool = False
) -> tuple[memoryview, list[memoryview]]:
    """The pickle frame and the buffers, mapped privately and writable.

    The frame is always checked against the manifest before it is returned (the caller has
    checked the manifest's signature); the buffers only with ``check_buffers``, since that reads
    all of them. The views keep the mapping alive, also when the file is deleted or replaced.

    Raises ResultError when the file is missing or is not what the manifest says.
    """
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size != manifest.size:
                raise _damaged(path, f"it has {size:,} bytes instead of {manifest.size:,}")
            if _ALIGNMENT + manifest.pickle_length > size:
                raise _damaged(path, "its frame lies outside of it")
            # Read, not mapped: what was checked must be what is unpickled, even if somebody
            # writes to the file in between.
            file.seek(_ALIGNMENT)
            frame = file.read(manifest.pickle_length)
            mapping = mmap.mmap(
                file.fileno(), size, flags=mmap.MAP_PRIVATE, prot=mmap.PROT_READ | mmap.PROT_WRITE
            )
    except FileNotFoundError:
        raise ResultError("a kept value is missing", where=str(path)) from None
    except OSError as error:
        raise ResultError(
            f"a kept value can't be read: {error.strerror}", where=str(path)
        ) from error
    if hashlib.sha256(frame).hexdigest() != manifest.pickle_sha256:
        raise _damaged(path, "its digest is another")
    whole = memoryview(mapping)
    views = []
    for entry in manifest.buffers:
        if entry.offset + entry.length > size:
            raise _damaged(path, "a buffer lies outside of it")
        view = whole[entry.offset : entry.offset + entry.length]
        if check_buffers and xxhash.xxh3_128_hexdigest(view) != entry.xxh3:
            raise _damaged(path, "the digest of a buffer is another")
        views.append(view)
    return memoryview(frame), views


def remove_leftovers(folder: Path) -> int:
    """Delete the partial files of writers that were killed; returns how many there were."""
    removed = 0
    for partial in folder.glob(f"*/*{_PARTIAL}"):
        with contextlib.suppress(OSError), partial.open("rb") as file:
            # A living writer holds the lock until the file has its final name.
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            partial.unlink()
            removed += 1
    return removed


def describe_frame(pickle_bytes: bytes) -> Manifest:
    """The manifest of a value that is kept without a file of its own."""
    return _describe(pickle_bytes, [])


def _describe(pickle_bytes: bytes, raw: Sequence[memoryview]) -> Manifest:
    entries = []
    end = _ALIGNMENT + len(pickle_bytes)
    for view in raw:
        offset = -(-end // _ALIGNMENT) * _ALIGNMENT
        entries.append(BufferEntry(xxhash.xxh3_128_hexdigest(view), offset, view.nbytes))
        end = offset + view.nbytes
    frame_digest = hashlib.sha256(pickle_bytes).hexdigest()
    content = json.dumps([frame_digest, [[e.xxh3, e.length] for e in entries]])
    return Manifest(
        digest=hashlib.sha256(content.encode()).hexdigest(),
        pickle_sha256=frame_digest,
        pickle_length=len(pickle_bytes),
        buffers=tuple(entries),
        size=end,
    )


def _is_sound(path: Path, manifest: Manifest) -> bool:
    try:
        read_blob(path, manifest, check_buffers=True)
        os.utime(path)
    except (ResultError, OSError):
        return False
    return True


def _write(
    path: Path, parts: Sequence[bytes | memoryview], manifest: Manifest, *, durable: bool
) -> None:
    offsets = [_ALIGNMENT, *(entry.offset for entry in manifest.buffers)]
    with _partial_file(path) as (partial, descriptor):
        _write_all(descriptor, _MAGIC.ljust(_ALIGNMENT, b"\0"))
        position = _ALIGNMENT
        for offset, part in zip(offsets, parts, strict=True):
            _write_all(descriptor, bytes(offset - position))
            _write_all(descriptor, part)
            position = offset + len(part)
        if durable:
            os.fsync(descriptor)
        partial.rename(path)
    if durable:
        _sync_folder(path.parent)


@contextlib.contextmanager
def _partial_file(path: Path) -> Iterator[tuple[Path, int]]:
    """A new locked file beside ``path``, deleted unless it was renamed."""
    partial = path.with_name(f".{path.stem[:16]}-{secrets.token_hex(8)}{_PARTIAL}")
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with contextlib.suppress(OSError):  # some file systems have no locks
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield partial, descriptor
    finally:
        os.close(descriptor)
        partial.unlink(missing_ok=True)


def _write_all(descriptor: int, part: bytes | memoryview) -> None:
    rest = memoryview(part)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _flat(buffer: Buffer) -> memoryview:
    """The buffer as one dimension of bytes, copied only if it lies scattered in memory."""
    try:
        return pickle.PickleBuffer(buffer).raw()
    except BufferError:
        return memoryview(memoryview(buffer).tobytes())


def _damaged(path: Path, how: str) -> ResultError:
    return ResultError(f"a kept value is damaged: {how}", where=str(path))


def _hexadecimal(value: Any, length: int) -> str:
    if not isinstance(value, str) or len(value) != length or set(value) - set("0123456789abcdef"):
        raise ValueError(value)
    return value


def _natural(value: Any) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(value)
    return value
