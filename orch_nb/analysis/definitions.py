"""What a `def`, `lambda`, `class` or generator expression evaluates, and the value it gives."""

from __future__ import annotations

import ast

from orch_nb.analysis.functions import use
from orch_nb.analysis.methods import find_methods
from orch_nb.analysis.scopes import Function, names_of
from orch_nb.analysis.state import Scope, State
from orch_nb.analysis.values import NONE, UNKNOWN, Definition, Value, holding


def definition_of(
    state: State, node: Function | ast.ClassDef | ast.GeneratorExp, name: str
) -> Definition:
    """The one Definition of a node, made at first sight."""
    found = state.definitions.get(node)
    if found is None:
        target = _as_lambda(node) if isinstance(node, ast.GeneratorExp) else node
        found = Definition(target, name, _locals(state), state.scope is None)
        state.definitions[node] = found
    return found


def _as_lambda(node: ast.GeneratorExp) -> ast.Lambda:
    """A generator runs when it is advanced: like a function without parameters."""
    body = ast.ListComp(elt=node.elt, generators=node.generators)
    nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
    return ast.copy_location(ast.Lambda(args=nothing, body=body), node)


def _locals(state: State) -> frozenset[str]:
    names: frozenset[str] = state.outer_names
    scope = state.scope
    while scope is not None:
        if not scope.is_class:
            names = (names | scope.local) - scope.globals
        scope = scope.parent
    return names


def _captured(state: State) -> Value:
    """All that a closure made here may hold."""
    values = [] if state.closure is UNKNOWN else [state.closure]
    scope = state.scope
    while scope is not None:
        if not scope.is_class:
            values.extend(scope.values.values())
        scope = scope.parent
    return holding(values)


def _define(state: State, node: Function | ast.ClassDef, name: str, parts: list[Value]) -> Value:
    definition = definition_of(state, node, name)
    held = holding(parts)
    if definition.outer and state.scope is not None:
        captured = _captured(state)
        held = holding([held, captured])
    kind = "class" if isinstance(node, ast.ClassDef) else "function"
    code = held.code | {definition}
    value = Value(kind, NONE, held.reach, code, held.draws, loose=False)
    if state.scope is not None and not _in_class(state):
        # a function made inside another may be called before that one returns
        use(state, value)
    return value


def _in_class(state: State) -> bool:
    return state.scope is not None and state.scope.is_class


def define_lambda(state: State, node: ast.Lambda) -> Value:
    """Evaluate a lambda expression."""
    return _define(state, node, "<lambda>", _defaults(state, node))


def define_generator(state: State, node: ast.GeneratorExp) -> Value:
    """The code that runs while a generator expression is advanced."""
    definition = definition_of(state, node, "<generator>")
    return Value("iterator", code=frozenset((definition,)))


def define_function(state: State, node: ast.FunctionDef | ast.AsyncFunctionDef) -> Value:
    """Evaluate a function's defaults and annotations; the value is the function, undecorated."""
    parts = _defaults(state, node)
    for argument in ast.walk(node.args):
        if isinstance(argument, ast.arg) and argument.annotation is not None:
            state.evaluate(state, argument.annotation)
    if node.returns is not None:
        state.evaluate(state, node.returns)
    return _define(state, node, node.name, parts)


def _defaults(state: State, node: Function) -> list[Value]:
    nodes = (*node.args.defaults, *(d for d in node.args.kw_defaults if d is not None))
    return [state.evaluate(state, default) for default in nodes]


def define_class(state: State, node: ast.ClassDef) -> Value:
    """Evaluate a class's bases and run its body."""
    parts = [state.evaluate(state, base) for base in node.bases]
    parts += [state.evaluate(state, keyword.value) for keyword in node.keywords]
    around = state.scope
    names = names_of(node)
    scope = Scope(names.local, {}, set(), is_class=True, globals=names.globals, parent=around)
    state.scope = scope
    conditional, state.conditional = state.conditional, 0
    state.execute(state, node.body)
    state.conditional = conditional
    state.scope = around
    told = [part for part in parts if find_methods(part, "__init_subclass__")]
    parts += [v for v in scope.values.values() if v.type != "function"]
    defined = _define(state, node, node.name, parts)
    for base in told:  # which may keep the class
        state.link(base.own, defined)
    return defined
