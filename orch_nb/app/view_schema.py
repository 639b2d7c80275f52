"""What a view of a run is sent, as JSON: the snapshot once, then deltas.

``labextension/src/schema.ts`` holds the same types; a test compares the two. Times are seconds
since the run began, unless a field says otherwise. Every text was made plain by `plain_line` or
`plain_text`: no control characters, no bidirectional overrides, of bounded length; it may still
hold ``<`` and ``&``, so that a view must show it as text.
"""

from __future__ import annotations

from typing import Literal, NotRequired, TypedDict


class ParameterWords(TypedDict):
    """A parameter as shown: ``value`` as Python writes it, ``source`` "cell", "-p" …"""

    name: str
    value: str
    source: str


class RunHeader(TypedDict):
    """What is known of the run as a whole.

    ``began`` is in seconds since 1970, None before the start; ``seconds`` the whole duration,
    None until the end; ``workers`` is 0 where it is not on record. ``actions`` are what Python
    can be asked for; the words say why an action is not to be had, and are empty when it is.
    """

    id: str
    name: str
    flow: str
    notebook: str
    state: str
    message: str
    parameters: list[ParameterWords]
    runner: str
    workers: int
    cells: int
    tasks: int
    began: float | None
    seconds: float | None
    expected: float | None
    output: str
    files: list[str]
    notices: list[str]
    actions: dict[str, str]


class ErrorWords(TypedDict):
    """The error that ended a row's last attempt."""

    name: str
    value: str
    line: int | None


class Row(TypedDict):
    """One task run. Only what differs from nothing is there, to keep snapshots small.

    ``task`` is False for cells that run but don't count as tasks. ``tries`` are the attempts
    before this one, as [start, end]; ``waits`` are [name, cell number] pairs; ``item`` is the
    number of a call of the cell. A cell that is called has ``calls``: how many of them have
    completed, run, wait, have failed, and were not run; ``group`` says that it ran as it was
    called, and not by itself; ``pace`` is how long they took, in words.
    """

    cell: int
    name: str
    state: str
    kind: NotRequired[str]
    task: NotRequired[bool]
    item: NotRequired[int]
    calls: NotRequired[list[int]]
    group: NotRequired[bool]
    pace: NotRequired[str]
    message: NotRequired[str]
    attempt: NotRequired[int]
    of: NotRequired[int]
    start: NotRequired[float]
    end: NotRequired[float | None]
    tries: NotRequired[list[tuple[float, float]]]
    expected: NotRequired[float]
    percent: NotRequired[float | None]
    progress: NotRequired[str]
    memory: NotRequired[int]
    where: NotRequired[str]
    error: NotRequired[ErrorWords | None]
    waits: NotRequired[list[tuple[str, int]]]


class GraphNode(TypedDict):
    """A box: ``x`` in widths of a box, ``rank`` from the top; ``row`` is the index of its row,
    -1 when the cell has none."""

    cell: int
    row: int
    x: float
    rank: int
    name: str
    makes: str


class GraphEdge(TypedDict):
    """A line between two cells; ``why`` says the reasons, one sentence each."""

    source: int
    target: int
    why: list[str]


class GraphPicture(TypedDict):
    """Where everything stands. Empty ``nodes`` come with ``missing``, the reason in words."""

    nodes: list[GraphNode]
    edges: list[GraphEdge]
    missing: NotRequired[str]


class LogLine(TypedDict):
    """One log record; ``time`` is in seconds since 1970."""

    time: float
    level: str
    task: str
    text: str


class Snapshot(TypedDict):
    """All of a view. ``seq`` counts messages; ``now`` is the run's clock, None before it began;
    ``first_log`` is how many log lines were dropped before those in ``logs``."""

    type: Literal["snapshot"]
    seq: int
    now: float | None
    run: RunHeader
    rows: list[Row]
    graph: GraphPicture
    logs: list[LogLine]
    first_log: int


RowChange = tuple[int, dict[str, object]]  # the row's index, and the fields that are new


class Delta(TypedDict):
    """What has changed since the message before: ``seq`` is one more than that one's.

    A field that is None has gone. ``logs`` are to be appended.
    """

    type: Literal["delta"]
    seq: int
    now: float | None
    rows: NotRequired[list[RowChange]]
    run: NotRequired[dict[str, object]]
    logs: NotRequired[list[LogLine]]


class OutputWords(TypedDict):
    """One output of a cell as text; ``kind`` is "stdout", "stderr", "result" or "other"."""

    kind: str
    text: str


class Value(TypedDict):
    """A variable that a cell reads or sets; ``cell`` is the cell it comes from (0: its own),
    ``note`` its size and whether it was kept, in words."""

    name: str
    cell: int
    note: str


class Detail(TypedDict):
    """What the pane of one row shows, fetched when it is opened."""

    row: int
    source: str
    traceback: str
    outputs: list[OutputWords]
    inputs: list[Value]
    values: list[Value]
    why: list[str]


class Ask(TypedDict):
    """What a view asks of Python; ``number`` comes back with the answer."""

    type: Literal["ask"]
    number: int
    action: str
    row: NotRequired[int]


class Answer(TypedDict):
    """The reply to an Ask; ``text`` is a sentence for the user, which may be empty; ``link`` a file
    that the page may open, from the folder of the notebook that it shows."""

    type: Literal["answer"]
    number: int
    ok: bool
    text: str
    link: NotRequired[str]
    detail: NotRequired[Detail]
    snapshot: NotRequired[Snapshot]
