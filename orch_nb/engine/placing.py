"""Where a cell runs: in the home process, or in a fork of it beside others."""

from __future__ import annotations

import re

from orch_nb.engine.buffer import FINAL, Buffer, Slot
from orch_nb.engine.plan import Plan, Policy
from orch_nb.model import CellKind

IMPORTS = "imports"
LIGHT = "light"
_WORD = re.compile(r"\w+")

_AT_HOME = (CellKind.PARAMETERS, CellKind.INJECTED, CellKind.SETUP)
_PLAINLY = Policy()


def why_at_home(plan: Plan, buffer: Buffer, slot: Slot, *, others: bool) -> str | None:
    """Why the cell runs at home; "" to fork it; None when it has to wait for its turn.

    ``others`` says whether anything else could run at the same time.
    """
    node = slot.node
    is_head = slot.position == buffer.head
    if node.imports_only and not node.barrier and _binds_alone(buffer, slot):
        if node.switches and not (is_head or _only_imports_above(buffer, slot)):
            return None  # what is above would be run or shown in another way
        return IMPORTS
    reason = slot.home_reason or node.barrier
    if node.cell.kind in _AT_HOME:
        reason = reason or f"{node.cell.kind} cell"
    if node.alone:
        reason = reason or "runs alone"
    if reason:
        return reason if is_head else None
    policy = plan.policy(slot.number)
    if node.cell.kind is CellKind.TASK or policy.timeout is not None or policy.delays:
        return ""
    if not is_head or buffer.failed_at is not None:
        return ""
    if not plan.overlap:
        return "one after the other"
    if plan.is_light(node):
        return LIGHT
    return "" if others else "nothing else could run beside it"


def may_lead(plan: Plan, slot: Slot) -> bool:
    """Whether home may be sent others behind the cell: one error of it ends the line."""
    return plan.policy(slot.number) == _PLAINLY and slot.number not in plan.cacheable


def may_queue(plan: Plan, slot: Slot) -> bool:
    """Whether the cell runs at home once all above it have ended well, whatever they did."""
    node = slot.node
    plain = node.cell.kind is CellKind.PLAIN and not (node.barrier or node.alone)
    unasked = plain and not (slot.home_reason or slot.failures)
    return unasked and plan.is_light(node) and may_lead(plan, slot)


def _binds_alone(buffer: Buffer, slot: Slot) -> bool:
    """Whether home may bind what the cell imports at once: no cell above that has not retired
    reads or writes a name of it, unless it is the same that the name has there already."""
    names = {
        name
        for other in buffer.slots[buffer.head : slot.position]
        if other.phase not in FINAL
        for name in slot.node.binds & (other.node.reads | other.node.writes | other.facts.writes)
    }
    return all(_is_bound_above(buffer, slot, name) for name in names)


def _is_bound_above(buffer: Buffer, slot: Slot, name: str) -> bool:
    """Whether a cell above has imported the name by the same line, and none has bound it since."""
    for other in reversed(buffer.slots[: slot.position]):
        if name in other.node.writes | other.facts.writes:
            lines = set(map(str.strip, other.node.cell.source.splitlines()))
            own = slot.node.cell.source.splitlines()
            same = any(line.strip() in lines and name in _WORD.findall(line) for line in own)
            return other.node.imports_only and same
    return False


def _only_imports_above(buffer: Buffer, slot: Slot) -> bool:
    return all(other.node.imports_only for other in buffer.slots[: slot.position])


def acts_in_order(slot: Slot) -> bool:
    """Whether the cell's effects wait until every earlier cell has ended well."""
    options = slot.node.cell.options
    if slot.node.cell.kind is CellKind.TASK:
        return options.in_order
    return not options.independent
