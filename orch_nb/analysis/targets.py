"""Iterating, assigning, storing and deleting: where values go, and what that changes."""

from __future__ import annotations

import ast

from orch_nb.analysis import knowledge
from orch_nb.analysis.functions import keep
from orch_nb.analysis.state import State
from orch_nb.analysis.values import IMMUTABLE, IMPORT, ITERATORS, NOTHING, Value, scalar


def consume(state: State, value: Value) -> None:
    """Note that iterating may use the value up."""
    if value.type in ITERATORS:
        state.draw(value.draws)
        state.change(value.own, "an iterator, used up by reading it")
        if value.loose:
            state.change(value.reach, "used up through an iterator")
    elif not value.type and value.loose:
        state.change(value.own, "perhaps an iterator, used up by reading it")


def iterate(state: State, value: Value) -> Value:
    """The elements of an iterable, which is perhaps used up."""
    consume(state, value)
    if value.type in ("str", "bytes"):
        return scalar(value.type)
    if value.type == "range":
        return scalar("int")
    if value.type == "file":
        return scalar("str")
    if value.type in IMMUTABLE:
        return scalar("")
    facts = knowledge.type_facts(value.type) if value.type else None
    if facts is not None and facts.item:
        if facts.item in IMMUTABLE:
            return scalar(facts.item)
        return value.part(facts.item)
    return value.part()


# Set by one cell, these are felt by all below it, whatever names they use.
_FELT_EVERYWHERE = frozenset({"sys.stdout", "sys.stderr", "sys.displayhook"})


def assign(state: State, target: ast.expr, value: Value) -> None:
    """Assign a value to a target: a name, a pattern of names, an element or an attribute."""
    if isinstance(target, ast.Name):
        state.bind(target.id, value)
    elif isinstance(target, ast.Tuple | ast.List):
        part = iterate(state, value)
        for inner in target.elts:
            assign(state, inner, part)
    elif isinstance(target, ast.Starred):
        assign(state, target.value, value.held("list"))
    elif isinstance(target, ast.Subscript):
        holder = state.evaluate(state, target.value)
        index = state.evaluate(state, target.slice)
        store(state, holder, value, "an element was set")
        state.link(holder.own, index)
    elif isinstance(target, ast.Attribute):
        holder = state.evaluate(state, target.value)
        if holder.type.startswith(IMPORT):
            path = f"{holder.type[len(IMPORT) :]}.{target.attr}"
            state.ambient_write(knowledge.store_target(path))
            if path in _FELT_EVERYWHERE or path.startswith("builtins."):
                state.block(f"it sets {path}")
        store(state, holder, value, f"its attribute '{target.attr}' was set")


def store(state: State, holder: Value, value: Value, why: str) -> None:
    """Note a store into an object."""
    if holder.type.startswith(IMPORT):
        keep(state, value)
        path = holder.type[len(IMPORT) :]
        if path.partition(".")[2]:
            state.ambient_write(knowledge.store_target(path.replace(".[]", "")))
        return
    state.change(holder.own, why)
    state.link(holder.own, value)
    facts = knowledge.type_facts(holder.type) if holder.type else None
    if facts is not None and facts.figure:
        state.change(holder.reach, why)


def remove(state: State, target: ast.expr) -> None:
    """Execute ``del`` on one target."""
    if isinstance(target, ast.Name):
        state.load(target.id)
        state.unbind(target.id)
    elif isinstance(target, ast.Tuple | ast.List):
        for inner in target.elts:
            remove(state, inner)
    elif isinstance(target, ast.Subscript):
        holder = state.evaluate(state, target.value)
        state.evaluate(state, target.slice)
        store(state, holder, NOTHING, "an element was deleted")
    elif isinstance(target, ast.Attribute):
        store(state, state.evaluate(state, target.value), NOTHING, f"'{target.attr}' was deleted")
