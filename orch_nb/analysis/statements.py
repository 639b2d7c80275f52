"""What executing statements reads, binds and changes; where a name is bound on every path."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from orch_nb.analysis import knowledge
from orch_nb.analysis.calls import call_value, touch
from orch_nb.analysis.expressions import (
    assign,
    evaluate,
    iterate,
    operate,
    remove,
    store,
)
from orch_nb.analysis.functions import Arguments, define_class, define_function, use
from orch_nb.analysis.scopes import bound_in, deleted_in
from orch_nb.analysis.state import State
from orch_nb.analysis.values import (
    IMPORT,
    Value,
    holding,
    imported,
    joined,
    scalar,
)

_LOOP_ROUNDS = 4
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


# paths


def _branches(state: State, blocks: Sequence[Callable[[], None]]) -> None:
    """Run alternatives, each from the same start; keep what all of them bind."""
    start, meets = set(state.bound), []
    certain = set(state.scope.certain) if state.scope else set()
    state.conditional += 1
    for block in blocks:
        state.bound, state.dead = set(start), False
        block()
        if not state.dead:
            meets.append(state.bound)
    state.conditional -= 1
    state.dead = not meets
    state.bound = set.intersection(*meets) if meets else set(start)
    if state.scope:
        state.scope.certain = certain


def _nothing() -> None:
    pass


def _if(state: State, node: ast.If) -> None:
    evaluate(state, node.test)
    _branches(state, [lambda: execute(state, node.body), lambda: execute(state, node.orelse)])


def _match(state: State, node: ast.Match) -> None:
    subject = evaluate(state, node.subject)

    def block(case: ast.match_case) -> Callable[[], None]:
        def run() -> None:
            _pattern(state, case.pattern, subject)
            if case.guard is not None:
                evaluate(state, case.guard)
            execute(state, case.body)

        return run

    blocks = [block(case) for case in node.cases]
    if not any(_irrefutable(case) for case in node.cases):
        blocks.append(_nothing)
    # a pattern that fails may have bound names before it failed
    loose = bound_in([node]).local
    for name in loose:
        if not state.scope:
            state.effects.binds.add(name)
    _branches(state, blocks)


def _irrefutable(case: ast.match_case) -> bool:
    pattern = case.pattern
    while isinstance(pattern, ast.MatchAs) and pattern.pattern is not None:
        pattern = pattern.pattern
    return isinstance(pattern, ast.MatchAs) and case.guard is None


def _pattern(state: State, pattern: ast.pattern, subject: Value) -> None:
    for part in ast.walk(pattern):
        if isinstance(part, ast.MatchAs | ast.MatchStar) and part.name:
            value = subject if part is pattern else subject.part()
            state.bind(part.name, value.held("list") if isinstance(part, ast.MatchStar) else value)
        elif isinstance(part, ast.MatchMapping) and part.rest:
            state.bind(part.rest, subject.held("dict"))
        elif isinstance(part, ast.MatchValue):
            evaluate(state, part.value)
        elif isinstance(part, ast.MatchClass):
            evaluate(state, part.cls)
        elif isinstance(part, ast.MatchMapping):
            for key in part.keys:
                evaluate(state, key)


# loops


def _for(state: State, node: ast.For | ast.AsyncFor) -> None:
    value = evaluate(state, node.iter)
    element = iterate(state, value)
    _slow_loop(state, node)
    _loop(state, node, lambda: assign(state, node.target, element), _runs_once(node.iter))


def _slow_loop(state: State, node: ast.For | ast.AsyncFor) -> None:
    short = isinstance(node.iter, ast.Tuple | ast.List) or _runs_once(node.iter)
    state.effects.heavy = state.effects.heavy or not short


def _runs_once(node: ast.expr) -> bool:
    """Whether an iterable surely has a first element (and not very many)."""
    if isinstance(node, ast.Tuple | ast.List):
        return any(not isinstance(part, ast.Starred) for part in node.elts)
    if isinstance(node, ast.Constant):
        return isinstance(node.value, str) and bool(node.value)
    return False


def _while(state: State, node: ast.While) -> None:
    state.effects.heavy = True
    endless = isinstance(node.test, ast.Constant) and bool(node.test.value)
    evaluate(state, node.test)
    if endless:
        _endless(state, node)
    else:
        _loop(state, node, lambda: None, False, again=lambda: evaluate(state, node.test))


def _loop(
    state: State,
    node: ast.For | ast.AsyncFor | ast.While,
    start: Callable[[], None],
    once: bool,
    again: Callable[[], object] = _nothing,
) -> None:
    before = state.bound - deleted_in(node.body)
    state.exits.append([])
    state.conditional += 1
    state.bound = set(before)

    def turn() -> None:
        start()
        execute(state, node.body)
        again()

    _rounds(state, turn, before)
    ended, dead = state.bound, state.dead
    state.conditional -= 1
    breaks = state.exits.pop()
    state.dead = False
    state.bound = ended if once and not breaks and not dead else set(before)
    execute(state, node.orelse)
    meets = breaks if state.dead else [*breaks, state.bound]
    state.dead = not meets
    state.bound = set.intersection(*meets) if meets else set(before)


def _endless(state: State, node: ast.While) -> None:
    before = state.bound - deleted_in(node.body)
    state.exits.append([])
    state.conditional += 1
    state.bound = set(before)
    _rounds(state, lambda: execute(state, node.body), before)
    state.conditional -= 1
    meets = state.exits.pop()
    state.dead = not meets
    state.bound = set.intersection(*meets) if meets else before


def _rounds(state: State, run: Callable[[], object], before: set[str]) -> None:
    """Walk a loop's body until the values of its names stand still."""
    state.progress.loops += 1
    # a loop in a loop is walked again by the outer one's rounds
    rounds = _LOOP_ROUNDS if state.progress.loops == 1 else 1
    for _ in range(rounds):
        old = dict(state.scope.values if state.scope else state.values)
        links = dict(state.effects.links)
        state.bound, state.dead = set(before), False
        run()
        new = state.scope.values if state.scope else state.values
        if old == new and links == state.effects.links:
            break
    else:
        for name, value in new.items():
            if old.get(name) != value and rounds > 1:
                new[name] = joined(value, Value("", value.reach, value.reach, value.code))
    state.progress.loops -= 1


