"""Jobs and outcomes: the plain data that crosses from the driver to a worker and back.

Both sides speak JSON objects over a stream socket, each preceded by its length (4 bytes, big
endian). No pickle crosses this line: a worker runs foreign code, the driver holds the key.
"""

from __future__ import annotations

import dataclasses
import enum
import functools
import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from orch_nb.execution.outputs import ErrorInfo, error_from
from orch_nb.execution.undisturbed import UndisturbedLock

_LENGTH = struct.Struct(">I")
# Taken before any cell runs: a notebook may put functions of its own in their place.
_to_json = json.JSONEncoder(ensure_ascii=True, separators=(",", ":")).encode
_from_json = json.loads

_PLAIN = frozenset({str, int, float, bool, type(None)})

Message = dict[str, Any]


class Gate(enum.StrEnum):
    """When a cell may act on the world outside its process (write files, start programs)."""

    OPEN = "open"  # at once
    IN_ORDER = "in-order"  # when every earlier cell has ended well


@dataclass(frozen=True, slots=True)
class Job:
    """One attempt to run one cell.

    ``reads`` are the names whose objects the cell may reach, ``changes`` those that it may
    change in place; ``hide`` are names that must be absent, because the cell that writes them
    has not ended; ``apply`` are the cells whose kept changes go into the namespace first, in
    document order, as ``(execution count, blob manifest)``. ``observe`` asks which names the cell
    changed, ``ship`` for the changes themselves as a blob; without it they simply stay in the
    process.
    """

    cell: int
    attempt: int
    source: str
    count: int  # the execution count that a serial run would give it
    reads: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    hide: tuple[str, ...] = ()
    apply: tuple[tuple[int, Message], ...] = ()
    setups: tuple[str, ...] = ()  # sources of setup cells to run first, outputs dropped
    gate: Gate = Gate.OPEN
    observe: bool = True
    ship: bool = True
    thrifty: bool = False  # ship only what costs much less to write than it did to make
    sets: tuple[str, ...] = ()  # ambient states that it sets whatever they were
    imports: bool = False  # it only imports: what a library sets when loaded is no change
    keep_out: bool = False  # a later cell names `_` or `Out`
    stop_on_error: bool = True  # False: a failed cell's changes are kept as well
    threads: int = 0  # that BLAS and OpenMP may use; 0 is as many as they like
    no_stand_in: str = ""  # why no process but home, or a fork of it, could run it
    given: Mapping[str, Any] = field(default_factory=dict)  # bound before it runs: an answer
    task: str = ""  # the task's name, for `orch_nb.run` and log records
    mark: tuple[str, ...] | None = None  # variables whose versions are to be told, if written
    trace: tuple[str, ...] | None = None  # tell what it depends on; paths that its source names
    writes: tuple[str, ...] = ()  # files, patterns and folders to be kept when it has written them
    calls: Mapping[str, Any] = field(default_factory=dict)  # cells that it may call, see `conduct`
    behind: bool = False  # not to be begun if the job before it in home has failed


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one attempt did. Names are sorted; ``blob`` is the manifest of its changes.

    ``outputs``, ``display_ids``, ``display_updates`` and ``widgets`` are those of CellResult.
    """

    cell: int
    attempt: int
    outputs: tuple[Message, ...] = ()
    error: ErrorInfo | None = None
    blob: Message | None = None
    unshippable: str = ""  # why the changes can't leave their process, in words
    no_room: bool = False  # only for want of a place to write them: no property of the cell
    refused: bool = False  # it was not run, for the reason in ``unshippable``
    passing: bool = False  # and that is the process's present state, no property of the cell
    bound: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()  # names through which a changed object is seen
    kinds: Mapping[str, str] = field(default_factory=dict)  # what was bound or changed, in words
    observed: bool = False  # bound, deleted and changed were looked for
    ambient: tuple[str, ...] = ()  # ambient states it changed
    files_read: tuple[str, ...] = ()
    files_written: tuple[str, ...] = ()
    files_unseen: tuple[str, ...] = ()  # those written in native code, before anybody could wait
    acted: str = ""  # the first effect on the outside, in words; empty: none was seen
    display_ids: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    display_updates: tuple[Message, ...] = ()
    widgets: Mapping[str, Any] = field(default_factory=dict)
    effects: tuple[str, ...] = ()  # every kind of effect on the outside, in words
    marks: Mapping[str, Any] = field(default_factory=dict)  # name → its version, see `Mark`
    ambient_marks: Mapping[str, str] = field(default_factory=dict)  # state → its digest
    traced: Message | None = None  # files, modules and packages that it used, see `trace`
    kept_files: Message | None = None  # the manifest of the blob with the files it wrote
    refs: tuple[str, ...] = ()  # names whose objects the changes speak of
    cached: bool = False  # not run: the outcome of equal work, recorded before
    leftovers: str = ""  # threads or asyncio tasks left alive, in words
    seconds: float = 0.0
    peak_memory: int = 0  # bytes

    @property
    def ok(self) -> bool:
        """Whether the cell ended without error, or by SystemExit(0)."""
        return self.error is None or self.exits

    def to_record(self) -> Message:
        """As plain JSON, but for the changes' manifest, which is kept apart and signed."""
        plain = {name: getattr(self, name) for name in _OUTCOME_FIELDS}
        plain["error"] = None if self.error is None else dataclasses.asdict(self.error)
        return {**plain, "blob": None}

    @property
    def exits(self) -> bool:
        """Whether the cell ended the notebook well, by SystemExit(0)."""
        return self.error is not None and self.error.exit_code == 0


