"""The widgets behind a panel: one for each run, and one a kernel that holds the views."""

from __future__ import annotations

import hashlib
import uuid
from collections.abc import Callable
from typing import Any

import anywidget
import ipywidgets
import traitlets

from orch_nb.panel.bundle import LOADER, views_source

Heard = Callable[[Any, Any, Any], None]  # the widget, what was said, buffers


class ViewsHolder(ipywidgets.Widget):  # type: ignore[misc]
    """Holds the views' source, so that it goes to a page once and not with every panel."""

    source = traitlets.Unicode().tag(sync=True)


class RunWidget(anywidget.AnyWidget):
    """One run in the page.

    The state a page asks for is made when it asks (``whole``): changes go out as messages of their
    own, and never as traits.
    """

    _esm = LOADER
    views = traitlets.Unicode().tag(sync=True)
    digest = traitlets.Unicode().tag(sync=True)
    key = traitlets.Unicode().tag(sync=True)
    snapshot = traitlets.Any().tag(sync=True, to_json=lambda _, widget: widget.whole())

    def __init__(self, whole: Callable[[], Any], heard: Heard, **state: Any) -> None:
        self.whole = whole
        # before the page is told of it: kernels with subshells take its first question at once
        self.on_msg(heard)
        holder = _holder()
        state |= {"views": holder.model_id, "digest": _digest(holder.source)}
        super().__init__(key=uuid.uuid4().hex, **state)

    def view_metadata(self) -> dict[str, Any]:
        """What a display of the widget needs beside its view: Colab, where widgets that are not
        its own are shown by a manager at an address that the display tells."""
        shown = self._repr_mimebundle_()
        return dict(shown[1]) if isinstance(shown, tuple) else {}


_held: list[ViewsHolder] = []


def _holder() -> ViewsHolder:
    """The kernel's one holder; a new one where the last was closed (`Widget.close_all`)."""
    if not _held or _held[0].comm is None:
        _held[:] = [ViewsHolder(source=views_source() or "")]
    return _held[0]


def _digest(source: str) -> str:
    return hashlib.sha256(source.encode()).hexdigest()[:16]
