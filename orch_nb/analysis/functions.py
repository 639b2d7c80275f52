"""Functions and classes of the notebook: what their code does, as of the moment it runs.

A body is walked when it is called or passed on, against the names as they are then (late
binding), and the outcome is kept as long as the names it looked up stay the same.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

from orch_nb.analysis.arguments import CLOSURE, Arguments, bind_arguments
from orch_nb.analysis.methods import decorated, methods
from orch_nb.analysis.scopes import Function, Names, names_of, parameters
from orch_nb.analysis.state import Effects, Key, Scope, State
from orch_nb.analysis.values import (
    NONE,
    NOTHING,
    UNKNOWN,
    Definition,
    Value,
    holding,
    joined,
)

_ROUNDS = 6  # passes over functions that call each other until their summaries must stand still
_KEPT = 6  # summaries kept for one set of argument types
_VARIANTS = 16  # sets of argument types that tell constants apart
_BUDGET = 2000  # bodies walked for one cell
_STEPS = 30_000  # statements walked for one cell
_LOCAL = "!"  # the place of objects made inside a body


@dataclass(frozen=True, slots=True)
class Summary:
    """What one call does. Objects ``<p>`` and ``<p>*`` stand for the argument ``p`` itself and
    for what it reaches."""

    effects: Effects = field(default_factory=Effects)
    returned: Value = NOTHING
    yields: bool = False


def use(state: State, value: Value, given: Value | None = None) -> None:
    """Count what the code behind a value may do when it is called from anywhere.

    ``given`` is what it may be called with, where that is known.
    """
    for definition in value.code:
        epoch, reach = state.used.get(definition, (-1, NONE))
        if given is None and epoch == state.epoch and value.reach <= reach:
            continue
        state.used[definition] = (state.epoch, value.reach | reach)
        _read_name(state, definition)
        bodies = [definition]
        if isinstance(definition.node, ast.ClassDef):
            bodies = list(methods(definition).values())
        for body in bodies:
            arguments = _unknown_arguments(body, value, definition)
            summary = summarize(state, body, arguments)
            mapping: dict[str, Value] = {CLOSURE: value}
            if given is not None and not isinstance(definition.node, ast.ClassDef):
                part = Value("", given.reach, given.reach, given.code)
                mapping.update(dict.fromkeys(parameters(_function(body)), part))
            if arguments and definition is not body and _restless(body):
                # operators and protocols run these without saying so
                first = parameters(_function(body))[:1]
                mapping.update(dict.fromkeys(first, value))
            apply(state, summary, mapping)


def keep(state: State, value: Value) -> None:
    """Note that a library keeps the value, and may run the notebook's code in it at any time.

    From then on, here and in all cells below: nobody knows which of them make the library do so.
    """
    if value.code:
        # what is no function or class is an object with methods, and they may change it
        own = NONE if value.type in ("function", "class") else value.reach
        value = Value("", own, value.reach, value.code, value.draws)
        kept = state.effects.kept
        state.effects.kept = value if kept is None else joined(kept, value)
        use_kept(state, value)


def use_kept(state: State, value: Value) -> None:
    """Count what the notebook's code that a library keeps may do when the library runs it."""
    use(state, value)
    state.change(value.own, "by the notebook's code in a library")
    state.draw(value.draws)


def _restless(method: Definition) -> bool:
    name = method.name
    return (
        name.startswith("__")
        and name.endswith("__")
        and name not in ("__init__", "__new__", "__post_init__", "__init_subclass__")
    )


def _read_name(state: State, definition: Definition) -> None:
    """Code that came by another name is still found, and shipped, under its own."""
    if definition.top and definition.name not in state.bound:
        value = state.known(definition.name)
        if value is not None and definition in value.code:
            state.effects.reads.add(definition.name)


def _function(definition: Definition) -> Function:
    node = definition.node
    if isinstance(node, ast.ClassDef):
        raise TypeError(f"{node.name} is a class")
    return node


def _unknown_arguments(body: Definition, value: Value, owner: Definition) -> dict[str, Value]:
    if body is owner or decorated(body, "staticmethod"):
        return {}
    names = parameters(_function(body))
    return {names[0]: Value("instance", code=value.code)} if names else {}


def _names(definition: Definition) -> Names:
    if definition.names is None:
        definition.names = names_of(definition.node)
    return definition.names


