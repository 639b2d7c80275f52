"""Cells that were run by hand in this kernel: what they read and bound, by fingerprints.

What is kept says later whether a run by hand still counts: the same source, the same inputs, and
its values still there.
"""

from __future__ import annotations

import re
import types
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from time import perf_counter
from typing import Any

from orch_nb.execution.walk import Namespace

_NAME = re.compile(r"[^\W\d]\w*")


@dataclass(frozen=True, slots=True)
class HandRun:
    """One cell as it was run by hand.

    ``inputs`` and ``outputs`` have fingerprints by name: of what the cell could see, before, and
    of what it bound or changed in place, after; ``bound`` are all names that it bound anew.
    Cells that are no tasks have no fingerprints. ``source`` is the cell's, as it was written.
    """

    number: int  # the prompt's
    source: str
    cell_id: str | None
    started: datetime
    seconds: float = 0.0
    ok: bool = False
    error: str = ""
    task: bool = False
    deferred: bool = False  # it was only noted: tasks = "defer"
    flow: str = ""  # the name of the flow run that ran it in this kernel, if one did
    bound: tuple[str, ...] = ()
    deleted: tuple[str, ...] = ()
    inputs: Mapping[str, str] = field(default_factory=dict)
    outputs: Mapping[str, str] = field(default_factory=dict)


class HandRunRecorder:
    """Watches one cell: made before it runs, asked for the record after."""

    def __init__(
        self, namespace: Namespace, source: str, *, number: int, cell_id: str | None, task: bool
    ) -> None:
        self._namespace = namespace
        self._run = HandRun(number, source, cell_id, datetime.now(UTC), task=task)
        self._before = {name: id(value) for name, value in namespace.items()}
        self._inputs = fingerprints(namespace, names_used(source, namespace)) if task else {}
        self._started = perf_counter()

    @property
    def source(self) -> str:
        """The cell's text."""
        return self._run.source

    def record(self, *, error: BaseException | None, deferred: bool = False) -> HandRun:
        """What the cell did. ``error`` is what ended it, if anything did."""
        seconds = perf_counter() - self._started
        run, now = self._run, self._namespace
        bound = [name for name, value in now.items() if self._before.get(name) != id(value)]
        bound = [name for name in bound if not name.startswith("_")]
        outputs: dict[str, str] = {}
        if run.task and error is None:
            after = fingerprints(now, {*bound, *self._inputs})
            outputs = {
                name: digest
                for name, digest in after.items()
                if name in bound or self._inputs.get(name) != digest
            }
        return HandRun(
            run.number,
            run.source,
            run.cell_id,
            run.started,
            seconds,
            ok=error is None,
            error="" if error is None else f"{type(error).__name__}: {str(error)[:300]}",
            task=run.task,
            deferred=deferred,
            bound=tuple(sorted(bound)),
            deleted=tuple(sorted(name for name in self._before if name not in now)),
            inputs=self._inputs,
            outputs=outputs,
        )


def names_used(source: str, namespace: Namespace) -> set[str]:
    """The variables that a cell's text names, also through the notebook's own functions and
    classes. Words in strings and comments count as well."""
    found: set[str] = set()
    todo = [name for name in set(_NAME.findall(source)) if name in namespace]
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found.add(name)
        for code in _codes(namespace[name], namespace):
            todo += [inner for inner in _names_of(code) if inner in namespace]
    return {name for name in found if not name.startswith("_")}


def fingerprints(namespace: Namespace, names: Iterable[str]) -> dict[str, str]:
    """A fingerprint for each name that is bound; one that can't be had fits nothing."""
    from orch_nb.execution.anatomy_arrays import register_loaded
    from orch_nb.execution.fingerprint import Fingerprinter

    register_loaded()
    printer = Fingerprinter(namespace)
    found = {}
    for name in names:
        if name not in namespace:
            continue
        value = namespace[name]
        try:
            digest = printer.digest(value)
            # Where something was passed over, only the same object counts as the same value.
            found[name] = f"{digest}@{id(value)}" if printer.partial else digest
        except Exception:  # the value's own code runs here
            found[name] = f"?{id(value)}@{perf_counter()}"
    return found


def _codes(value: Any, namespace: Namespace) -> list[types.CodeType]:
    """The code that using a value may run, of what the notebook defines itself."""
    if isinstance(value, types.FunctionType):
        return [value.__code__] if value.__globals__ is namespace else []
    cls: type = value if isinstance(value, type) else type(value)
    if cls.__module__ != "__main__":
        return []
    return [
        part.__code__
        for base in cls.__mro__
        if base.__module__ == "__main__"
        for part in map(_function_of, vars(base).values())
        if part is not None
    ]


def _function_of(part: Any) -> types.FunctionType | None:
    inner: Callable[..., Any] | None = getattr(part, "__func__", None) or getattr(
        part, "fget", None
    )
    candidate = inner or part
    return candidate if isinstance(candidate, types.FunctionType) else None


def _names_of(code: types.CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _names_of(constant)
    return names
