"""The analysis of one cell: its effects, and what the names mean to the cells below it."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from orch_nb.analysis.expressions import evaluate
from orch_nb.analysis.functions import use_kept
from orch_nb.analysis.holders import NOBODY, Holders
from orch_nb.analysis.state import HEAP, KEPT, LOGS, REACH_LIMIT, UNSEEN, State
from orch_nb.analysis.statements import execute
from orch_nb.analysis.syntax import Parsed, parse
from orch_nb.analysis.values import NONE, Value, joined
from orch_nb.automagic import automagic

Facts = dict[str, object]  # name → Value, "@object" → Holders: the names that reach it

_DISPLAYED = re.compile(r";\s*(#.*)?$")
_REGISTERS = re.compile(r"\.events\s*\.\s*register\b")
_NAMED = re.compile(r"\w+")
_EVENTS = "mention events"
_QUIET_MAGICS = {"load_ext", "matplotlib", "config", "autoreload", "reload_ext"}


@dataclass(frozen=True, slots=True)
class CellEffects:
    """What one cell may do, given the names it finds. ``changes`` says why for each name.

    ``facts`` is what is known after the cell where it differs from before; ``touched`` what
    was looked up to find out: as long as that stays the same, so does all of this.
    """

    reads: frozenset[str] = NONE
    soft: frozenset[str] = NONE
    binds: frozenset[str] = NONE
    bound: frozenset[str] = NONE
    changes: Mapping[str, str] = field(default_factory=dict)
    ambient_reads: frozenset[str] = NONE
    ambient_writes: frozenset[str] = NONE
    files_read: frozenset[str] = NONE
    files_written: frozenset[str] = NONE
    barrier: str = ""
    alone: bool = False
    imports_only: bool = False
    switches: bool = False  # it imports, and changes how the cells below are run or shown
    light: bool = False
    calls: bool = False
    strange: bool = False  # it calls what nothing is known of
    displays: bool = False  # its last line is an expression, so it may set `_` and `Out`
    surely_displays: bool = False
    history: frozenset[int | str] = frozenset()
    imports: frozenset[str] = NONE  # top-level modules, which a cell above may have written
    known: frozenset[str] = NONE  # of a barrier: every name there is, which it may touch
    facts: Mapping[str, object] = field(default_factory=dict)
    touched: Mapping[str, object] = field(default_factory=dict)

    @property
    def writes(self) -> frozenset[str]:
        """Names it may bind, delete or change in place."""
        return self.bound | self.changes.keys()


class _Lookup:
    """Reads facts, and remembers which."""

    def __init__(self, facts: Mapping[str, object]) -> None:
        self.facts = facts
        self.touched: dict[str, object] = {}

    def value(self, name: str) -> Value | None:
        found = self.facts.get(name)
        self.touched[name] = found
        return found if isinstance(found, Value) else None

    def names(self, item: str) -> Holders:
        found = self.facts.get(item)
        self.touched[item] = found
        return found if isinstance(found, Holders) else NOBODY


def analyse(
    source: str, facts: Mapping[str, object], number: int, may_fail: bool = False
) -> CellEffects:
    """Analyse one cell's source. ``facts`` is what is known before it; never raises.

    ``may_fail`` says that the cell is allowed to end early, so that nothing is bound for sure.
    """
    lookup = _Lookup(facts)
    magic = automagic(source)
    if magic is not None and lookup.value(_NAMED.findall(magic)[0]) is None:
        source = magic
    parsed = parse(source)
    if parsed.tree is None:
        return CellEffects(barrier=parsed.reason, known=_known(facts), touched=lookup.touched)
    state = State(lookup.value, str(number))
    state.evaluate, state.execute = evaluate, execute
    state.definitions = parsed.definitions
    if _REGISTERS.search(source) or lookup.value(_EVENTS) is not None:
        state.block("IPython calls a function of the notebook before or after each cell")
    # each statement is perhaps not reached
    state.conditional = int(may_fail)
    try:
        kept = lookup.value(KEPT)
        if kept is not None and not all(_is_import(part) for part in parsed.tree.body):
            use_kept(state, kept)
        execute(state, parsed.tree.body)
    except RecursionError:
        reason = "it is nested too deeply to be analysed"
        return CellEffects(barrier=reason, known=_known(facts))
    return _finished(state, lookup, parsed, source, may_fail)


def _finished(
    state: State, lookup: _Lookup, parsed: Parsed, source: str, may_fail: bool
) -> CellEffects:
    effects = state.effects
    tree = parsed.tree or ast.Module([], [])
    changes = _changed_names(state, lookup)
    binds = NONE if may_fail or state.dead else frozenset(state.bound & effects.binds)
    soft = {name for name in effects.soft if name == "*" or lookup.value(name) is not None}
    # Walking a tree costs as much as all else: the words must be there first.
    removed = _removed(tree) if "del" in source or "except" in source else NONE
    removed &= effects.binds - binds
    last = tree.body[-1] if tree.body else None
    displays = isinstance(last, ast.Expr) and not _DISPLAYED.search(source.rstrip())
    imports_only = (
        not effects.barrier
        and all(_is_import(part) for part in tree.body)
        and (last is None or not _is_constant(last))  # how it is shown can be set by those above
    )
    barrier = effects.barrier
    if (effects.extends or effects.switches) and not imports_only:
        barrier = barrier or "a magic in it sets up IPython"
    switches = effects.switches or (
        "matplotlib" in source and any(_is_matplotlib(part) for part in tree.body)
    )
    grows = "defaultdict" in source or "__missing__" in source
    found = _facts_after(state, lookup, grows, _REGISTERS.search(source) is not None)
    return CellEffects(
        reads=frozenset(effects.reads | removed | changes.keys()),
        soft=frozenset(soft),
        binds=binds,
        bound=frozenset(effects.binds),
        changes=changes,
        ambient_reads=frozenset(effects.ambient_reads),
        ambient_writes=frozenset(effects.ambient_writes),
        files_read=frozenset(effects.files_read),
        files_written=frozenset(effects.files_written),
        barrier=barrier,
        alone=effects.alone,
        imports_only=imports_only,
        switches=imports_only and switches,
        light=not effects.heavy and not barrier and not effects.alone,
        calls=effects.calls or displays,
        strange=effects.strange,
        displays=displays,
        surely_displays=displays and _surely_value(last),
        history=frozenset(effects.history),
        imports=frozenset(effects.imports),
        known=_known(lookup.facts) if barrier else NONE,
        facts=found,
        touched=lookup.touched,
    )


def _removed(tree: ast.AST) -> frozenset[str]:
    """Names that are deleted somewhere: whether one is gone depends on whether it was there."""
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ExceptHandler) and node.name:
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Del):
            found.add(node.id)
    return frozenset(found)


def _known(facts: Mapping[str, object]) -> frozenset[str]:
    """Every name that a cell above has bound."""
    return frozenset(
        name for name, value in facts.items() if isinstance(value, Value) and name.isidentifier()
    )


def _surely_value(last: ast.stmt | None) -> bool:
    """Whether a displayed expression can't be None."""
    return isinstance(last, ast.Expr) and (
        isinstance(
            last.value,
            ast.BinOp | ast.Compare | ast.JoinedStr | ast.List | ast.Tuple | ast.Dict | ast.Set,
        )
        or (isinstance(last.value, ast.Constant) and last.value.value is not None)
    )


