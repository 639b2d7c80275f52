"""What executing statements reads, binds and changes; where a name is bound on every path."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any

from orch_nb.analysis import knowledge, paths
from orch_nb.analysis.arguments import Arguments
from orch_nb.analysis.calls import call_value
from orch_nb.analysis.definitions import define_class, define_function
from orch_nb.analysis.expressions import evaluate, operate
from orch_nb.analysis.functions import keep, use
from orch_nb.analysis.state import State
from orch_nb.analysis.targets import assign, remove, store
from orch_nb.analysis.values import (
    IMPORT,
    Value,
    holding,
    imported,
    joined,
    scalar,
)

# decorators that leave a function or class what it is, as far as its code goes
_TRANSPARENT = frozenset(
    {
        "functools.lru_cache",
        "functools.cache",
        "functools.wraps",
        "functools.total_ordering",
        "functools.singledispatch",
        "dataclasses.dataclass",
        "numba.njit",
        "numba.jit",
        "numba.vectorize",
        "builtins.property",
        "builtins.staticmethod",
        "builtins.classmethod",
        "typing.overload",
        "typing.runtime_checkable",
        "abc.abstractmethod",
        "torch.no_grad",
    }
)


def execute(state: State, body: Iterable[ast.stmt]) -> None:
    """Execute statements in order; the effects go to the state."""
    for statement in body:
        state.progress.steps += 1
        handler = _TABLE.get(type(statement))
        if handler is not None:
            handler(state, statement)


def _assign(state: State, node: ast.Assign) -> None:
    first = node.targets[0]
    if (
        isinstance(first, ast.Tuple)
        and isinstance(node.value, ast.Tuple)
        and len(node.targets) == 1
        and len(first.elts) == len(node.value.elts)
        and not any(isinstance(part, ast.Starred) for part in (*first.elts, *node.value.elts))
    ):
        values = [evaluate(state, part) for part in node.value.elts]
        for target, value in zip(first.elts, values, strict=True):
            assign(state, target, value)
        return
    value = evaluate(state, node.value)
    if not value.own and (len(node.targets) > 1 or not isinstance(first, ast.Name)):
        names = [part.id for part in ast.walk(first) if isinstance(part, ast.Name)]
        if _linked(node, value):
            value = state.owned(value, names[0] if names else "_")
    for target in node.targets:
        assign(state, target, value)


def _linked(node: ast.Assign, value: Value) -> bool:
    """Whether the targets may get one object, or parts of one: a library's call gives several."""
    facts = knowledge.type_facts(value.type) if value.type else None
    if facts is not None and facts.figure:
        return True
    return len(node.targets) > 1 or not isinstance(node.value, ast.Call)


def _annotated(state: State, node: ast.AnnAssign) -> None:
    if state.scope is None or state.scope.is_class:
        evaluate(state, node.annotation)
    if node.value is not None:
        assign(state, node.target, evaluate(state, node.value))
    elif not isinstance(node.target, ast.Name):
        evaluate(state, node.target)


def _augmented(state: State, node: ast.AugAssign) -> None:
    if isinstance(node.target, ast.Name):
        old = state.load(node.target.id)
        if old.code:
            use(state, old)
        value = evaluate(state, node.value)
        new = operate(state, old, value, node.op)
        if old.immutable:
            state.bind(node.target.id, new)
            return
        state.change(old.own, "augmented assignment")
        state.link(old.own, value)
        same = Value(old.type, old.own, old.reach, old.code, old.draws, old.loose)
        state.bind(node.target.id, joined(same, new) if new.type != old.type else same.grown(value))
        return
    if isinstance(node.target, ast.Attribute | ast.Subscript):
        holder = evaluate(state, node.target.value)
        if isinstance(node.target, ast.Subscript):
            evaluate(state, node.target.slice)
        value = evaluate(state, node.value)
        if isinstance(node.target, ast.Attribute) and holder.type.startswith(IMPORT):
            path = f"{holder.type[len(IMPORT) :]}.{node.target.attr}"
            state.ambient_write(knowledge.store_target(path))
        store(state, holder, value, "augmented assignment of a part")
        if not value.immutable:
            state.change(holder.reach, "augmented assignment of a part")


def _delete(state: State, node: ast.Delete) -> None:
    for target in node.targets:
        remove(state, target)


def _import(state: State, node: ast.Import) -> None:
    for alias in node.names:
        state.effects.imports.add(alias.name.partition(".")[0])
        if alias.asname:
            state.bind(alias.asname, imported(alias.name))
        else:
            root = alias.name.partition(".")[0]
            state.bind(root, imported(root))
    _surroundings(state)