_OUTCOME_FIELDS = tuple(field.name for field in dataclasses.fields(Outcome))


@dataclass(frozen=True, slots=True)
class SessionSpec:
    """What a home process needs to know before its first cell."""

    folder: str  # the working directory
    results: str  # the folder that blobs are written to
    run: Message = field(default_factory=dict)  # id, name, flow, parameters: for `orch_nb.run`
    environment: Mapping[str, str] = field(default_factory=dict)
    sources: Mapping[str, str] = field(default_factory=dict)  # cell number → source, for `In`
    claims: str = ""  # the file in which the run's processes tell each other what they write


def to_message(record: Any) -> Message:
    """A job, outcome or spec as a JSON-able dict, which shares the plain data in it. Fields that
    are as they are by default are left out: that is nearly all of a light cell's."""
    kind: Any = type(record)
    usual = _usual(kind)
    told = {}
    for name in record.__dataclass_fields__:
        value = getattr(record, name)
        if name not in usual or (value is not usual[name] and value != usual[name]):
            told[name] = _plain(value)
    return told


@functools.cache
def _usual(kind: Any) -> Mapping[str, Any]:
    """The fields of a class of records that have a default, with it."""
    found = {}
    for one in dataclasses.fields(kind):
        if one.default is not dataclasses.MISSING:
            found[one.name] = one.default
        elif one.default_factory is not dataclasses.MISSING:
            found[one.name] = one.default_factory()
    return found


def _plain(value: Any) -> Any:
    """``value`` without records in it; the same object where there is none."""
    kind = type(value)
    if kind in _PLAIN or isinstance(value, str) or not value:  # a StrEnum is plain, too
        return value
    if kind is dict:
        return {name: _plain(one) for name, one in value.items()}
    if kind is tuple or kind is list:
        return [_plain(one) for one in value]
    is_record = dataclasses.is_dataclass(value) and not isinstance(value, type)
    return dataclasses.asdict(value) if is_record else value


def _with_tuples(message: Mapping[str, Any]) -> Message:
    return {name: tuple(v) if type(v) is list else v for name, v in message.items()}


def job_from(message: Mapping[str, Any]) -> Job:
    """The inverse of ``to_message`` for a job."""
    fields = _with_tuples(message)
    fields["apply"] = tuple((number, manifest) for number, manifest in fields.get("apply", ()))
    fields["gate"] = Gate(fields.get("gate", Gate.OPEN))
    return Job(**fields)


def outcome_from(message: Mapping[str, Any]) -> Outcome:
    """The inverse of ``to_message`` for an outcome."""
    fields = _with_tuples(message)
    error = fields.get("error")
    if error is not None:
        fields["error"] = error_from(error)
    return Outcome(**fields)


def encode(message: Mapping[str, Any]) -> bytes:
    """A message with its length in front."""
    body = _to_json(message).encode()
    return _LENGTH.pack(len(body)) + body


class Decoder:
    """Takes bytes as they come, gives the whole messages among them."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Message]:
        """Add ``data``; return the messages that are complete now."""
        buffer = self._buffer
        buffer += data
        messages = []
        start = 0
        while len(buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, start)
            end = start + _LENGTH.size + length
            if len(buffer) < end:
                break
            messages.append(_from_json(bytes(buffer[start + _LENGTH.size : end])))
            start = end
        if start:
            del buffer[:start]
        return messages


class Channel:
    """The worker's blocking end of a socket to the driver; any thread may send."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self._sending = UndisturbedLock()
        self._decoder = Decoder()
        self._ready: list[Message] = []
        self._fds: list[int] = []

    def send(self, message: Mapping[str, Any]) -> None:
        """Send one message; a driver that is gone raises OSError."""
        data = encode(message)
        with self._sending:  # half a message would be the end of all that are sent after it
            self.sock.sendall(data)

    def receive(self) -> Message | None:
        """The next message, or None when the driver has closed its end."""
        while not self._ready:
            data, fds, _flags, _address = socket.recv_fds(self.sock, 1 << 16, 8)
            self._fds.extend(fds)
            if not data:
                return None
            self._ready.extend(self._decoder.feed(data))
        return self._ready.pop(0)

    def take_fd(self) -> int:
        """The file descriptor that came with a message, oldest first."""
        return self._fds.pop(0)

    def close(self) -> None:
        """Close the socket; a second call does nothing."""
        self.sock.close()

    def __enter__(self) -> Channel:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
