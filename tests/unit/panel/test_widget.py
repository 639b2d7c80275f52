"""The widget behind a panel, without a page."""

from __future__ import annotations

import sys
import types
from typing import Any

import pytest

pytest.importorskip("anywidget")

ADDRESS = "https://colab.test/manager.js"


@pytest.mark.filterwarnings("ignore:Deprecated in traitlets")
def test_colab_is_told_where_the_manager_of_such_widgets_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from orch_nb.panel.panel import WIDGET_MIME
    from orch_nb.panel.widget import RunWidget

    asked: list[str] = []
    output: Any = types.ModuleType("google.colab.output")
    output.enable_custom_widget_manager = lambda: asked.append("enabled")
    output._widgets = types.SimpleNamespace(_installed_url=ADDRESS)
    widget = RunWidget(dict, print)
    assert widget.view_metadata() == {}
    monkeypatch.setitem(sys.modules, "google.colab.output", output)
    found = widget.view_metadata()
    assert found == {WIDGET_MIME: {"colab": {"custom_widget_manager": {"url": ADDRESS}}}}
