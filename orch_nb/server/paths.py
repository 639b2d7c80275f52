"""Paths of the contents API on this machine's disk: always under the server's root."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from orch_nb.errors import InputError, NotFoundError
from orch_nb.places import find_places


@dataclass(frozen=True, slots=True)
class Root:
    """The folder that the server shows; None where its contents are not on this disk."""

    folder: Path | None
    allow_hidden: bool = False

    def local(self, path: str, *, must_exist: bool = False) -> Path:
        """Where a path of the contents API is on the disk; symlinks are followed first.

        Raises InputError for one that leads outside, NotFoundError for one that is hidden, or
        is not there though it ``must_exist``.
        """
        parts = [part for part in path.split("/") if part not in ("", ".")]
        if "\0" in path or ".." in parts:
            raise InputError("the path leads out of the server's folder", where=_short(path))
        if not self.allow_hidden and any(part.startswith(".") for part in parts):
            raise NotFoundError("there is no such file", where=_short(path))
        root = self._base
        if self.folder is None:
            root.mkdir(mode=0o700, parents=True, exist_ok=True)
            place = root.joinpath(*parts)
            place.parent.mkdir(parents=True, exist_ok=True)
        else:
            place = root.joinpath(*parts)
        try:
            real, base = place.resolve(), root.resolve()
            there = real.exists()
        except (OSError, RuntimeError, ValueError) as error:  # a loop of links, a name too long
            words = getattr(error, "strerror", None) or str(error)
            raise InputError(f"the path can't be used: {words}", where=_short(path)) from None
        if real != base and base not in real.parents:
            raise InputError("the path leads out of the server's folder", where=_short(path))
        if must_exist and not there:
            raise NotFoundError("there is no such file", where=_short(path))
        return place

    def needs_disk(self, what: str) -> None:
        """Raise InputError unless the server's files are on this disk."""
        if self.folder is None:
            raise InputError(
                f"{what} needs the notebook on this machine's disk",
                hint="this server keeps its files elsewhere; use `orch-nb deploy` where they are",
            )

    def shown(self, place: str) -> str | None:
        """The contents API's path of a place on the disk; None for one outside of the root."""
        if not place or "://" in place:
            return None
        try:
            return Path(place).relative_to(self._base).as_posix()
        except ValueError:
            return None

    @property
    def _base(self) -> Path:
        """The folder; for notebooks that are elsewhere, one for what a run needs of a disk."""
        return self.folder or find_places().home / "remote"


def _short(path: str) -> str:
    return path if len(path) <= 120 else path[:119] + "…"
