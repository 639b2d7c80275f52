"""What a cell gave: frozen records of its outputs, and the small events that tell of them live."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

Json = Any  # a value that json.dumps accepts
Output = dict[str, Json]  # one entry of a code cell's ``outputs``, in nbformat 4


class StreamEvent(TypedDict):
    """Text was appended to the cell's stdout or stderr."""

    type: Literal["stream"]
    name: str
    text: str


class AddedEvent(TypedDict):
    """An output other than a stream was added."""

    type: Literal["output"]
    output: Output
    display_id: str | None


class ClearEvent(TypedDict):
    """The cell's outputs so far are gone."""

    type: Literal["clear"]


class UpdateEvent(TypedDict):
    """What was displayed under ``display_id``, in whichever cell, has new content."""

    type: Literal["update"]
    display_id: str
    data: Json
    metadata: Json


OutputEvent = StreamEvent | AddedEvent | ClearEvent | UpdateEvent
Sink = Callable[[OutputEvent], None]


class DisplayUpdate(TypedDict):
    """New content for every output shown under ``display_id`` in *earlier* cells.

    Outputs of the updating cell itself already hold it.
    """

    display_id: str
    data: Json
    metadata: Json


@dataclass(frozen=True, slots=True)
class ErrorInfo:
    """Why a cell failed, as a kernel's reply says it.

    ``line`` counts from 1 in the cell's source as given, or is None if no line of the cell is to
    blame. ``exit_code`` is what SystemExit carried, if that is what ended the cell. ``types`` are
    the names of the error's class and its bases (see `type_names`); empty where only its name is
    known. An attempt that was cut off has no ``name``, and a ``value`` that says why.
    """

    name: str
    value: str
    traceback: tuple[str, ...]
    line: int | None = None
    exit_code: int | str | None = None
    types: tuple[str, ...] = ()

    @property
    def words(self) -> str:
        """On one line: what was raised, or why the attempt was cut off."""
        return f"{self.name}: {self.value}" if self.name else self.value


def error_from(plain: Mapping[str, Json]) -> ErrorInfo:
    """Back from JSON."""
    tuples = {name: tuple(plain.get(name, ())) for name in ("traceback", "types")}
    return ErrorInfo(**{**plain, **tuples})


def type_names(kind: type[BaseException]) -> tuple[str, ...]:
    """The names of a class of errors and its bases, the nearest first: plain for what is built
    in or of the notebook, else in full (``urllib.error.HTTPError``)."""
    names = []
    for base in kind.__mro__[:-1]:
        module = base.__module__
        plain = not isinstance(module, str) or module in ("builtins", "__main__")
        names.append(base.__name__ if plain else f"{module}.{base.__name__}")
    return tuple(names)


@dataclass(frozen=True, slots=True)
class CellResult:
    """Everything that running one cell gave: plain data, but for ``value``.

    ``outputs`` are nbformat 4 dicts. ``value`` is what its last expression gave, if that was
    shown (`Out[count]`). ``display_ids`` maps a display id to the positions in ``outputs`` shown
    under it; ``display_updates`` are for outputs of earlier cells, which another process may
    hold. ``widgets`` are the widget models this cell opened or changed, by model id, each as
    `metadata.widgets` wants it. ``payloads`` are a kernel's execute payloads (the pager's text),
    which a notebook file does not keep. ``leftover_tasks`` and ``leftover_threads`` name what
    the cell left running. ``exit_requested`` says that `exit()` or `quit()` was called.
    """

    count: int
    outputs: list[Output]
    error: ErrorInfo | None = None
    seconds: float = 0.0
    has_value: bool = False
    value: Any = None
    interrupted: bool = False
    exit_requested: bool = False
    display_ids: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    display_updates: tuple[DisplayUpdate, ...] = ()
    widgets: Mapping[str, Json] = field(default_factory=dict)
    payloads: tuple[Json, ...] = ()
    leftover_tasks: tuple[str, ...] = ()
    leftover_threads: tuple[str, ...] = ()

    @property
    def leftovers(self) -> str:
        """In words, what the cell left running; empty if nothing."""
        named = [f"task {name}" for name in self.leftover_tasks]
        named += [f"thread {name}" for name in self.leftover_threads]
        return ", ".join(named)
