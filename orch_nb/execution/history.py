"""`In`, `Out`, `_` and their kin as a serial kernel would have them before a given cell."""

from __future__ import annotations

import builtins
from collections.abc import Mapping
from typing import Any


class SerialHistory:
    """Keeps IPython's history in document order, whichever cells ran here, and when.

    As long as cells run here one after the other, IPython's own bookkeeping is left alone.
    """

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._inputs: dict[int, tuple[str, str]] = {}  # of cells run here: as parsed, as written
        self._sources: dict[int, str] = {}  # of cells that run anywhere
        self._later: dict[int, Any] = {}  # results of cells after the one that runs
        self._next: int | None = 1  # the cell that IPython itself is ready for

    def set_sources(self, sources: Mapping[int, str]) -> None:
        """Take in the sources of cells, by execution count."""
        self._sources.update(sources)

    def set_out(self, count: int, value: Any) -> None:
        """Take in the result of a cell that ran elsewhere."""
        self._later[count] = value
        self._shell.push({f"_{count}": value}, interactive=False)
        self._next = None

    def enter(self, count: int) -> None:
        """Prepare for cell ``count`` to run."""
        self._shell.execution_count = count
        if count == self._next:
            return
        self._arrange_inputs(count)
        self._arrange_results(count)

    def leave(self, count: int) -> None:
        """Note what cell ``count`` left."""
        manager = self._shell.history_manager
        parsed, raw = manager.input_hist_parsed, manager.input_hist_raw
        # IPython does not list a lone `exit`; later cells are to keep their places
        for inputs in (parsed, raw):
            inputs.extend([""] * (count + 1 - len(inputs)))
        self._inputs[count] = (parsed[count], raw[count])
        self._next = None if self._later else count + 1
        self._shell.execution_count = count + 1

    def _arrange_inputs(self, count: int) -> None:
        manager = self._shell.history_manager
        known = [self._input(n) for n in range(1, count)]
        manager.input_hist_parsed[:] = ["", *(parsed for parsed, _ in known)]
        manager.input_hist_raw[:] = ["", *(raw for _, raw in known)]
        raws = ["", "", "", *(raw for _, raw in known)]
        manager._ii, manager._i, manager._i00 = raws[-3:]

    def _input(self, count: int) -> tuple[str, str]:
        known = self._inputs.get(count)
        if known is None:
            source = self._sources.get(count)
            if source is None:
                return "", ""
            parsed = _transformed(self._shell, source)
            # so that a function defined there shows its lines in tracebacks made here
            self._shell.compile.cache(parsed, count, raw_code=source)
            known = self._inputs[count] = parsed.rstrip("\n"), source.rstrip("\n")
            self._shell.push({f"_i{count}": known[1]}, interactive=False)
        return known

    def _arrange_results(self, count: int) -> None:
        out = self._shell.user_ns.get("_oh")
        if not isinstance(out, dict):
            return
        known = out | self._later
        # a cell that runs again starts without its earlier result
        self._later = {k: v for k, v in known.items() if k > count}
        out.clear()
        out.update(sorted((k, v) for k, v in known.items() if k < count))
        self._arrange_unders(["", "", "", *out.values()][-3:])

    def _arrange_unders(self, values: list[Any]) -> None:
        hook = self._shell.displayhook
        names = ("___", "__", "_")
        space = self._shell.user_ns
        # like IPython, keep off names that the user has bound
        own = "_" not in vars(builtins) and all(
            name not in space or space[name] is getattr(hook, name) for name in names
        )
        for name, value in zip(names, values, strict=True):
            setattr(hook, name, value)
        if own:
            self._shell.push(dict(zip(names, values, strict=True)), interactive=False)


def _transformed(shell: Any, source: str) -> str:
    try:
        return str(shell.transform_cell(source))
    except SyntaxError:
        return source
