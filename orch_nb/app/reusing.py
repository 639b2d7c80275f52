"""Which cells of a run must run again, and which recorded outcomes serve as they are. Pure."""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from orch_nb.engine.plan import Facts, Plan
from orch_nb.engine.seen import facts_of
from orch_nb.execution import warned
from orch_nb.execution.job import Outcome
from orch_nb.graph.model import EdgeKind, Node
from orch_nb.model import CellKind
from orch_nb.results.signing import Signature

_Record = TypeVar("_Record", Outcome, Facts)

NOT_RUN = "not run"
_SHOWN = re.compile(r"_{1,3}|_oh|Out|\d+")  # how the graph calls what a cell has shown


class Use(enum.Enum):
    """What becomes of one cell."""

    REUSE = "reuse"  # its recorded outcome serves
    RUN = "run"
    AGAIN = "again"  # only for its values, which were not kept; what was made from them serves


@dataclass(frozen=True, slots=True)
class Made:
    """What is on record of a cell: the outcome of equal work, with its values if they are kept
    and sound; else why not, in words. ``why_run`` says why there is no such outcome; it is empty
    when all that is known is that the cell was made from other inputs. ``acted`` says that some
    outcome is of an attempt that acted on the outside."""

    outcome: Outcome | None = None
    signature: Signature | None = None
    not_kept: str = ""
    why_run: str = NOT_RUN
    cached: bool = False  # another run's
    present: bool = False  # the session has its values from the start: they are a kernel's
    acted: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """One cell's part in a plan; ``apply``: its kept values are brought into the session;
    ``same``: it runs, and what is reused of others was made from what it will make."""

    cell: int
    use: Use
    reason: str
    apply: bool = False
    same: bool = False


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is asked of a plan beside the record: cells that must run, by number, each with the
    reason; cells whose values must be there; or all values."""

    run: Mapping[int, str] = field(default_factory=dict)
    values: frozenset[int] = frozenset()
    all_values: bool = False


def decide(
    plan: Plan, made: Mapping[int, Made], wishes: Wishes, folder: str
) -> tuple[Decision, ...]:
    """What becomes of each cell that the plan runs, in document order.

    A cell runs when it has no outcome of equal work, when it is asked for, and when it needs one
    that runs. Of the others, those whose values are needed are applied; not kept, they run again.
    """
    return _Decider(plan, made, wishes, folder).decide()


class _Decider:
    def __init__(self, plan: Plan, made: Mapping[int, Made], wishes: Wishes, folder: str) -> None:
        self._plan = plan
        self._made = made
        self._wishes = wishes
        self._nodes = [node for node in plan.graph.nodes if plan.runs(node)]
        self._place = {node.cell.number: place for place, node in enumerate(self._nodes)}
        self._facts = {
            node.cell.number: _facts(plan, node, outcome, folder)
            for node in self._nodes
            if (outcome := self._record(node).outcome) is not None
        }
        self._shown = {
            edge.source
            for edge in plan.graph.edges
            if edge.kind is EdgeKind.VALUE and any(map(_SHOWN.fullmatch, edge.names))
        }
        self._learned = {
            (edge.source, edge.target) for edge in plan.graph.edges if edge.kind is EdgeKind.LEARNED
        }
        self._why_run: dict[int, str] = {}
        self._again: dict[int, str] = {}
        self._apply: set[int] = set()

    def decide(self) -> tuple[Decision, ...]:
        for node in self._nodes:
            why = self._why(node)
            if why:
                self._why_run[node.cell.number] = why
        self._follow(self._why_run)
        return tuple(self._decision(node.cell.number) for node in self._nodes)

    def _record(self, node: Node) -> Made:
        return self._made.get(node.cell.number, Made())

    def _why(self, node: Node) -> str:
        """Why the cell must run; empty if its outcome serves."""
        number = node.cell.number
        asked = self._wishes.run.get(number)
        if asked is not None:
            return asked
        why = "" if number in self._facts else self._record(node).why_run
        if why and why != NOT_RUN:
            return why
        lost = {
            source
            for source in self._plan.graph.predecessors.get(number, frozenset())
            if source in self._why_run
            and not (number in self._facts and self._gives(source, number))
        }
        if lost:
            return f"needs {self._handed_over(max(lost), number)}"
        return why or ("" if number in self._facts else "its inputs are others now")

    def _gives(self, source: int, target: int) -> bool:
        """Whether ``source`` hands over but parameters, which the recipe of ``target`` has: then
        equal recipes mean equal inputs, whether or not ``source`` runs."""
        return self._is_parameters(source) and (source, target) not in self._learned

    def _is_parameters(self, number: int) -> bool:
        kind = self._plan.graph.node(number).cell.kind
        given = kind in (CellKind.PARAMETERS, CellKind.INJECTED)
        return given and number not in self._wishes.run

    def _handed_over(self, source: int, target: int) -> str:
        """What one cell has from another: names, where the graph knows them."""
        for edge in self._plan.graph.edges:
            if (edge.source, edge.target) == (source, target) and edge.kind is EdgeKind.VALUE:
                return ", ".join(edge.names)
        return self._label(source)

    def _label(self, number: int) -> str:
        cell = self._plan.graph.node(number).cell
        return cell.name if cell.named else f"cell {number}"

    def _follow(self, start: Iterable[int]) -> None:
        """Find the values that are needed, from the cells that run upwards."""
        todo = list(start)
        for number in self._wishes.values:
            self._want(number, todo, "its values are asked for")
        if self._wishes.all_values:
            for node in self._nodes:
                self._want(node.cell.number, todo, "all values are asked for")
        while todo:
            number = todo.pop()
            for source in self._sources(number):
                self._want(source, todo, f"needed by {self._label(number)}")

    def _want(self, number: int, todo: list[int], why: str) -> None:
        if number in self._why_run or number in self._again or number in self._apply:
            return
        outcome = self._made[number].outcome
        if self._made[number].present:
            return
        if outcome is None or self._is_empty(number, outcome):
            return
        if outcome.blob is not None:
            self._apply.add(number)
        else:
            self._again[number] = f"{why}, and not kept: {self._made[number].not_kept}"
        todo.append(number)

    def _is_empty(self, number: int, outcome: Outcome) -> bool:
        """Whether the cell left nothing behind that another process could lack."""
        facts = self._facts[number]
        if number in self._shown and any(
            output["output_type"] == "execute_result" for output in outcome.outputs
        ):
            return False
        return outcome.observed and not (facts.writes or warned.left_by(facts.ambient))

    def _sources(self, number: int) -> Iterator[int]:
        """The cells whose values a cell needs: to run, or for its kept values to be applied."""
        node = self._plan.graph.node(number)
        place = self._place[number]
        if number in self._apply:
            outcome = self._made[number].outcome
            for name in outcome.refs if outcome is not None else ():
                yield from self._writers(name, place)
            return
        if node.barrier:
            yield from (other.cell.number for other in self._nodes[:place])
            return
        for source in self._plan.graph.predecessors.get(number, ()):
            if source in self._place:
                yield source
        for name in node.reads | node.changes:
            yield from self._writers(name, place)
        ambient: set[str] = set()
        for other in reversed(self._nodes[:place]):
            facts = self._facts.get(other.cell.number)
            left = warned.left_by(facts.ambient) if facts is not None else frozenset()
            if not left <= ambient:
                ambient |= left
                yield other.cell.number

    def _writers(self, name: str, place: int) -> Iterator[int]:
        """The cells above that made what the name means there: who bound it, who changed it."""
        for node in reversed(self._nodes[:place]):
            facts = self._facts.get(node.cell.number)
            outcome = self._record(node).outcome
            if name in (node.writes if facts is None else facts.writes | node.writes):
                yield node.cell.number
            bound = outcome is not None and outcome.observed and name in outcome.bound
            if bound or name in node.binds:
                return

    def _decision(self, number: int) -> Decision:
        if number in self._why_run:
            same = self._is_parameters(number)
            return Decision(number, Use.RUN, self._why_run[number], same=same)
        if number in self._again:
            reason = self._again[number]
            imports = self._plan.graph.node(number).imports_only
            acted = "" if imports else self._facts[number].acted  # an import may write its cache
            return Decision(number, Use.AGAIN, f"{reason}; {acted}" if acted else reason)
        why = "as in an earlier run" if self._made[number].cached else "unchanged"
        return Decision(number, Use.REUSE, why, apply=number in self._apply)


def with_known(
    plan: Plan, made: Mapping[int, Made], decisions: Iterable[Decision], folder: str
) -> tuple[Plan, dict[int, Outcome]]:
    """``plan`` with the outcomes that serve, and those outcomes by cell number."""
    known: dict[int, Facts] = {}
    foreseen: dict[int, Facts] = {}
    outcomes: dict[int, Outcome] = {}
    trusted: set[int] = set()
    for decision in decisions:
        if decision.same or decision.use is not Use.RUN:
            trusted.add(decision.cell)
        if decision.use is Use.RUN:
            continue
        record = made[decision.cell]
        if record.outcome is None:
            raise ValueError(f"cell {decision.cell} has no outcome to reuse")
        facts = _facts(plan, plan.graph.node(decision.cell), record.outcome, folder)
        if decision.use is Use.AGAIN:
            foreseen[decision.cell] = facts
            continue
        outcomes[decision.cell] = _evolve(record.outcome, cached=record.cached)
        known[decision.cell] = _evolve(
            facts,
            shipped=decision.apply and facts.shipped,
            cached=record.cached,
            present=record.present,
            why=decision.reason if record.present else "",
        )
    plan = replace(plan, known=known, trusted=frozenset(trusted), foreseen=foreseen)
    return plan, outcomes


def _evolve(record: _Record, **fields: Any) -> _Record:
    """`replace`, which takes its time with so many fields: most records are as wanted."""
    if all(getattr(record, name) == value for name, value in fields.items()):
        return record
    return replace(record, **fields)


def _facts(plan: Plan, node: Node, outcome: Outcome, folder: str) -> Facts:
    may_fail = plan.policy(node.cell.number).may_fail
    facts = facts_of(outcome, node, folder, may_fail=may_fail)
    return _evolve(facts, unshippable="", held=False, missing="", cached=False)
