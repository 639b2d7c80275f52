"""What the core hears (events) and what it asks for (commands)."""

from __future__ import annotations

from dataclasses import dataclass

from orch_nb.engine.plan import Facts
from orch_nb.states import StateName

# -- heard


@dataclass(frozen=True, slots=True)
class Begin:
    """The home process is ready."""


@dataclass(frozen=True, slots=True)
class Ended:
    """An attempt has ended, one way or another."""

    cell: int
    attempt: int
    facts: Facts


@dataclass(frozen=True, slots=True)
class Retired:
    """Home holds the cell's changes now; or does not, for the reason given."""

    cell: int
    reason: str = ""


@dataclass(frozen=True, slots=True)
class EffectAsked:
    """A cell is about to act on the outside and waits for permission. So far it has changed the
    ``ambient`` states and has read the ``files``, or is about to write them."""

    cell: int
    attempt: int
    words: str
    ambient: frozenset[str] = frozenset()
    files: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class RetryDue:
    """The wait before a cell's next attempt is over."""

    cell: int


@dataclass(frozen=True, slots=True)
class Admitted:
    """A cell has the places in limits that were asked for."""

    cell: int


@dataclass(frozen=True, slots=True)
class NotAdmitted:
    """A cell has to wait for a place in a limit; it goes on waiting."""

    cell: int
    reason: str


@dataclass(frozen=True, slots=True)
class Answered:
    """Somebody has answered a task's question; or nobody has in time, and it goes on."""

    cell: int


@dataclass(frozen=True, slots=True)
class Unanswered:
    """Nobody has answered a task's question in time."""

    cell: int
    reason: str


@dataclass(frozen=True, slots=True)
class Suspend:
    """All that is done is kept: the run may end its processes until a question is answered."""


@dataclass(frozen=True, slots=True)
class CancelAsked:
    """Someone wants the run to end now."""

    reason: str
    state: StateName = StateName.CANCELLED


@dataclass(frozen=True, slots=True)
class HomeLost:
    """The home process is gone, and all values with it."""

    reason: str


Event = (
    Begin
    | Ended
    | Retired
    | EffectAsked
    | RetryDue
    | Admitted
    | NotAdmitted
    | Answered
    | Unanswered
    | Suspend
    | CancelAsked
    | HomeLost
)

# -- asked for


@dataclass(frozen=True, slots=True)
class RunAtHome:
    """Run the cell in the home process."""

    cell: int
    attempt: int
    observe: bool  # others were started without its changes: see what it changes
    ship: bool  # keep its changes as a result
    why: str
    thrifty: bool = False  # as a result only if that is much cheaper than to make them again
    behind: bool = False  # only once what was sent before it has ended well


@dataclass(frozen=True, slots=True)
class Fork:
    """Run the cell in a child of the home process.

    ``apply`` are ended cells whose changes home does not hold yet, in document order;
    ``hide`` names that must be absent; ``in_order``: effects wait for permission.
    """

    cell: int
    attempt: int
    apply: tuple[int, ...]
    hide: tuple[str, ...]
    in_order: bool


@dataclass(frozen=True, slots=True)
class Retire:
    """Apply the cell's changes to the home process."""

    cell: int


@dataclass(frozen=True, slots=True)
class Promote:
    """Let the process that ran the cell take over as the home process, once it has applied the
    changes of the cells that home took over since: each cell, in document order, with the names
    that the process has from later cells and keeps. Answered by Retired."""

    cell: int
    attempt: int
    apply: tuple[tuple[int, tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Question:
    """Somebody is to be asked before the task runs; heard back as Answered or Unanswered."""

    cell: int


@dataclass(frozen=True, slots=True)
class Idle:
    """Nothing runs, and nothing will before a question is answered."""


@dataclass(frozen=True, slots=True)
class Drop:
    """End an attempt, if it still runs, and forget its outcome."""

    cell: int
    attempt: int


@dataclass(frozen=True, slots=True)
class Answer:
    """Let an attempt act, or tell it to end before it does."""

    cell: int
    attempt: int
    ok: bool


@dataclass(frozen=True, slots=True)
class Wait:
    """Tell the core RetryDue after this many seconds."""

    cell: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Acquire:
    """Get the cell a number of places in each of these limits, all at once, as soon as they are
    to be had. Answered by Admitted, and by NotAdmitted as long as it waits."""

    cell: int
    uses: tuple[tuple[str, int], ...]


@dataclass(frozen=True, slots=True)
class Release:
    """Give back the places that the cell has or waits for."""

    cell: int


@dataclass(frozen=True, slots=True)
class Note:
    """The cell has a new state, to be recorded and shown."""

    cell: int
    state: StateName
    message: str = ""
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Learn:
    """``target`` depends on ``source`` in a way the analysis did not see; or ``source`` needs
    the home process (``target`` is 0)."""

    source: int
    target: int
    names: tuple[str, ...]
    reason: str


@dataclass(frozen=True, slots=True)
class Replan:
    """A known outcome does not do: the cell must run again; or, with ``apply``, home needs its
    changes after all. The run is to be planned anew. Nothing more is asked for."""

    cell: int
    reason: str
    apply: bool


@dataclass(frozen=True, slots=True)
class Finish:
    """The run is over."""

    state: StateName
    message: str = ""


Command = (
    RunAtHome
    | Fork
    | Retire
    | Promote
    | Drop
    | Answer
    | Wait
    | Acquire
    | Release
    | Question
    | Idle
    | Note
    | Learn
    | Replan
    | Finish
)
