"""Where blobs are kept: a local folder, or any place that fsspec can reach.

Workers only ever write to ``staging``, a local folder; the driver then calls ``keep``. Readers
map what ``fetch`` returns, which is always a local file.
"""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from orch_nb.errors import ResultError
from orch_nb.places import find_places
from orch_nb.results.blob import blob_path


@dataclass(frozen=True, slots=True)
class KeptBlob:
    """A blob at a location: its address, its bytes, when it was written (seconds since 1970)."""

    digest: str
    size: int
    modified: float


class Location(Protocol):
    """A place for blobs. All methods raise ResultError, in words, when it can't be reached."""

    @property
    def staging(self) -> Path:
        """The local folder that blobs are written to first (`blob.write_blob`)."""

    def keep(self, digest: str) -> None:
        """Bring a blob from ``staging`` to its place; done when this returns."""

    def fetch(self, digest: str, *, anew: bool = False) -> Path:
        """A local file with the blob; its content is not checked here. ``anew`` drops a local
        copy, where the blob is kept elsewhere."""

    def exists(self, digest: str) -> bool:
        """Whether the blob is kept here."""

    def delete(self, digest: str) -> None:
        """Delete a blob; no matter if it is gone already."""

    def list(self) -> Iterator[KeptBlob]:
        """All blobs, in no order."""


def open_location(place: str, cache: Path) -> Location:
    """The location of a path or an fsspec URL; a remote one has its local copies in ``cache``."""
    if "://" not in place:
        return Folder(Path(place))
    if place.startswith("file://"):
        return Folder(Path(place.removeprefix("file://")))
    return RemoteFolder(place, cache)


def open_results() -> Location:
    """The location that the user's settings name (`orch_nb.places`)."""
    places = find_places()
    return open_location(places.results, places.home / "cache")


@dataclass(frozen=True, slots=True)
class Folder:
    """A local folder: what is written is kept, and nothing is copied."""

    staging: Path

    def keep(self, digest: str) -> None:
        """Check that the blob is there."""
        self.fetch(digest)

    def fetch(self, digest: str, *, anew: bool = False) -> Path:
        """The blob's own file."""
        path = blob_path(self.staging, digest)
        if not path.exists():
            raise ResultError("a kept value is missing", where=str(path))
        return path

    def exists(self, digest: str) -> bool:
        """Whether its file is there."""
        return blob_path(self.staging, digest).exists()

    def delete(self, digest: str) -> None:
        """Delete its file; who has it mapped keeps it."""
        with _in_words(str(self.staging)):
            blob_path(self.staging, digest).unlink(missing_ok=True)

    def list(self) -> Iterator[KeptBlob]:
        """All blobs' files."""
        for path in self.staging.glob("*/*.blob"):
            with contextlib.suppress(FileNotFoundError):  # deleted meanwhile
                state = path.stat()
                yield KeptBlob(path.stem, state.st_size, state.st_mtime)


class RemoteFolder:
    """A folder that fsspec reaches, with local copies of what was written or fetched."""

    def __init__(self, url: str, cache: Path) -> None:
        self.staging = cache
        self._url = url
        with _in_words(url):
            import fsspec  # only here: local folders do without

            self._files, self._root = fsspec.core.url_to_fs(url)

    def keep(self, digest: str) -> None:
        """Upload the blob."""
        local = blob_path(self.staging, digest)
        remote = self._path(digest)
        with _in_words(self._url):
            self._files.makedirs(remote.rpartition("/")[0], exist_ok=True)
            self._files.put_file(str(local), remote)

    def fetch(self, digest: str, *, anew: bool = False) -> Path:
        """The local copy, downloaded if need be."""
        local = blob_path(self.staging, digest)
        if local.exists() and not anew:
            return local
        partial = local.with_name(f".{digest[:16]}-{secrets.token_hex(8)}.part")
        with _in_words(self._url):
            local.parent.mkdir(parents=True, exist_ok=True)
            try:
                self._files.get_file(self._path(digest), str(partial))
                partial.rename(local)
            finally:
                partial.unlink(missing_ok=True)
        return local

    def exists(self, digest: str) -> bool:
        """Whether the remote file is there."""
        with _in_words(self._url):
            return bool(self._files.exists(self._path(digest)))

    def delete(self, digest: str) -> None:
        """Delete the remote file and the local copy."""
        blob_path(self.staging, digest).unlink(missing_ok=True)
        with _in_words(self._url), contextlib.suppress(FileNotFoundError):
            self._files.rm_file(self._path(digest))

    def list(self) -> Iterator[KeptBlob]:
        """All remote blobs."""
        with _in_words(self._url):
            found: dict[str, dict[str, Any]] = self._files.find(self._root, detail=True)
        for path, details in found.items():
            name = path.rpartition("/")[2]
            if name.endswith(".blob"):
                size = int(details.get("size") or 0)
                yield KeptBlob(name.removesuffix(".blob"), size, _modified(details))

    def _path(self, digest: str) -> str:
        return f"{self._root.rstrip('/')}/{digest[:2]}/{digest}.blob"


def _modified(details: dict[str, Any]) -> float:
    """Each file system of fsspec has another word for it; 0 where it has none."""
    for key in ("mtime", "LastModified", "last_modified", "updated", "modified", "created"):
        value = details.get(key)
        if isinstance(value, datetime):
            return value.timestamp()
        if isinstance(value, int | float):
            return float(value)
    return 0.0


@contextlib.contextmanager
def _in_words(where: str) -> Iterator[None]:
    try:
        yield
    except ResultError:
        raise
    except FileNotFoundError:
        raise ResultError("a kept value is missing", where=where) from None
    except ImportError as error:
        raise ResultError(
            f"the results' location needs a package that is not installed: {error}", where=where
        ) from None
    except Exception as error:  # each of fsspec's back ends has exceptions of its own
        said = str(error).strip().splitlines()
        raise ResultError(
            f"the results' location can't be used: {said[0] if said else type(error).__name__}",
            where=where,
            hint="check ORCH_NB_RESULTS",
        ) from error
