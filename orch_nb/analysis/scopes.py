"""Which names are local to a function, class or comprehension, by Python's own rules."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


@dataclass(frozen=True, slots=True)
class Names:
    """The names that one scope binds, and those it declares to be another's."""

    local: frozenset[str]
    globals: frozenset[str]
    nonlocals: frozenset[str]
    yields: bool = False


def names_of(node: Function | ast.ClassDef) -> Names:
    """The names of a function's or class's own scope."""
    collector = _Collector()
    if not isinstance(node, ast.ClassDef):
        collector.bound.update(parameters(node))
    collector.types(node)
    if isinstance(node, ast.Lambda):
        collector.visit(node.body)
    else:
        for statement in node.body:
            collector.visit(statement)
    return collector.names()


def bound_in(body: Iterable[ast.stmt]) -> Names:
    """The names that statements bind in the scope they stand in."""
    collector = _Collector()
    for statement in body:
        collector.visit(statement)
    return collector.names()


def parameters(node: Function) -> list[str]:
    """A function's parameter names, in order of definition."""
    given = node.args
    names = [a.arg for a in (*given.posonlyargs, *given.args)]
    if given.vararg:
        names.append(given.vararg.arg)
    names += [a.arg for a in given.kwonlyargs]
    if given.kwarg:
        names.append(given.kwarg.arg)
    return names


def target_names(target: ast.expr) -> Iterator[str]:
    """The plain names in an assignment target."""
    if isinstance(target, ast.Name):
        yield target.id
    elif isinstance(target, ast.Tuple | ast.List):
        for part in target.elts:
            yield from target_names(part)
    elif isinstance(target, ast.Starred):
        yield from target_names(target.value)


def deleted_in(body: Iterable[ast.AST]) -> set[str]:
    """Names that statements may unbind: by ``del``, or as an ``except … as`` ends."""
    found: set[str] = set()
    stack = list(body)
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del):
            found.add(node.id)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
        if not isinstance(node, (*_DEFINITIONS, ast.Lambda)):
            stack.extend(ast.iter_child_nodes(node))
    return found


class _Collector:
    """Walks one scope without entering the scopes inside it."""

    def __init__(self) -> None:
        self.bound: set[str] = set()
        self.globals: set[str] = set()
        self.nonlocals: set[str] = set()
        self.yields = False

    def names(self) -> Names:
        local = self.bound - self.globals - self.nonlocals
        return Names(
            frozenset(local), frozenset(self.globals), frozenset(self.nonlocals), self.yields
        )

    def types(self, node: ast.AST) -> None:
        """Type parameters (`def f[T]`) are local to the definition that has them."""
        for parameter in getattr(node, "type_params", ()):
            self.bound.add(parameter.name)

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.Name):
            if not isinstance(node.ctx, ast.Load):
                self.bound.add(node.id)
            return
        if isinstance(node, _DEFINITIONS):
            self.bound.add(node.name)
            self._outside(node)
            return
        if isinstance(node, ast.Lambda):
            self._each((*node.args.defaults, *(d for d in node.args.kw_defaults if d)))
            return
        if isinstance(node, _COMPREHENSIONS):
            self._comprehension(node)
            return
        self._statement(node)
        self._each(ast.iter_child_nodes(node))

    def _statement(self, node: ast.AST) -> None:
        if isinstance(node, ast.Import | ast.ImportFrom):
            self.bound.update((a.asname or a.name).split(".")[0] for a in node.names)
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar):
            if node.name:
                self.bound.add(node.name)
        elif isinstance(node, ast.MatchMapping):
            if node.rest:
                self.bound.add(node.rest)
        elif isinstance(node, ast.Global):
            self.globals.update(node.names)
        elif isinstance(node, ast.Nonlocal):
            self.nonlocals.update(node.names)
        elif isinstance(node, ast.Yield | ast.YieldFrom):
            self.yields = True

    def _outside(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        """What a definition evaluates in the scope around it may hold a walrus."""
        self._each(node.decorator_list)
        if isinstance(node, ast.ClassDef):
            self._each((*node.bases, *(k.value for k in node.keywords)))
        else:
            self._each((*node.args.defaults, *(d for d in node.args.kw_defaults if d)))

    def _comprehension(self, node: ast.AST) -> None:
        """Its targets are its own; a walrus in it binds in the scope around it."""
        for part in ast.walk(node):
            if isinstance(part, ast.NamedExpr) and isinstance(part.target, ast.Name):
                self.bound.add(part.target.id)
            elif isinstance(part, ast.Yield | ast.YieldFrom):
                self.yields = True

    def _each(self, nodes: Iterable[ast.AST]) -> None:
        for node in nodes:
            self.visit(node)
