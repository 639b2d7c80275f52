"""Where a cell runs: in the home process, or in a fork of it beside others."""

from __future__ import annotations

from orch_nb.engine.buffer import Buffer, Slot
from orch_nb.engine.plan import Plan
from orch_nb.model import CellKind

IMPORTS = "imports"

_AT_HOME = (CellKind.PARAMETERS, CellKind.INJECTED, CellKind.SETUP)


def why_at_home(plan: Plan, buffer: Buffer, slot: Slot, *, others: bool) -> str | None:
    """Why the cell runs at home; "" to fork it; None when it has to wait for its turn.

    ``others`` says whether anything else could run at the same time.
    """
    node = slot.node
    is_head = slot.position == buffer.head
    if node.imports_only and not node.barrier:
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
        return "light"
    return "" if others else "nothing else could run beside it"


def _only_imports_above(buffer: Buffer, slot: Slot) -> bool:
    return all(other.node.imports_only for other in buffer.slots[: slot.position])


def acts_in_order(slot: Slot) -> bool:
    """Whether the cell's effects wait until every earlier cell has ended well."""
    options = slot.node.cell.options
    if slot.node.cell.kind is CellKind.TASK:
        return options.in_order
    return not options.independent
