"""What a cell changes of IPython itself: magics, aliases, formatters, hooks and settings, and the
figures that it leaves open.

None of it can be sent to another process, so a cell that changes any runs where the notebook's
values are. What libraries set up by themselves when they are first used does not count.
"""

from __future__ import annotations

import sys
from typing import Any

from orch_nb.execution.anatomy import Pinned

NAME = "IPython"  # among the names of process-wide states

_PLAIN = ("pprint", "max_width", "max_seq_length", "newline", "float_format", "verbose")
_INLINE = ("figure_formats", "rc", "print_figure_kwargs", "close_figures")
_HOOKS = ("ast_transformers", "input_transformers_post")
# Register themselves in each process: figures' formats, and the flushing of figures.
_BY_THEMSELVES = ("matplotlib", "IPython.core.pylabtools", "orch_nb")


class IPythonWatch:
    """IPython's state as it was before a cell.

    Raises Pinned where figures are open, which a cell may change unseen, unless ``tolerant``.
    """

    def __init__(self, shell: Any, *, tolerant: bool) -> None:
        if _open_figures() and not tolerant:
            raise Pinned("figures are open from cell to cell")
        self._shell = shell
        self._before = _look(shell)

    def changed(self, source: str) -> bool:
        """Whether it differs now, after a cell with that source. What was not loaded before does
        not, unless the cell asked for it: others would set up pyplot in another way."""
        asked = "%matplotlib" in source
        pairs = zip(self._before, _look(self._shell), strict=True)
        return any(o != n and (asked or not (o is None or n is None)) for o, n in pairs)


def _look(shell: Any) -> tuple[Any, ...]:
    """What compares equal as long as nothing changed; None for what is not loaded."""
    formatter = shell.display_formatter
    return (
        [_printers(one) for one in formatter.formatters.values()],
        tuple(formatter.active_types),
        [getattr(formatter.formatters["text/plain"], name) for name in _PLAIN],
        [_Magics(magics) for magics in shell.magics_manager.magics.values()],
        list(shell.alias_manager.aliases),
        set(shell.extension_manager.loaded),
        (shell.ast_node_interactivity, shell.automagic, shell.InteractiveTB.mode),
        [list(getattr(shell, name)) for name in _HOOKS],
        list(shell.input_transformer_manager.cleanup_transforms),
        list(shell.input_transformer_manager.line_transforms),
        [_foreign(callbacks) for callbacks in shell.events.callbacks.values()],
        _inline_settings(),
        _backend(),
        _open_figures(),
    )


def _printers(formatter: Any) -> tuple[Any, ...]:
    own = [
        (key, printer)
        for key, printer in formatter.type_printers.items()
        if not key.__module__.startswith(_BY_THEMSELVES)
    ]
    return own, dict(formatter.singleton_printers), formatter.enabled


class _Magics(dict[str, Any]):
    """Magics that equal others if they are the same, but for IPython's own: of these only the
    names count, since they are loaded when they are first used."""

    __hash__ = None

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, _Magics):
            return NotImplemented
        return dict.__eq__(self, other) or self._by_others() == other._by_others()

    def _by_others(self) -> dict[str, Any]:
        modules = {name: str(getattr(magic, "__module__", "")) for name, magic in self.items()}
        own = {name for name, module in modules.items() if module.startswith("IPython.core.magic")}
        return {name: None if name in own else magic for name, magic in self.items()}


def _foreign(callbacks: list[Any]) -> list[Any]:
    return [
        callback
        for callback in callbacks
        if not str(getattr(callback, "__module__", "")).startswith(_BY_THEMSELVES)
    ]


def _inline_settings() -> list[Any] | None:
    module = sys.modules.get("matplotlib_inline.config")
    if module is None or not module.InlineBackend.initialized():
        return None
    backend = module.InlineBackend.instance()
    return [repr(getattr(backend, name)) for name in _INLINE]


def _backend() -> str | None:
    """The name of pyplot's backend, once it has one."""
    module = getattr(sys.modules.get("matplotlib.pyplot"), "_backend_mod", None)
    return getattr(module, "__name__", None)


def _open_figures() -> list[Any]:
    """Those that pyplot keeps from cell to cell, the current one last."""
    helpers = sys.modules.get("matplotlib._pylab_helpers")
    return [] if helpers is None else list(helpers.Gcf.figs.values())
