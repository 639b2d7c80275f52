"""Branches, loops, `try` and `with`: which names are bound on every path through them."""

from __future__ import annotations

import ast
from collections.abc import Callable, Sequence
from typing import Any

from orch_nb.analysis import knowledge
from orch_nb.analysis.calls import touch
from orch_nb.analysis.scopes import bound_in, deleted_in
from orch_nb.analysis.state import State
from orch_nb.analysis.targets import assign, iterate
from orch_nb.analysis.values import Value, joined

_LOOP_ROUNDS = 4


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


def run_if(state: State, node: ast.If) -> None:
    state.evaluate(state, node.test)
    _branches(
        state,
        [lambda: state.execute(state, node.body), lambda: state.execute(state, node.orelse)],
    )


def run_match(state: State, node: ast.Match) -> None:
    subject = state.evaluate(state, node.subject)

    def block(case: ast.match_case) -> Callable[[], None]:
        def run() -> None:
            _pattern(state, case.pattern, subject)
            if case.guard is not None:
                state.evaluate(state, case.guard)
            state.execute(state, case.body)

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
            state.evaluate(state, part.value)
        elif isinstance(part, ast.MatchClass):
            state.evaluate(state, part.cls)
        elif isinstance(part, ast.MatchMapping):
            for key in part.keys:
                state.evaluate(state, key)


def run_for(state: State, node: ast.For | ast.AsyncFor) -> None:
    value = state.evaluate(state, node.iter)
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


def run_while(state: State, node: ast.While) -> None:
    state.effects.heavy = True
    endless = isinstance(node.test, ast.Constant) and bool(node.test.value)
    state.evaluate(state, node.test)
    if endless:
        _endless(state, node)
    else:
        _loop(state, node, lambda: None, False, again=lambda: state.evaluate(state, node.test))


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
        state.execute(state, node.body)
        again()

    _rounds(state, turn, before)
    ended, dead = state.bound, state.dead
    state.conditional -= 1
    breaks = state.exits.pop()
    state.dead = False
    state.bound = ended if once and not breaks and not dead else set(before)
    state.execute(state, node.orelse)
    meets = breaks if state.dead else [*breaks, state.bound]
    state.dead = not meets
    state.bound = set.intersection(*meets) if meets else set(before)


def _endless(state: State, node: ast.While) -> None:
    before = state.bound - deleted_in(node.body)
    state.exits.append([])
    state.conditional += 1
    state.bound = set(before)
    _rounds(state, lambda: state.execute(state, node.body), before)
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


def run_break(state: State, node: ast.Break | ast.Continue) -> None:
    if state.exits:
        # a continue counts as a break: what follows in the body is perhaps skipped
        state.exits[-1].append(set(state.bound))
    state.dead = True


def run_try(state: State, node: Any) -> None:
    before = set(state.bound)
    gone = deleted_in([node])
    entry = before - gone
    outer = state.conditional
    state.conditional += 1
    state.execute(state, node.body)
    body_dead = state.dead
    if not body_dead:
        state.execute(state, node.orelse)
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
    state.execute(state, node.finalbody)
    finally_bound = state.bound - entry
    dead = dead or state.dead
    state.bound = (after - deleted_in(node.finalbody)) | finally_bound
    state.dead = dead


def _handler(state: State, handler: ast.ExceptHandler) -> None:
    if handler.type is not None:
        state.evaluate(state, handler.type)
    if handler.name:
        state.bind(handler.name, Value("", loose=False))
    state.execute(state, handler.body)
    if handler.name:
        state.unbind(handler.name)


def run_with(state: State, node: ast.With | ast.AsyncWith) -> None:
    suppresses = False
    for item in node.items:
        context = state.evaluate(state, item.context_expr)
        _entered(state, context, item.context_expr)
        suppresses = suppresses or _may_suppress(state, item.context_expr)
        if item.optional_vars is not None:
            assign(state, item.optional_vars, context if context.immutable else _inside(context))
    if not suppresses:
        state.execute(state, node.body)
        return
    after = state.bound - deleted_in(node.body)
    state.conditional += 1
    state.execute(state, node.body)
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
