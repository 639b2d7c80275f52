"""The panel: a run's states as a live view in a notebook, and as a still picture.

``orch_nb.panel(run)`` shows a run that is on record; ``Panel(view)`` is for whoever drives one.
"""

from __future__ import annotations

import sys
import types
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orch_nb.panel.panel import OnAsk as OnAsk
    from orch_nb.panel.panel import Panel as Panel
    from orch_nb.panel.static import static_html as static_html

__all__ = ["OnAsk", "Panel", "is_usable", "static_html"]


def is_usable() -> bool:
    """Whether this kernel can show live panels: the views were built, and widgets are there."""
    import importlib.util

    from orch_nb.panel.bundle import views_source

    return importlib.util.find_spec("anywidget") is not None and views_source() is not None


def __getattr__(name: str) -> Any:
    # Loaded when asked for: the command line must not import widgets.
    if name in ("OnAsk", "Panel"):
        from orch_nb.panel import panel

        return getattr(panel, name)
    if name == "static_html":
        from orch_nb.panel.static import static_html

        return static_html
    raise AttributeError(f"module 'orch_nb.panel' has no attribute {name!r}")


class _CallableModule(types.ModuleType):
    """The package is also the public function ``orch_nb.panel(run)``: importing a submodule binds
    its name in ``orch_nb``, so that one name has to serve as both."""

    def __call__(self, run: Any) -> Panel:
        """The panel of a run on record, finished or live: its name or id, or what
        ``run_notebook`` returned. Raises NotFoundError for a run that is not on record."""
        from orch_nb.panel.recorded import open_panel

        return open_panel(run)


sys.modules[__name__].__class__ = _CallableModule