def summarize(state: State, definition: Definition, arguments: Mapping[str, Value]) -> Summary:
    """Walk a function's body with these arguments (those not named are not known).

    Recursion is solved by rounds: a call of what is being walked gets the last round's summary,
    until a round changes nothing.
    """
    if len(definition.memo) > _VARIANTS or _is_walked(state, definition):
        arguments = {name: _general(value) for name, value in arguments.items()}
    key = (definition, _key(arguments))
    kept = definition.memo.setdefault(key[1], [])
    for seen, summary in kept:
        if all(state.known(name) == value for name, value in seen.items()):
            state.touched.update(seen)
            return cast(Summary, summary)
    progress = state.progress
    found = progress.done.get(key)
    if found is None and key in progress.active:
        progress.assumed = True
        found = progress.last.get(key, Summary())
    if found is not None:
        return cast(Summary, found)
    if progress.active:
        progress.active[key] = None
        summary = _walk(state, definition, arguments, state.touched)
        del progress.active[key]
        progress.done[key] = summary
        return summary
    return _solve(state, definition, arguments, key)


def _solve(
    state: State, definition: Definition, arguments: Mapping[str, Value], key: Key
) -> Summary:
    """Walk the outermost body of what may be a circle of calls, until it stands still."""
    progress = state.progress
    progress.last = {}
    seen: dict[str, object] = {}
    for _ in range(_ROUNDS):
        progress.done, progress.assumed = {}, False
        progress.active[key] = None
        summary = _walk(state, definition, arguments, seen)
        del progress.active[key]
        progress.done[key] = summary
        if not progress.assumed or progress.done == progress.last:
            break
        progress.last = progress.done
    else:
        state.block("its functions call each other in a way that can't be followed")
    state.touched.update(seen)
    for (other, types), found in progress.done.items():
        kept = other.memo.setdefault(types, [])
        kept.append((seen, found))
        del kept[:-_KEPT]
    progress.done, progress.last = {}, {}
    return summary


def _is_walked(state: State, definition: Definition) -> bool:
    return any(other is definition for other, _ in state.progress.active)


def _general(value: Value) -> Value:
    """A value without what may differ from one round of a recursion to the next."""
    return Value(value.type, code=value.code, draws=value.draws) if value.text else value


def _key(arguments: Mapping[str, Value]) -> tuple[object, ...]:
    return tuple((n, v.type, v.code, v.draws, v.text, v.loose) for n, v in arguments.items())


def _walk(
    state: State,
    definition: Definition,
    arguments: Mapping[str, Value],
    seen: dict[str, object],
) -> Summary:
    progress = state.progress
    progress.walks += 1
    if progress.walks > _BUDGET or progress.steps > _STEPS:
        return Summary(Effects(barrier="its functions are too intricate to be followed"))

    def lookup(name: str) -> Value | None:
        value = state.known(name)
        seen[name] = value
        return value

    node = _function(definition)
    names = _names(definition)
    walk = State(lookup, _LOCAL)
    walk.evaluate, walk.execute = state.evaluate, state.execute
    walk.definitions = definition.nested
    walk.progress = progress
    walk.outer_names = definition.outer - names.globals
    walk.closure = Value("", frozenset((CLOSURE,)), frozenset((CLOSURE,)))
    walk.touched = seen
    local = names.local
    walk.scope = Scope(local, _parameters(node, arguments), set(), globals=names.globals)
    if isinstance(node, ast.Lambda):
        walk.returned = state.evaluate(walk, node.body)
    else:
        state.execute(walk, node.body)
    returned = walk.returned or NOTHING
    if names.yields:
        returned = returned.held("iterator")
    elif isinstance(node, ast.AsyncFunctionDef):
        returned = returned.held("")
    walk.effects.changed = {k: v for k, v in walk.effects.changed.items() if not _is_local(k)}
    return Summary(walk.effects, returned, names.yields)


def _is_local(item: str) -> bool:
    return item.startswith("@!")


def _parameters(node: Function, arguments: Mapping[str, Value]) -> dict[str, Value]:
    values = {}
    starred = {a.arg: t for a, t in ((node.args.vararg, "tuple"), (node.args.kwarg, "dict")) if a}
    for name in parameters(node):
        given = arguments.get(name, UNKNOWN)
        if given.immutable:
            values[name] = given
            continue
        own = frozenset((f"<{name}>",))
        reach = frozenset((f"<{name}>", f"<{name}>*"))
        if name in starred:
            own = NONE
        values[name] = Value(
            starred.get(name, given.type), own, reach, given.code, given.draws, given.loose
        )
    return values


