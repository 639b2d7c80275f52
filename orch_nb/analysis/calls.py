"""What a call does: builtins, library functions, methods, and the notebook's own functions."""

from __future__ import annotations

import ast
import re
import sys
from dataclasses import replace

from orch_nb.analysis import knowledge
from orch_nb.analysis.arguments import Arguments, called
from orch_nb.analysis.files import note_files
from orch_nb.analysis.functions import (
    call_definition,
    harm,
    keep,
    unknown_call,
    use,
)
from orch_nb.analysis.knowledge import CallFacts
from orch_nb.analysis.magics import shell_call
from orch_nb.analysis.methods import decorated, find_methods
from orch_nb.analysis.special import SPECIAL
from orch_nb.analysis.state import LOGS, State
from orch_nb.analysis.values import (
    CONTAINERS,
    IMMUTABLE,
    IMPORT,
    ITERATORS,
    NONE,
    UNKNOWN,
    Value,
    holding,
    joined,
    scalar,
)

_WORD = re.compile(r"[^\W\d]\w*")


_HANDLES = frozenset({"file", "stdlib.database"})  # their uses are uses of what was opened
_LOGGING = frozenset(
    {"debug", "info", "warning", "warn", "error", "exception", "critical", "fatal", "log"}
)
_UNBOUND = tuple(f"builtins.{name}." for name in ("list", "dict", "set", "bytearray"))
# Names of functions that are called for what they set, in any library.
_SETS = re.compile(
    r"(set|enable|disable|register|use|init|configure|config|reset|activate|install|switch)(_|$)"
)


def call(state: State, node: ast.Call) -> Value:
    """Evaluate a call."""
    state.effects.calls = True
    function = node.func
    if isinstance(function, ast.Attribute):
        shell = shell_call(state, node)
        if shell is not None:
            return shell
        receiver = state.evaluate(state, function.value)
        arguments = _arguments(state, node)
        if function.attr in _LOGGING:
            _log(state)
        if receiver.type.startswith(IMPORT):
            path = f"{receiver.type[len(IMPORT) :]}.{function.attr}"
            return library_call(state, path, arguments, node)
        return method_call(state, receiver, function.attr, arguments, node)
    if isinstance(function, ast.Name):
        callee = state.load(function.id)
        if callee.code and callee.type not in ("function", "class") and state.find(function.id)[1]:
            use(state, callee)
    else:
        callee = state.evaluate(state, function)
    arguments = _arguments(state, node)
    return call_value(state, callee, arguments, node)


def _log(state: State) -> None:
    """Note that what may be a logger may write to the files of handlers."""
    known = state.known(LOGS)
    state.draw(state.effects.logs if known is None else known.draws | state.effects.logs)


def call_value(state: State, callee: Value, arguments: Arguments, node: ast.Call) -> Value:
    """Call whatever the value is."""
    if callee.type.startswith(IMPORT):
        return library_call(state, callee.type[len(IMPORT) :], arguments, node)
    state.effects.heavy = True
    if callee.type == "function":
        results = [
            call_definition(state, definition, callee, arguments, None)
            for definition in callee.code
            if not isinstance(definition.node, ast.ClassDef)
        ]
        if len(callee.code) == len(results) == 1:
            return results[0]
        use(state, callee)
        return _either([*results, unknown_call(state, callee, arguments, _passed(node))])
    if callee.type == "class":
        return _construct(state, callee, arguments, node)
    if callee.type == "instance" or find_methods(callee, "__call__"):
        return method_call(state, callee, "__call__", arguments, node)
    facts = knowledge.method(callee.type, "__call__") if callee.type else None
    if facts is not None:
        return apply_facts(state, facts, callee, arguments, node, "called")
    state.change(callee.own, "called")
    for value in arguments.all():  # as a bound method may that adds what it is given
        state.link(callee.own, value)
    return unknown_call(state, callee, arguments, _passed(node))


def _either(values: list[Value]) -> Value:
    result = values[0]
    for value in values[1:]:
        result = joined(result, value)
    return result


def _passed(node: ast.Call) -> str:
    return f"passed to {called(node)}"


def _arguments(state: State, node: ast.Call) -> Arguments:
    positional: list[Value] = []
    keywords: dict[str, Value] = {}
    starred: Value | None = None
    for argument in node.args:
        value = state.evaluate(state, argument)
        if isinstance(argument, ast.Starred):
            starred = value if starred is None else joined(starred, value)
        else:
            positional.append(value)
    for keyword in node.keywords:
        value = state.evaluate(state, keyword.value)
        if keyword.arg is None:
            starred = value.part() if starred is None else joined(starred, value.part())
        else:
            keywords[keyword.arg] = value
    return Arguments(tuple(positional), keywords, starred)