def _break(state: State, node: ast.Break | ast.Continue) -> None:
    if state.exits:
        # a continue counts as a break: what follows in the body is perhaps skipped
        state.exits[-1].append(set(state.bound))
    state.dead = True


# try and with


def _try(state: State, node: Any) -> None:
    before = set(state.bound)
    gone = deleted_in([node])
    entry = before - gone
    outer = state.conditional
    state.conditional += 1
    execute(state, node.body)
    body_dead = state.dead
    if not body_dead:
        execute(state, node.orelse)
    meets = [] if state.dead else [set(state.bound)]
    for handler in node.handlers:
        state.bound, state.dead = set(entry), False
        _handler(state, handler)
        if not state.dead:
            meets.append(set(state.bound))
    state.conditional = outer
    after = set.intersection(*meets) if meets else set(entry)
    dead = not meets
    state.bound, state.dead = set(entry), False
    execute(state, node.finalbody)
    finally_bound = state.bound - entry
    dead = dead or state.dead
    state.bound = (after - deleted_in(node.finalbody)) | finally_bound
    state.dead = dead


def _handler(state: State, handler: ast.ExceptHandler) -> None:
    if handler.type is not None:
        evaluate(state, handler.type)
    if handler.name:
        state.bind(handler.name, Value("", loose=False))
    execute(state, handler.body)
    if handler.name:
        state.unbind(handler.name)


def _with(state: State, node: ast.With | ast.AsyncWith) -> None:
    suppresses = False
    for item in node.items:
        context = evaluate(state, item.context_expr)
        _entered(state, context, item.context_expr)
        suppresses = suppresses or _may_suppress(state, item.context_expr)
        if item.optional_vars is not None:
            assign(state, item.optional_vars, context if context.immutable else _inside(context))
    if not suppresses:
        execute(state, node.body)
        return
    after = state.bound - deleted_in(node.body)
    state.conditional += 1
    execute(state, node.body)
    state.conditional -= 1
    state.bound, state.dead = after, False


def _inside(context: Value) -> Value:
    """What ``with … as`` binds: most often the manager itself."""
    own = context.own or context.reach
    return Value(
        context.type, own, context.reach, context.code, context.draws, context.loose, context.text
    )


def _entered(state: State, context: Value, node: ast.expr) -> None:
    if not context.immutable and context.type not in ("file",):
        touch(state, context, "entered by with")


def _may_suppress(state: State, node: ast.expr) -> bool:
    """Whether leaving the block may swallow an error raised in it."""
    function = node.func if isinstance(node, ast.Call) else node
    tail = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return tail not in knowledge.magics()["managers"]["strict"].split()


# bindings


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
        if alias.asname:
            state.bind(alias.asname, imported(alias.name))
        else:
            root = alias.name.partition(".")[0]
            state.bind(root, imported(root))
    _surroundings(state)


def _import_from(state: State, node: ast.ImportFrom) -> None:
    module = "." * node.level + (node.module or "")
    for alias in node.names:
        if alias.name == "*":
            _import_star(state, module)
        elif module != "__future__":
            state.bind(alias.asname or alias.name, imported(f"{module}.{alias.name}"))
    _surroundings(state)


def _import_star(state: State, module: str) -> None:
    names = knowledge.star_names(module)
    if names is None:
        state.block(f"'from {module} import *' binds names that are not known")
        return
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
    evaluate(state, node.value)


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
    ast.If: _if,
    ast.For: _for,
    ast.AsyncFor: _for,
    ast.While: _while,
    ast.Break: _break,
    ast.Continue: _break,
    ast.Match: _match,
    ast.Try: _try,
    ast.TryStar: _try,
    ast.With: _with,
    ast.AsyncWith: _with,
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
