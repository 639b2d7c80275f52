"""Which version of each variable and ambient state a cell would read, by the outcomes above it."""

from __future__ import annotations

import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from orch_nb.engine.cache.fields import digest_of
from orch_nb.execution.ambient import AMBIENT
from orch_nb.execution.job import Outcome
from orch_nb.execution.marks import Mark
from orch_nb.graph.model import Node

# Ambient state that changes by being used: it concerns only those who use it.
DRAWN = frozenset({"random", "numpy.random", "torch.random"})


@dataclass(frozen=True, slots=True)
class Version:
    """What a cell reads under one name.

    ``digest`` is empty if that can't be told: ``why`` has the reason, and ``waits`` says that it
    is only because a cell above has not ended. ``writer`` is the number of the cell it is from.
    """

    digest: str = ""
    type: str = ""
    writer: int = 0
    late: tuple[str, ...] = ()
    why: str = ""
    waits: bool = False


def unsendable(node: Node) -> frozenset[str]:
    """What of the process a cell may set that can't be read and set by a name."""
    return node.ambient_writes - AMBIENT.keys()


@dataclass(slots=True)
class Versions:
    """The outcomes of a run so far. ``made`` identifies the work that gave each of them, for
    cells whose work is wholly known."""

    nodes: Sequence[Node]
    outcomes: dict[int, Outcome] = field(default_factory=dict)
    made: dict[int, str] = field(default_factory=dict)
    _writers: dict[str, list[int]] = field(default_factory=dict)  # name → positions, growing
    _places: Mapping[int, int] = field(init=False)
    _marked: list[int] = field(default_factory=list)  # positions with ambient marks, growing
    _setting: list[int] = field(init=False)  # positions of those that set what has no version

    def __post_init__(self) -> None:
        self._places = {node.cell.number: place for place, node in enumerate(self.nodes)}
        self._setting = [
            place
            for place, node in enumerate(self.nodes)
            if (unsendable(node) or node.barrier) and not node.imports_only
        ]
        for place, node in enumerate(self.nodes):
            for name in node.writes:
                self._writers.setdefault(name, []).append(place)

    def setting_above(self, cell: int) -> Sequence[Node]:
        """The cells above that may set something in the process which has no version."""
        end = bisect.bisect_left(self._setting, self._places[cell])
        return [self.nodes[place] for place in self._setting[:end]]

    def put(self, cell: int, outcome: Outcome, made: str = "") -> None:
        """A cell has ended. ``made`` identifies its work; empty if that is not wholly known."""
        place = self._places[cell]
        self.outcomes[cell] = outcome
        self.made.pop(cell, None)
        if made and outcome.blob is not None:
            self.made[cell] = made
        for name in (*outcome.bound, *outcome.changed, *outcome.deleted):
            _insert(self._writers.setdefault(name, []), place)
        if outcome.ambient_marks:
            _insert(self._marked, place)

    def forget(self, cell: int) -> None:
        """A cell is to run again."""
        self.outcomes.pop(cell, None)
        self.made.pop(cell, None)

    def is_written_above(self, cell: int, name: str) -> bool:
        """Whether a cell above may write the name."""
        places = self._writers.get(name, ())
        return len(places) > 0 and places[0] < self._places[cell]

    def of(self, cell: int, name: str) -> Version:
        """The version of ``name`` that ``cell`` reads."""
        places = self._writers.get(name, ())
        for place in reversed(places[: bisect.bisect_left(places, self._places[cell])]):
            node = self.nodes[place]
            number = node.cell.number
            outcome = self.outcomes.get(number)
            if outcome is None:
                if name in node.writes:
                    why = f"{node.cell.label} has not ended"
                    return Version(writer=number, why=why, waits=True)
                continue
            found = self._in_outcome(name, node, outcome)
            if found is not None:
                return found
        return Version("absent", "no value")

    def _in_outcome(self, name: str, node: Node, outcome: Outcome) -> Version | None:
        number = node.cell.number
        if not outcome.observed:
            if name not in node.writes:
                return None
            return Version(writer=number, why=f"what {node.cell.label} wrote was not seen")
        if name in outcome.deleted:
            return Version("absent", "no value", number)
        if name not in outcome.bound and name not in outcome.changed:
            return None
        plain = outcome.marks.get(name)
        mark = Mark(why="it was not looked at") if plain is None else Mark.from_json(plain)
        if mark.digest:
            digest = f"{mark.digest}~{','.join(mark.shared)}" if mark.shared else mark.digest
            return Version(digest, mark.type, number, mark.late)
        if number in self.made and outcome.blob is not None:
            # The value is what its cell made of known inputs, and it is the one that is kept.
            digest = "made:" + digest_of([self.made[number], outcome.blob["digest"], name])[:32]
            return Version(digest, mark.type, number, mark.late)
        why = f"'{name}' from {node.cell.label} has no fingerprint ({mark.why})"
        return Version(type=mark.type, writer=number, why=why)

    def of_ambient(self, cell: int, reads: frozenset[str]) -> dict[str, Version]:
        """The versions of the ambient states that concern a cell: those it reads, and those that
        cells above have set."""
        place = self._places[cell]
        found: dict[str, Version] = {}
        for name in reads:
            for earlier in reversed(self.nodes[:place]):
                if name in earlier.ambient_writes and earlier.cell.number not in self.outcomes:
                    why = f"{earlier.cell.label} has not ended"
                    found[name] = Version(writer=earlier.cell.number, why=why, waits=True)
                    break
                outcome = self.outcomes.get(earlier.cell.number)
                if outcome is not None and name in outcome.ambient_marks:
                    break
        for earlier_place in reversed(self._marked[: bisect.bisect_left(self._marked, place)]):
            number = self.nodes[earlier_place].cell.number
            outcome = self.outcomes.get(number)
            for name, digest in (outcome.ambient_marks if outcome else {}).items():
                if name in reads or name not in DRAWN:
                    found.setdefault(name, Version(digest, writer=number))
        return found


def _insert(places: list[int], place: int) -> None:
    at = bisect.bisect_left(places, place)
    if at == len(places) or places[at] != place:
        places.insert(at, place)