def _construct(state: State, callee: Value, arguments: Arguments, node: ast.Call) -> Value:
    """Make an instance of a class of the notebook."""
    use(state, callee)
    held = holding([callee, *arguments.all()], "instance")
    shared = held.reach - callee.own
    result = Value("instance", NONE, shared, held.code | callee.code, held.draws)
    initials = [
        m for n in ("__init__", "__new__", "__post_init__") for m in find_methods(callee, n)
    ]
    for definition in initials:
        call_definition(state, definition, callee, arguments, result)
    foreign = any(
        value.type.startswith(IMPORT) and not knowledge.function(value.type[len(IMPORT) :])
        for value in arguments.all()
    )
    if foreign:
        for value in arguments.all():
            harm(state, value, _passed(node))
    if any(_has_state(definition.node) for definition in callee.code):
        result = Value("instance", NONE, shared | callee.own, result.code, result.draws)
    return result


def _has_state(node: ast.AST) -> bool:
    """Whether instances of a class share something that can change."""
    if not isinstance(node, ast.ClassDef):
        return False
    for statement in node.body:
        if isinstance(statement, ast.Assign | ast.AnnAssign):
            if statement.value is not None and not isinstance(statement.value, ast.Constant):
                return True
        elif not isinstance(
            statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.Expr | ast.Pass
        ):
            return True
    return False


def method_call(
    state: State, receiver: Value, name: str, arguments: Arguments, node: ast.Call
) -> Value:
    """Call ``receiver.name(...)``."""
    own = find_methods(receiver, name)
    if own:
        return _own_method(state, receiver, name, arguments, node)
    facts: CallFacts | None = None
    if receiver.type:
        facts = knowledge.method(receiver.type, name)
        if facts is None and receiver.type in IMMUTABLE:
            facts = knowledge.CallFacts(returns="")
    if facts is None:
        facts = knowledge.generic(name)
    if not facts.known:
        state.effects.heavy = True
        why = f"by .{name}()"
        state.change(receiver.reach, why)
        state.draw(receiver.draws)
        result = unknown_call(state, receiver, arguments, f"passed to .{name}()")
        for value in arguments.all():
            state.link(receiver.own, value)
        if not receiver.reach:  # the notebook has no name for it: its library has
            _keep_all(state, arguments)
        return result
    return apply_facts(state, facts, receiver, arguments, node, name)


def _own_method(
    state: State, receiver: Value, name: str, arguments: Arguments, node: ast.Call
) -> Value:
    state.effects.heavy = True
    results = []
    for definition in find_methods(receiver, name):
        this: Value | None = receiver
        if decorated(definition, "staticmethod") or (
            receiver.type == "class" and not decorated(definition, "classmethod")
        ):
            this = None
        elif decorated(definition, "classmethod"):
            this = Value("class", receiver.own, receiver.reach, receiver.code)
        results.append(call_definition(state, definition, receiver, arguments, this))
    if receiver.type not in ("instance", "class"):
        facts = knowledge.generic(name)
        if not facts.known or facts.changes_self:
            state.change(receiver.reach, f"by .{name}()")
    return _either(results)


def touch(state: State, value: Value, why: str) -> None:
    """Note a use that may change the value itself."""
    if not value.immutable:
        state.change(value.own, why)


def library_call(state: State, path: str, arguments: Arguments, node: ast.Call) -> Value:
    """Call a builtin, or a function or class of a library."""
    special = SPECIAL.get(path)
    if special is not None:
        result = special(state, arguments, node)
        if result is not None:
            return result
    facts = knowledge.function(path)
    if path.startswith(_UNBOUND):
        facts = None  # `list.append(xs, x)`: what the method does to its first argument
    if facts is None or not facts.known:
        state.effects.heavy = True
        if node is state.statement:
            # Nobody takes its result: it may well be called for what it sets in its library.
            state.module_write(path)
        if _is_setting(path):
            _keep_all(state, arguments)
        return unknown_call(state, UNKNOWN, arguments, f"passed to {path.rpartition('.')[2]}()")
    told = facts.sets or facts.writes or facts.draws or facts.barrier
    sets = _is_setting(path)
    if node is state.statement and not told and sets:
        state.module_write(path)
    if sets or facts.sets or facts.writes:
        _keep_all(state, arguments)
    return apply_facts(state, facts, None, arguments, node, path)


def _is_setting(path: str) -> bool:
    """Whether a function is called for what it sets, as far as its name tells."""
    root, _, rest = path.partition(".")
    tail = rest.rpartition(".")[2]
    if tail.startswith("set") and root in sys.stdlib_module_names:  # calendar.setfirstweekday
        return True
    return _SETS.match(tail) is not None


def _keep_all(state: State, arguments: Arguments) -> None:
    for value in arguments.all():
        keep(state, value)


