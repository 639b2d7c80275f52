"""A cell with `--each` that is run by hand: a plain loop, from the same inputs for every item."""

from __future__ import annotations

import dis
from typing import Any

_STORES = frozenset({"STORE_NAME", "STORE_GLOBAL"})
_UNBOUND = object()


def run_for_each(shell: Any, loop: str, body: str) -> None:
    """Run ``body`` with the name of ``loop`` (``model in models``) bound to each item. Each name
    that it binds for every item is bound to the list of its values, in the items' order; the
    loop's own name is as before. When an item fails, all names are as before."""
    __tracebackhide__ = True  # what fails is the cell
    namespace: dict[str, Any] = shell.user_ns
    name, _, items = loop.partition(" in ")
    source = "\n" + shell.transform_cell(body)  # below its first line, as in the cell
    file = shell.compile.cache(source, shell.execution_count - 1, raw_code=source)
    code = compile(source, file, "exec")
    stored = {found.argval for found in dis.get_instructions(code) if found.opname in _STORES}
    before = {each: namespace.get(each, _UNBOUND) for each in {*stored, name}}
    gathered: list[dict[str, Any]] = []
    try:
        for item in list(eval(items, namespace)):
            _restore(namespace, before)
            namespace[name] = item
            exec(code, namespace)
            gathered.append({each: namespace[each] for each in stored if each in namespace})
    finally:
        _restore(namespace, before)
    for each in stored - {name}:
        if all(each in made for made in gathered):
            namespace[each] = [made[each] for made in gathered]


def _restore(namespace: dict[str, Any], before: dict[str, Any]) -> None:
    for name, value in before.items():
        if value is _UNBOUND:
            namespace.pop(name, None)
        else:
            namespace[name] = value
