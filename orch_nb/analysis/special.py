"""Builtins with a meaning of their own: `exec`, `globals`, `getattr`, `super` and the like."""

from __future__ import annotations

import ast
from collections.abc import Callable

from orch_nb.analysis import knowledge
from orch_nb.analysis.arguments import Arguments, called
from orch_nb.analysis.functions import harm, keep
from orch_nb.analysis.state import State
from orch_nb.analysis.syntax import python
from orch_nb.analysis.values import (
    IMPORT,
    NONE,
    UNKNOWN,
    Value,
    attributes_of,
    holding,
    imported,
    joined,
    scalar,
)


def _exec(state: State, arguments: Arguments, node: ast.Call) -> Value | None:
    first = arguments.at(0)
    tree = python(first.text) if first is not None and first.text is not None else None
    if tree is None:
        state.block(f"{called(node)} runs text that is not known beforehand")
        return UNKNOWN
    if len(arguments.all()) > 1:
        for value in arguments.all()[1:]:
            harm(state, value, "the namespace of exec()")
    state.conditional += 1
    state.execute(state, tree.body)
    state.conditional -= 1
    return UNKNOWN


def _globals(state: State, arguments: Arguments, node: ast.Call) -> Value | None:
    if arguments.all():
        value = arguments.at(0)
        if value is None or value.immutable or called(node) != "vars()":
            return None
        return attributes_of(value)
    if state.scope is not None and called(node) in ("locals()", "vars()", "dir()"):
        return Value("dict", reach=_all_locals(state))
    state.block(f"{called(node)} reaches every name")
    return UNKNOWN


def _all_locals(state: State) -> frozenset[str]:
    scope, reach = state.scope, NONE
    while scope is not None:
        for value in scope.values.values():
            reach |= value.reach
        scope = scope.parent
    return reach


def _getattr(state: State, arguments: Arguments, node: ast.Call) -> Value | None:
    value = arguments.at(0)
    if value is None:
        return UNKNOWN
    name = arguments.at(1)
    if value.type.startswith(IMPORT) and name is not None and name.text:
        return imported(f"{value.type[len(IMPORT) :]}.{name.text}")
    result = value.part()
    for default in arguments.positional[2:]:
        result = joined(result, default)
    return result


def _setattr(state: State, arguments: Arguments, node: ast.Call) -> Value | None:
    value = arguments.at(0)
    name = arguments.at(1)
    if value is None:
        return UNKNOWN
    if value.type.startswith(IMPORT):
        tail = name.text if name is not None and name.text else "*"
        path = f"{value.type[len(IMPORT) :]}.{tail}"
        state.ambient_write(knowledge.store_target(path))
        for stored in arguments.positional[2:]:
            keep(state, stored)
    state.change(value.own, "an attribute was set")
    for stored in arguments.positional[2:]:
        state.link(value.own, stored)
    return scalar("none")


def _patch(state: State, arguments: Arguments, node: ast.Call) -> Value | None:
    """``unittest.mock.patch``: what it returns sets something in a module, and takes it back."""
    target = arguments.at(0)
    if target is None:
        return UNKNOWN
    path = target.type[len(IMPORT) :] if target.type.startswith(IMPORT) else target.text or ""
    if path.partition(".")[0] == "__main__":
        state.block("it patches the notebook's own names")
    if not path:  # something of the notebook
        state.change(target.reach, "patched")
        return _holding(arguments)
    for value in arguments.all():
        keep(state, value)
    patched = knowledge.store_target(path + ".*")
    state.draw((patched,))
    return _holding(arguments, patched)


def _redirect(state: State, arguments: Arguments, node: ast.Call) -> Value | None:
    """``redirect_stdout``: in a ``with`` it is over with the cell, entered by hand it stays."""
    return _holding(arguments, "sys.stdout")


def _holding(arguments: Arguments, *ambient: str) -> Value:
    """An object that may change what it was given, and sets ambient state, when it is used."""
    held = holding(arguments.all())
    draws = held.draws.union(ambient)
    return Value("", held.reach, held.reach, held.code, draws, held.loose)


def _super(state: State, arguments: Arguments, node: ast.Call) -> Value | None:
    scope = state.scope
    while scope is not None and scope.is_comprehension:
        scope = scope.parent
    values = list(scope.values.values()) if scope is not None else []
    return values[0] if values else UNKNOWN


def _import_module(state: State, arguments: Arguments, node: ast.Call) -> Value | None:
    first = arguments.at(0)
    if first is None or not first.text:
        return UNKNOWN
    state.effects.imports.add(first.text.partition(".")[0])
    return imported(first.text)


def _join_path(state: State, arguments: Arguments, node: ast.Call) -> Value | None:
    texts = [value.text for value in arguments.positional]
    if arguments.starred is None and texts and all(texts):
        return scalar("path", "/".join(str(text).rstrip("/") for text in texts))
    return scalar("path")


def _str(state: State, arguments: Arguments, node: ast.Call) -> Value | None:
    values = arguments.all()
    return scalar("str", values[0].text if len(values) == 1 else None)


def _switch_backend(state: State, arguments: Arguments, node: ast.Call) -> Value | None:
    state.block(f"{called(node)} switches how figures are shown")
    return UNKNOWN


_Special = Callable[[State, Arguments, ast.Call], Value | None]


SPECIAL: dict[str, _Special] = {
    "builtins.exec": _exec,
    "builtins.eval": _exec,
    "builtins.globals": _globals,
    "builtins.locals": _globals,
    "builtins.vars": _globals,
    "builtins.dir": _globals,
    "builtins.getattr": _getattr,
    "builtins.setattr": _setattr,
    "builtins.delattr": _setattr,
    "builtins.super": _super,
    "builtins.__import__": _import_module,
    "importlib.import_module": _import_module,
    "os.path.join": _join_path,
    "unittest.mock.patch": _patch,
    "unittest.mock.patch.object": _patch,
    "unittest.mock.patch.dict": _patch,
    "unittest.mock.patch.multiple": _patch,
    "contextlib.redirect_stdout": _redirect,
    "contextlib.redirect_stderr": _redirect,
    "pathlib.Path": _join_path,
    "pathlib.PurePath": _join_path,
    "builtins.str": _str,
    "matplotlib.use": _switch_backend,
    "matplotlib.pyplot.switch_backend": _switch_backend,
}