def apply_facts(
    state: State,
    facts: CallFacts,
    receiver: Value | None,
    arguments: Arguments,
    node: ast.Call,
    name: str,
) -> Value:
    """Count what the tables say of a call."""
    values = arguments.all()
    tail = name.rpartition(".")[2]
    state.effects.heavy = state.effects.heavy or not facts.cheap
    if receiver is not None:
        if facts.changes_self or _in_place(arguments):
            state.change(receiver.own, f"by .{tail}()")
            for value in values:
                state.link(receiver.own, value)
            if facts.changes_deep:
                state.change(receiver.reach, f"by .{tail}()")
            _figure(state, receiver, tail)
        if facts.changes_self or facts.draws_own:
            state.draw(receiver.draws)
    elif "out" in arguments.keywords or "inplace" in arguments.keywords:
        for value in values[:1]:
            state.change(value.own, f"by {tail}(inplace=…)")
    if "out" in arguments.keywords:
        state.change(arguments.keywords["out"].reach, f"written by {tail}(out=…)")
    for position in facts.changes:
        changed = arguments.at(position)
        if changed is not None:
            state.change(changed.reach, f"by {tail}()")
    _arguments_used(state, facts, values, tail)
    _callbacks(state, receiver, values)
    _ambient(state, facts, arguments)
    files = note_files(state, facts, arguments, receiver)
    if facts.names or any(value.text is not None and "~" in value.text for value in values):
        _named_in_strings(state, arguments)
    result = _result(facts, receiver, values, arguments, tail[:1].isupper())
    if files and name.startswith("logging."):
        state.effects.logs |= files
    if files and result.type in _HANDLES:
        return replace(result, draws=result.draws | files)
    return result


def _callbacks(state: State, receiver: Value | None, values: list[Value]) -> None:
    """A library may call a function it is given, with parts of all else it is given."""
    for value in values:
        if value.type == "function" and value.code:
            others = [other for other in values if other is not value]
            use(state, value, holding([*others, receiver] if receiver is not None else others))


def _result(
    facts: CallFacts,
    receiver: Value | None,
    values: list[Value],
    arguments: Arguments,
    makes: bool,
) -> Value:
    out = arguments.keywords.get("out")
    if out is not None and not out.immutable:
        return joined(out, out.part())  # which is handed back, or is a tuple of what is
    type = facts.returns
    if facts.same and receiver is not None:
        type = receiver.type
    if type in IMMUTABLE:
        return scalar(type)
    draws = frozenset(facts.draws) if facts.stateful and _unseeded(facts, arguments) else NONE
    parts = [receiver, *values] if receiver is not None else values
    held = holding(parts, type)
    loose = facts.loose or type in ITERATORS
    makes = makes or facts.makes
    if not (facts.shared or facts.makes):
        return Value(type, NONE, NONE, held.code, draws, loose)
    draws = draws | held.draws
    loose = loose or held.loose
    if type in CONTAINERS:
        # a container of its own, around the same elements
        inner = holding([part.part() for part in parts])
        return Value(type, NONE, inner.reach, held.code, draws, loose)
    # a view, or the thing itself
    own = NONE if makes or type in ITERATORS else held.reach
    return Value(type, own, held.reach, held.code, draws, loose)


def _unseeded(facts: CallFacts, arguments: Arguments) -> bool:
    if not facts.unless:
        return True
    seed = arguments.keywords.get(facts.unless)
    return seed is None or seed.type == "none"


def _in_place(arguments: Arguments) -> bool:
    given = arguments.keywords.get("inplace")
    return given is not None


def _figure(state: State, receiver: Value, tail: str) -> None:
    facts = knowledge.type_facts(receiver.type) if receiver.type else None
    if facts is not None and facts.figure:
        state.change(receiver.reach, f"drawn on by .{tail}()")


def _arguments_used(state: State, facts: CallFacts, values: list[Value], tail: str) -> None:
    for value in values:
        if value.type in ITERATORS or (not value.type and value.loose and facts.loose):
            state.change(value.reach if value.loose else value.own, f"used up by {tail}()")
        elif value.type and not value.immutable:
            known = knowledge.type_facts(value.type)
            if known is not None and known.figure:
                state.change(value.reach, f"a figure, passed to {tail}()")
        if value.draws and not facts.stateful:
            state.draw(value.draws)


def _ambient(state: State, facts: CallFacts, arguments: Arguments) -> None:
    for name in facts.reads:
        state.ambient_read(name)
    if facts.draws and not facts.stateful and _unseeded(facts, arguments):
        state.draw(facts.draws)
    for name in facts.sets:
        state.ambient_write(name, definite=True)
    for name in facts.writes:
        state.ambient_write(name)
    if facts.barrier:
        state.block(facts.barrier)


def _named_in_strings(state: State, arguments: Arguments) -> None:
    for value in arguments.all():
        if value.text is not None:
            state.effects.soft.update(
                word for word in _WORD.findall(value.text) if word not in state.bound
            )
        elif value.type in ("str", ""):
            state.effects.soft.add("*")
