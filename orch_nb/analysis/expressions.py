"""What evaluating an expression reads, binds and changes, and what its value may be."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable
from typing import Any

from orch_nb.analysis import knowledge
from orch_nb.analysis.calls import call, touch
from orch_nb.analysis.definitions import define_generator, define_lambda
from orch_nb.analysis.functions import use
from orch_nb.analysis.scopes import target_names
from orch_nb.analysis.state import Scope, State
from orch_nb.analysis.targets import assign, consume, iterate
from orch_nb.analysis.values import (
    CONTAINERS,
    IMMUTABLE,
    IMPORT,
    ITERATORS,
    NONE,
    NUMBERS,
    UNKNOWN,
    Value,
    attributes_of,
    holding,
    imported,
    joined,
    scalar,
)

_CONSTANTS = {
    int: "int",
    float: "float",
    complex: "complex",
    bool: "bool",
    str: "str",
    bytes: "bytes",
    type(None): "none",
    type(...): "none",
}


def evaluate(state: State, node: ast.expr) -> Value:
    """Evaluate one expression; the effects go to the state."""
    return _TABLE[type(node)](state, node)


def _constant(state: State, node: ast.Constant) -> Value:
    text = node.value if isinstance(node.value, str) else None
    return Value(_CONSTANTS.get(type(node.value), ""), loose=False, text=text)


def _name(state: State, node: ast.Name) -> Value:
    value = state.load(node.id)
    if any(definition.shares_attributes for definition in value.code):
        state.block("its objects share their attributes, which only one process knows of")
    if value.type == IMPORT + "__main__":
        state.block("it uses the notebook's names as a module's")
    if value.type.startswith(IMPORT):
        state.module_read(value.type[len(IMPORT) :])
    # what is local came from somewhere, and was counted there
    if value.code and state.find(node.id)[1]:
        use(state, value)
    return value


def _attribute(state: State, node: ast.Attribute) -> Value:
    value = evaluate(state, node.value)
    return attribute(state, value, node.attr)


def attribute(state: State, value: Value, name: str) -> Value:
    """The value of ``value.name``."""
    if value.type.startswith(IMPORT):
        path = f"{value.type[len(IMPORT) :]}.{name}"
        state.module_read(path)
        ambient = knowledge.load_source(path)
        if ambient:
            state.ambient_read(ambient)
        if name == "user_ns" or path == "builtins.__dict__":
            state.block(f"it uses {name}")
        return imported(path)
    if name in ("user_ns", "user_global_ns") and value.type in ("", "shell"):
        state.block(f"it uses {name}")
    if value.type in IMMUTABLE:
        return scalar("")
    if name == "__dict__":
        return attributes_of(value)
    facts = knowledge.type_facts(value.type) if value.type else None
    if facts is not None and name in facts.attributes:
        type = facts.attributes[name]
        return scalar(type) if type in IMMUTABLE else value.part(type)
    if facts is None and name in _SCALAR_ATTRIBUTES and not value.code:
        return scalar(_SCALAR_ATTRIBUTES[name])
    return value.part()


_SCALAR_ATTRIBUTES = {"shape": "", "size": "int", "ndim": "int", "__name__": "str"}


def _subscript(state: State, node: ast.Subscript) -> Value:
    if _is_past(state, node):
        return UNKNOWN
    value = evaluate(state, node.value)
    index = evaluate(state, node.slice)
    if value.type in IMMUTABLE:
        return scalar("str" if value.type == "str" else "")
    if value.type.startswith(IMPORT):
        return imported(value.type[len(IMPORT) :] + ".[]")
    facts = knowledge.type_facts(value.type) if value.type else None
    if facts is None:
        grows = state.known("mention defaultdict") is not None and not value.immutable
        if grows and value.type == "":
            touch(state, value, "looked up in what may be a defaultdict")
        return value.part()
    if facts.grows:
        state.change(value.own, "looked up in a defaultdict")
    if value.type == "pandas.DataFrame":
        return _frame_part(value, node.slice, index)
    if isinstance(node.slice, ast.Slice):
        if value.type in CONTAINERS:
            return value.part().held(value.type)
        return value.part(value.type)
    return scalar(facts.item) if facts.item in IMMUTABLE else value.part(facts.item)


def _is_past(state: State, node: ast.Subscript) -> bool:
    """Whether it is ``Out[3]``: the output of one cell."""
    if not isinstance(node.value, ast.Name) or node.value.id not in ("Out", "_oh"):
        return False
    if not isinstance(node.slice, ast.Constant):
        return False
    number = node.slice.value
    if not isinstance(number, int) or state.find(node.value.id)[0] is not None:
        return False
    state.effects.history.add(number)
    return True


def _frame_part(value: Value, node: ast.expr, index: Value) -> Value:
    if isinstance(node, ast.Compare | ast.List) or (
        isinstance(index.type, str) and index.type in ("pandas.Mask",)
    ):
        return Value("pandas.DataFrame", code=value.code, loose=value.loose)
    if isinstance(node, ast.Slice):
        return value.part("pandas.DataFrame")
    if index.type == "str":
        return value.part("pandas.Series")
    return value.part("pandas.Data")


def _binary(state: State, node: ast.BinOp) -> Value:
    left, right = evaluate(state, node.left), evaluate(state, node.right)
    return operate(state, left, right, node.op)


def operate(state: State, left: Value, right: Value, operator: ast.operator) -> Value:
    """The value of a binary operation."""
    if left.type in NUMBERS and right.type in NUMBERS:
        return scalar(_number(left.type, right.type, operator))
    if left.type == "str":
        if isinstance(operator, ast.Mod):
            state.effects.heavy = state.effects.heavy or not right.immutable
            return scalar("str")
        if isinstance(operator, ast.Add) and right.type in ("str", ""):
            both = left.text is not None and right.text is not None
            return scalar("str", f"{left.text}{right.text}" if both else None)
    if left.type == "path" and isinstance(operator, ast.Div):
        if left.text is not None and right.text is not None:
            return scalar("path", f"{left.text.rstrip('/')}/{right.text}")
        return scalar("path")
    if not (left.type in IMMUTABLE and right.type in IMMUTABLE):
        state.effects.heavy = state.effects.heavy or left.type not in ("list", "tuple")
        state.effects.calls = True
    for type in (left.type, right.type):
        if type.startswith(("pandas.", "numpy.", "polars.", "torch.")):
            return Value(type, NONE, NONE, left.code | right.code, NONE, loose=False)
    if left.type in IMMUTABLE and right.type in IMMUTABLE:
        return scalar("")
    if left.type == "set" or (left.type in IMMUTABLE and right.type in IMMUTABLE):
        return holding([left, right], left.type)
    if left.type in ("list", "tuple") and (right.type == left.type or right.type in NUMBERS):
        return holding([left, right], left.type)
    return holding([left, right])


def _number(left: str, right: str, operator: ast.operator) -> str:
    if "scalar" in (left, right):
        return "scalar"
    if isinstance(operator, ast.Div):
        return "complex" if "complex" in (left, right) else "float"
    for type in ("complex", "float"):
        if type in (left, right):
            return type
    return "" if isinstance(operator, ast.Pow) else "int"


def _unary(state: State, node: ast.UnaryOp) -> Value:
    value = evaluate(state, node.operand)
    if isinstance(node.op, ast.Not):
        return scalar("bool")
    if value.immutable:
        return scalar(value.type)
    state.effects.heavy = True
    return value.held(value.type)


def _boolean(state: State, node: ast.BoolOp) -> Value:
    result = evaluate(state, node.values[0])
    for other in node.values[1:]:
        result = joined(result, _maybe(state, other))
    return result


def _maybe(state: State, node: ast.expr) -> Value:
    """Evaluate what is perhaps not evaluated."""
    before = set(state.bound)
    state.conditional += 1
    value = evaluate(state, node)
    state.conditional -= 1
    state.bound &= before
    return value


def _conditional(state: State, node: ast.IfExp) -> Value:
    evaluate(state, node.test)
    return joined(_maybe(state, node.body), _maybe(state, node.orelse))


def _compare(state: State, node: ast.Compare) -> Value:
    values = [evaluate(state, node.left)]
    for index, comparator in enumerate(node.comparators):
        values.append(_maybe(state, comparator) if index else evaluate(state, comparator))
    if isinstance(node.ops[-1], ast.In | ast.NotIn):
        if values[-1].type in ITERATORS or (not values[-1].type and values[-1].loose):
            consume(state, values[-1])
        return scalar("bool")
    if all(isinstance(op, ast.Is | ast.IsNot) for op in node.ops):
        return scalar("bool")
    if all(value.type in IMMUTABLE for value in values):
        return scalar("bool")
    state.effects.heavy = True
    if any(value.type.startswith("pandas.") for value in values):
        return Value("pandas.Mask", loose=False)
    return holding(values)


def _tuple(state: State, node: ast.Tuple | ast.List | ast.Set) -> Value:
    kind = {ast.Tuple: "tuple", ast.List: "list", ast.Set: "set"}[type(node)]
    parts = [_element(state, part) for part in node.elts]
    if kind == "tuple" and all(part.immutable for part in parts):
        return scalar("constants")
    return holding(parts, kind)


def _element(state: State, node: ast.expr) -> Value:
    if isinstance(node, ast.Starred):
        return iterate(state, evaluate(state, node.value))
    return evaluate(state, node)


def _dict(state: State, node: ast.Dict) -> Value:
    parts = []
    for key, value in zip(node.keys, node.values, strict=True):
        if key is not None:
            parts.append(evaluate(state, key))
        parts.append(evaluate(state, value))
    return holding(parts, "dict")


def _joined_string(state: State, node: ast.JoinedStr) -> Value:
    texts: list[str] | None = []
    for part in node.values:
        if isinstance(part, ast.Constant):
            text = str(part.value)
        else:
            value = _formatted(state, part)
            text = value.text if value.text is not None else ""
            if value.text is None:
                texts = None
        if texts is not None:
            texts.append(text)
    return scalar("str", "".join(texts) if texts is not None else None)


def _formatted(state: State, node: ast.expr) -> Value:
    if not isinstance(node, ast.FormattedValue):
        return evaluate(state, node)
    value = evaluate(state, node.value)
    if node.format_spec is not None:
        evaluate(state, node.format_spec)
        return scalar("str")
    if not value.immutable:
        state.effects.heavy = state.effects.heavy or value.type not in ("list", "dict", "tuple")
        state.effects.calls = True
    return scalar("str", value.text)


def _walrus(state: State, node: ast.NamedExpr) -> Value:
    value = state.owned(evaluate(state, node.value), node.target.id)
    state.bind(node.target.id, value)
    return value


def _starred(state: State, node: ast.Starred) -> Value:
    return iterate(state, evaluate(state, node.value))


def _slice(state: State, node: ast.Slice) -> Value:
    for part in (node.lower, node.upper, node.step):
        if part is not None:
            evaluate(state, part)
    return scalar("slice")


def _await(state: State, node: ast.Await) -> Value:
    state.effects.heavy = True
    value = evaluate(state, node.value)
    if not value.immutable:
        touch(state, value, "awaited")
    return value.part()


def _yield(state: State, node: ast.Yield | ast.YieldFrom) -> Value:
    if node.value is not None:
        value = evaluate(state, node.value)
        if isinstance(node, ast.YieldFrom):
            value = iterate(state, value)
        state.returned = value if state.returned is None else joined(state.returned, value)
    return UNKNOWN


def _comprehension(state: State, node: Any) -> Value:
    source = evaluate(state, node.generators[0].iter)
    first = iterate(state, source)
    local = frozenset(n for g in node.generators for n in target_names(g.target))
    around, bound = state.scope, set(state.bound)
    state.scope = Scope(local, {}, set(), is_comprehension=True, parent=around)
    # the walrus in a comprehension binds only where there are elements
    state.conditional += 1
    for index, generator in enumerate(node.generators):
        element = first if index == 0 else iterate(state, evaluate(state, generator.iter))
        assign(state, generator.target, element)
        for test in generator.ifs:
            evaluate(state, test)
    if isinstance(node, ast.DictComp):
        result = holding([evaluate(state, node.key), evaluate(state, node.value)], "dict")
    else:
        result = holding([evaluate(state, node.elt)], _KINDS[type(node)])
    state.conditional -= 1
    state.scope = around
    state.bound &= bound
    state.effects.heavy = state.effects.heavy or not _short(node.generators)
    if isinstance(node, ast.GeneratorExp):
        later = define_generator(state, node)
        held = holding([result, source], "iterator")
        loose = held.loose or source.type in ITERATORS
        return Value("iterator", NONE, held.reach, held.code | later.code, held.draws, loose)
    return result


_KINDS = {ast.ListComp: "list", ast.SetComp: "set", ast.GeneratorExp: "iterator"}


def _short(generators: Iterable[ast.comprehension]) -> bool:
    return all(isinstance(g.iter, ast.Tuple | ast.List) for g in generators)


def _lambda(state: State, node: ast.Lambda) -> Value:
    return define_lambda(state, node)


def _call(state: State, node: ast.Call) -> Value:
    return call(state, node)


_TABLE: dict[type[ast.expr], Callable[[State, Any], Value]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _attribute,
    ast.Subscript: _subscript,
    ast.BinOp: _binary,
    ast.UnaryOp: _unary,
    ast.BoolOp: _boolean,
    ast.IfExp: _conditional,
    ast.Compare: _compare,
    ast.Tuple: _tuple,
    ast.List: _tuple,
    ast.Set: _tuple,
    ast.Dict: _dict,
    ast.JoinedStr: _joined_string,
    ast.FormattedValue: _formatted,
    ast.NamedExpr: _walrus,
    ast.Starred: _starred,
    ast.Slice: _slice,
    ast.Await: _await,
    ast.Yield: _yield,
    ast.YieldFrom: _yield,
    ast.ListComp: _comprehension,
    ast.SetComp: _comprehension,
    ast.DictComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.Lambda: _lambda,
    ast.Call: _call,
}