def _is_constant(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_import(node: ast.stmt) -> bool:
    if isinstance(node, ast.Import | ast.ImportFrom | ast.Pass) or _is_constant(node):
        return True
    if isinstance(node, ast.Expr):
        call = node.value
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute):
            first = call.args[0] if call.args else None
            name = first.value if isinstance(first, ast.Constant) else None
            return call.func.attr == "run_line_magic" and name in _QUIET_MAGICS
        return False
    if isinstance(node, ast.Try):
        parts = [*node.body, *node.orelse, *node.finalbody]
        parts += [part for handler in node.handlers for part in handler.body]
        return all(_is_import(part) or _is_flag(part) for part in parts)
    return False


def _is_matplotlib(node: ast.stmt) -> bool:
    return any(isinstance(p, ast.Constant) and p.value == "matplotlib" for p in ast.walk(node))


def _is_flag(node: ast.stmt) -> bool:
    return isinstance(node, ast.Assign) and isinstance(node.value, ast.Constant)


def _changed_names(state: State, lookup: _Lookup) -> dict[str, str]:
    """The names through which a changed object can be reached."""
    changes: dict[str, str] = {}
    for item, why in sorted(state.effects.changed.items()):
        for name in sorted(lookup.names(item)):
            changes.setdefault(name, why)
        if item.startswith(UNSEEN):
            changes.setdefault(item.removeprefix(UNSEEN).rstrip("*"), why)
    return changes