def _instantiate(objects: Iterable[str], mapping: Mapping[str, Value]) -> frozenset[str]:
    """Objects of a summary as the caller knows them."""
    found: set[str] = set()
    for item in objects:
        if item[0] == "<":
            star = item[-1] == "*"
            value = mapping.get(item if item == CLOSURE else item.rstrip("*")[1:-1])
            if value is not None:
                found |= _meant(value, star, item == CLOSURE)
        elif not _is_local(item):
            found.add(item)
    return frozenset(found)


def _meant(value: Value, inside: bool, closure: bool) -> frozenset[str]:
    if closure:
        return value.reach
    return value.part().reach if inside else value.own


def instantiate(value: Value, mapping: Mapping[str, Value]) -> Value:
    """A value of a summary as the caller knows it."""
    if not value.reach:
        return value
    code, draws = value.code, value.draws
    for item in value.reach:
        source = mapping.get(item if item == CLOSURE else item.rstrip("*")[1:-1])
        if item[0] == "<" and source is not None:
            code |= source.code
            draws |= source.draws
    own = _instantiate(value.own, mapping)
    reach = _instantiate(value.reach, mapping) | own
    return Value(value.type, own, reach, code, draws, value.loose, value.text)


def apply(state: State, summary: Summary, mapping: Mapping[str, Value]) -> None:
    """Count one call's effects as the caller's."""
    mine, theirs = state.effects, summary.effects
    mine.reads |= theirs.reads - state.bound
    mine.soft |= theirs.soft
    for item, why in theirs.changed.items():
        state.change(_instantiate((item,), mapping), why)
    for holder, value in theirs.links.items():
        objects = _instantiate((holder,), mapping)
        if objects:
            state.link(objects, instantiate(value, mapping))
    for name, value in theirs.stores.items():
        state.store_global(name, instantiate(value, mapping))
    for name in theirs.binds - theirs.stores.keys():
        state.store_global(name, UNKNOWN)
        state.bound.discard(name)
    for name in sorted(theirs.ambient_reads):
        state.ambient_read(name)
    mine.ambient_writes |= theirs.ambient_writes
    if not state.conditional:
        mine.ambient_sets |= theirs.ambient_sets
    mine.files_read |= theirs.files_read
    mine.files_written |= theirs.files_written
    mine.history |= theirs.history
    mine.imports |= theirs.imports
    mine.logs |= theirs.logs
    if theirs.kept is not None:
        keep(state, instantiate(theirs.kept, mapping))
    mine.alone = mine.alone or theirs.alone
    mine.calls = True
    mine.strange = mine.strange or theirs.strange
    mine.extends, mine.switches = mine.extends or theirs.extends, mine.switches or theirs.switches
    mine.heavy = mine.heavy or theirs.heavy
    if theirs.barrier:
        state.block(theirs.barrier)


def call_definition(
    state: State, definition: Definition, callee: Value, arguments: Arguments, this: Value | None
) -> Value:
    """Call a function of the notebook; ``this`` is what a method is called on."""
    mapping = bind_arguments(_function(definition), arguments, callee, this)
    typed = {name: value for name, value in mapping.items() if name != CLOSURE}
    summary = summarize(state, definition, typed)
    _read_name(state, definition)
    apply(state, summary, mapping)
    result = instantiate(summary.returned, mapping)
    if summary.yields or isinstance(definition.node, ast.AsyncFunctionDef):
        # the body runs later, as the generator or coroutine is advanced
        held = holding([result, callee, *arguments.all()], result.type)
        return joined(held, Value(held.type, code=frozenset((definition,))))
    if decorated(definition, "lru_cache", "cache") and not result.immutable:
        return joined(result, callee.part())  # which it holds, and hands out again
    return result


def unknown_call(state: State, callee: Value, arguments: Arguments, why: str) -> Value:
    """A call of something that is not known: it may change all that it is given."""
    values = arguments.all()
    state.effects.strange = True
    for value in values:
        harm(state, value, why)
        if value.type == "function" and value.code:
            use(state, value)
    state.draw(callee.draws)
    return (
        holding([callee, *values]).part()
        if values or callee.reach
        else Value(code=callee.code, draws=callee.draws)
    )


def harm(state: State, value: Value, why: str) -> None:
    """Note that a value was given to something that may change it."""
    if value.immutable or value.type in ("function", "class"):
        return
    state.change(value.reach, why)
    state.draw(value.draws)