def _import_from(state: State, node: ast.ImportFrom) -> None:
    module = "." * node.level + (node.module or "")
    state.effects.imports.add((node.module or "").partition(".")[0])
    for alias in node.names:
        if alias.name == "*":
            _import_star(state, module)
        elif module != "__future__":
            state.module_read(module)
            state.bind(alias.asname or alias.name, imported(f"{module}.{alias.name}"))
    _surroundings(state)


def _import_star(state: State, module: str) -> None:
    names = knowledge.star_names(module)
    if names is None:
        state.block(f"'from {module} import *' binds names that are not known")
        return
    state.module_read(module)
    origins = knowledge.star_origins(module)
    bound = set(state.bound)
    state.conditional += 1
    for name in sorted(names):
        state.bind(name, imported(f"{origins.get(name, module)}.{name}"))
    state.conditional -= 1
    state.bound = bound


def _surroundings(state: State) -> None:
    """An import runs a module, which may look at these."""
    for name in ("os.environ", "sys.path", "os.cwd", "warnings"):
        state.ambient_read(name)


def _define(state: State, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
    decorators = [evaluate(state, d) for d in node.decorator_list]
    registered = any(_registers(state, written) for written in node.decorator_list)
    if registered:
        state.block("it registers something in a library")
    if isinstance(node, ast.ClassDef):
        value = define_class(state, node)
    else:
        value = define_function(state, node)
    for decorator, written in zip(reversed(decorators), reversed(node.decorator_list), strict=True):
        if not _is_transparent(decorator, written):
            call = written if isinstance(written, ast.Call) else ast.Call(written, [], [])
            use(state, value)
            result = call_value(state, decorator, Arguments((value,)), call)
            value = Value(
                "",
                result.own,
                result.reach | value.reach,
                result.code | value.code | decorator.code,
                result.draws,
                result.loose,
            )
    state.bind(node.name, value)
    if registered:
        keep(state, state.find(node.name)[0] or value)


def _registers(state: State, decorator: ast.expr) -> bool:
    """Whether a library keeps what is decorated: pandas' ``register_dataframe_accessor``."""
    function = decorator.func if isinstance(decorator, ast.Call) else decorator
    if not isinstance(function, ast.Attribute) or not function.attr.startswith("register"):
        return False
    return evaluate(state, function).type.startswith(IMPORT)


def _is_transparent(decorator: Value, node: ast.expr) -> bool:
    path = decorator.type[len(IMPORT) :] if decorator.type.startswith(IMPORT) else ""
    if isinstance(node, ast.Call):
        called = node.func
        tail = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        return any(known.endswith("." + tail) for known in _TRANSPARENT)
    return path in _TRANSPARENT or path.endswith((".setter", ".getter", ".deleter"))


def _return(state: State, node: ast.Return) -> None:
    value = evaluate(state, node.value) if node.value is not None else scalar("none")
    state.returned = value if state.returned is None else joined(state.returned, value)
    state.dead = True


def _raise(state: State, node: ast.Raise) -> None:
    for part in (node.exc, node.cause):
        if part is not None:
            evaluate(state, part)
    state.dead = True


def _assert(state: State, node: ast.Assert) -> None:
    evaluate(state, node.test)
    if node.msg is not None:
        evaluate(state, node.msg)


def _expression(state: State, node: ast.Expr) -> None:
    state.statement = node.value
    evaluate(state, node.value)
    state.statement = None


def _type_alias(state: State, node: Any) -> None:
    """``type X = …``: the right side is evaluated when it is asked for."""
    names = [part.id for part in ast.walk(node.value) if isinstance(part, ast.Name)]
    state.bind(node.name.id, holding([state.load(name) for name in names]))


_TABLE: dict[type[ast.stmt], Callable[[State, Any], None]] = {
    ast.Expr: _expression,
    ast.Assign: _assign,
    ast.AnnAssign: _annotated,
    ast.AugAssign: _augmented,
    ast.Delete: _delete,
    ast.If: paths.run_if,
    ast.For: paths.run_for,
    ast.AsyncFor: paths.run_for,
    ast.While: paths.run_while,
    ast.Break: paths.run_break,
    ast.Continue: paths.run_break,
    ast.Match: paths.run_match,
    ast.Try: paths.run_try,
    ast.TryStar: paths.run_try,
    ast.With: paths.run_with,
    ast.AsyncWith: paths.run_with,
    ast.Import: _import,
    ast.ImportFrom: _import_from,
    ast.FunctionDef: _define,
    ast.AsyncFunctionDef: _define,
    ast.ClassDef: _define,
    ast.Return: _return,
    ast.Raise: _raise,
    ast.Assert: _assert,
}
if hasattr(ast, "TypeAlias"):
    _TABLE[ast.TypeAlias] = _type_alias
