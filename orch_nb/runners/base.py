"""What the driver asks of a runner, and what a runner tells the driver."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from orch_nb.execution.job import Job, Message, Outcome, SessionSpec


@dataclass(frozen=True, slots=True)
class Showed:
    """A running cell showed something: an OutputEvent of orch_nb.execution.outputs."""

    cell: int
    attempt: int
    event: Message


@dataclass(frozen=True, slots=True)
class Said:
    """A running cell logged something. ``time`` is in seconds since 1970."""

    cell: int
    level: int
    logger: str
    text: str
    time: float


@dataclass(frozen=True, slots=True)
class Asked:
    """An attempt waits for permission to act on the outside, having changed ambient states and
    used files so far."""

    cell: int
    attempt: int
    words: str
    ambient: tuple[str, ...] = ()
    files: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Done:
    """An attempt has ended by itself; ``where`` it ran, if the runner chose the place."""

    outcome: Outcome
    where: str = ""


@dataclass(frozen=True, slots=True)
class Lost:
    """An attempt's process ended before it could tell its outcome."""

    cell: int
    attempt: int
    reason: str


@dataclass(frozen=True, slots=True)
class Applied:
    """Home has taken over a cell's changes, or has not, for the reason given."""

    cell: int
    reason: str


@dataclass(frozen=True, slots=True)
class Gone:
    """The process that holds the values is gone."""

    reason: str


Report = Showed | Said | Asked | Done | Lost | Applied | Gone
Listener = Callable[[Report], None]


class Collect(enum.StrEnum):
    """What is to be brought from the session at the end."""

    NOTHING = "nothing"
    VALUES = "values"  # the variables themselves, each pickled on its own
    FINGERPRINTS = "fingerprints"  # to compare them with another run's


@dataclass(frozen=True, slots=True)
class FinalValues:
    """The notebook's variables at the end.

    ``manifest`` is that of a blob with each name's pickle, and ``reasons`` says why some are
    missing; or ``fingerprints`` has each name's digest, type, and the beginning of its repr.
    """

    manifest: Message | None = None
    reasons: Mapping[str, str] = field(default_factory=dict)
    fingerprints: Mapping[str, Sequence[str]] = field(default_factory=dict)


# Execution count, manifest, and the names that are not to be taken from it.
MissedBlob = tuple[int, Message, Sequence[str]]


class Runner(Protocol):
    """Runs jobs for one flow run. All methods are called in the driver's event loop.

    ``language_info`` is what a notebook's metadata tell under that name; empty until opened.
    ``home_queue`` is how many jobs home may be sent at once; after one that ended in an error it
    begins none of those that were sent to run behind it, and nothing is heard of them.
    """

    language_info: Mapping[str, Any]

    @property
    def home_queue(self) -> int:
        """See above."""

    async def open(self, spec: SessionSpec, listener: Listener) -> None:
        """Start the session. Raises SessionError when it can't be had."""

    def run_at_home(self, job: Job) -> None:
        """Run a job where the values live."""

    def fork(self, job: Job) -> None:
        """Run a job beside others, leaving the values as they are."""

    def retire(self, cell: int, count: int, manifest: Message) -> None:
        """Apply a forked job's changes to the values."""

    def promote(self, cell: int, attempt: int, blobs: Sequence[MissedBlob]) -> None:
        """Make the process of an attempt, which has ended unshippable, the home process, after it
        has applied ``blobs``; answered by Applied."""

    def answer(self, cell: int, attempt: int, *, ok: bool) -> None:
        """Let an attempt act on the outside, or end it before it does."""

    def drop(self, cell: int, attempt: int) -> None:
        """End an attempt with all the processes it started; nothing more is heard of it."""

    def kill(self) -> None:
        """End everything at once."""

    async def collect(self, what: Collect) -> FinalValues:
        """The values at the end."""

    async def close(self) -> None:
        """End the session and leave no process behind."""

    def memory(self) -> Mapping[int, int]:
        """Resident memory in bytes of the cells that run, by cell number."""