def _facts_after(state: State, lookup: _Lookup, grows: bool, registers: bool) -> Facts:
    """What is known after the cell, where it differs from before."""
    facts: Facts = {}
    for name in state.effects.binds:
        facts[name] = state.known(name) or Value()
    for item in state.effects.links:
        for name in lookup.names(item):
            if name not in facts:
                old = lookup.value(name)
                if old is not None and not old.immutable:
                    facts[name] = state.known(name) or old
    _collapse(facts, lookup)
    for name, value_after in list(facts.items()):
        before = lookup.value(name)
        old_reach = before.reach if before is not None else NONE
        new_reach = value_after.reach if isinstance(value_after, Value) else NONE
        for item in new_reach - old_reach:
            facts[item] = _names(facts, lookup, item).with_name(name)
        for item in old_reach - new_reach:
            facts[item] = _names(facts, lookup, item).without_name(name)
    for ambient in state.effects.ambient_writes:
        if ambient.startswith("module "):
            facts[ambient] = Value("none")
    if state.effects.logs:
        known_logs = lookup.value(LOGS) or Value("none")
        facts[LOGS] = replace(known_logs, draws=known_logs.draws | state.effects.logs)
    if state.effects.kept is not None:
        before = lookup.value(KEPT)
        after = state.effects.kept
        facts[KEPT] = after if before is None else joined(before, after)
    for path in state.effects.files_written:
        if path.endswith(".py"):
            module = path.removesuffix(".py").rpartition("/")[2]
            facts[f"wrote module {module}"] = Value("none")
    if grows:
        facts["mention defaultdict"] = Value("none")
    if registers:
        facts[_EVENTS] = Value("none")
    return facts


def _names(facts: Facts, lookup: _Lookup, item: str) -> Holders:
    found = facts.get(item)
    return found if isinstance(found, Holders) else lookup.names(item)


def _collapse(facts: Facts, lookup: _Lookup) -> None:
    """Beyond the limit, what a value reaches counts as one object: HEAP.

    Every name that is any of it may be, from then on, HEAP too, and who holds any of it holds
    HEAP. A value that is one sure object stays itself: a list that was appended to is no change
    of what lies in it.
    """
    heap = frozenset((HEAP,))
    swallowed: set[str] = set()
    for name, value in list(facts.items()):
        if isinstance(value, Value) and len(value.reach) > REACH_LIMIT:
            kept = value.own - heap if len(value.own) <= 2 else NONE
            around = frozenset(item + "*" for item in kept) & value.reach
            swallowed |= value.reach - kept - around
            own = kept | (value.own & heap) or heap
            facts[name] = replace(value, own=own, reach=own | around | heap)
    swallowed.discard(HEAP)  # who holds that already is done with
    holders = {name for item in swallowed for name in lookup.names(item)}
    for name, value in list(facts.items()):
        if isinstance(value, Value) and not swallowed.isdisjoint(value.reach):
            holders.add(name)
    for name in holders:
        known = facts.get(name)
        old = known if isinstance(known, Value) else lookup.value(name)
        if old is not None and not old.immutable:
            own = old.own if swallowed.isdisjoint(old.own) else old.own | heap
            facts[name] = replace(old, own=own, reach=old.reach | heap)
