"""What a cell that starts beside others may see: whose changes it is given, what is hidden."""

from __future__ import annotations

from orch_nb.engine.buffer import Buffer, Phase, Slot
from orch_nb.execution.warned import is_warning


def choose_view(buffer: Buffer, slot: Slot) -> frozenset[int]:
    """The unretired cells whose changes the slot's cell sees: those that home has imported out
    of turn; and of the others, of which it is given the changes, those it depends on, and those
    that were seen to write what it may read, though no edge says so."""
    above = buffer.unretired(slot.position)
    unretired = {s.number: s for s in above if s.facts.shipped and not s.at_home}
    reads, ambient = slot.node.reads, slot.node.ambient_reads
    todo = list(slot.needs)
    todo += [
        number
        for number, other in unretired.items()
        if other.facts.writes & reads or other.facts.ambient & ambient
    ]
    view = {other.number for other in above if other.at_home}
    while todo:
        number = todo.pop()
        if number in unretired and number not in view:
            view.add(number)
            todo += unretired[number].needs
            if not unretired[number].known:
                todo += unretired[number].view
    return frozenset(view)


def names_to_hide(buffer: Buffer, slot: Slot, view: frozenset[int]) -> frozenset[str]:
    """Names whose nearest earlier writer is not seen, or that only a later cell has bound."""
    hidden_by: dict[str, bool] = {}  # name → its nearest earlier writer is not seen
    for other in buffer.slots[buffer.head : slot.position]:
        if other.phase is Phase.PASSED:
            continue
        if other.number in view or other.phase is Phase.RETIRED or other.facts.present:
            hidden_by.update(dict.fromkeys(other.facts.writes, False))
        else:
            names = other.node.writes | other.facts.writes
            hidden_by.update(dict.fromkeys(names, True))
    hidden = {name for name, hide in hidden_by.items() if hide}
    early = [s for s in buffer.unretired(len(buffer.slots)) if s.position > slot.position]
    for later in early:
        if later.at_home:  # imported at once, out of turn
            hidden |= later.node.binds - hidden_by.keys() - _bound_above(buffer, slot)
    return frozenset(hidden)


def _bound_above(buffer: Buffer, slot: Slot) -> frozenset[str]:
    above = buffer.slots[: slot.position]
    retired = (other.node.writes for other in above if other.phase is Phase.RETIRED)
    return frozenset[str]().union(*retired)


def missed_by(buffer: Buffer, slot: Slot) -> list[Slot] | None:
    """The cells that home took over since the slot's process was forked, in document order;
    None if that process can't take them over: one was not shipped, or not all of it, or speaks of
    objects that have been changed there in place by later cells, or of a state that those set.

    A cell that has acted can't be run again: what the others may have read does not count then,
    only what their changes speak of."""
    final = buffer.slots[slot.base : buffer.head + 1]
    missed = [
        other
        for other in (*final, *buffer.started(after=buffer.head))
        if (other.phase is Phase.RETIRED or (other.at_home and other.phase is Phase.ENDED))
        and other.number not in slot.view
        and not other.facts.present
    ]
    fits = all(
        other.facts.shipped
        and not other.home_reason  # which may be that it sets something of the process
        and _changed_since(buffer, other, slot).isdisjoint(
            other.facts.refs if slot.facts.acted else other.node.reads | other.facts.refs
        )
        and _set_since(buffer, other, slot).isdisjoint(other.facts.ambient)
        for other in missed
    )
    return missed if fits else None


def rebound_since(buffer: Buffer, missed: Slot, slot: Slot) -> tuple[str, ...]:
    """Names that the slot's process has from cells below the missed one, itself included."""
    later = _later_in_process(buffer, missed, slot)
    return tuple(sorted(frozenset[str]().union(*(other.facts.writes for other in later))))


def _changed_since(buffer: Buffer, missed: Slot, slot: Slot) -> frozenset[str]:
    """Names whose objects the slot's process has changed, in cells below the missed one."""
    later = _later_in_process(buffer, missed, slot)
    return frozenset[str]().union(
        *(o.node.changes if o.phase is Phase.RUNNING else o.facts.changed for o in later)
    )


def _set_since(buffer: Buffer, missed: Slot, slot: Slot) -> frozenset[str]:
    """The process-wide states that the slot's process has set, in cells below the missed one."""
    later = _later_in_process(buffer, missed, slot)
    found = frozenset[str]().union(*(o.node.ambient_writes | o.facts.ambient for o in later))
    return frozenset(name for name in found if not is_warning(name))


def _later_in_process(buffer: Buffer, missed: Slot, slot: Slot) -> list[Slot]:
    own = [*(buffer.slot(number) for number in slot.view), slot]
    return [other for other in own if other.position > missed.position]
