"""How a flow is shown: by the panel where widgets are to be had, and by pictures until a page
has one."""

from __future__ import annotations

import os
from typing import Any

import pytest

import orch_nb.panel

VIEW = "application/vnd.jupyter.widget-view+json"
RUN = "application/vnd.orch-nb.run+json"


@pytest.mark.skipif(
    not orch_nb.panel.is_usable(), reason="the views are not built here: make views"
)
def test_the_panel_shows_a_flow_to_front_ends_with_and_without_widgets(
    start: Any, saved: Any
) -> None:
    saved.save(
        a="%%task slow\nimport time\ntime.sleep(6)\nx = 1",
        b="%%task broken\nprint('hello')\n1 / (x - 1)",
        f="%%flow",
    )
    kernel = start(saved.path)
    kernel.run("%config OrchNb.panel = True")
    ran = kernel.run("%%flow", "f")
    assert ran.status == "error"
    assert "broken failed: ZeroDivisionError" in ran.error
    assert VIEW in ran.shown[0]
    if "ORCH_NB_TEST_PYTHON" not in os.environ:  # older kernels can't tell that nobody asks
        stills = [bundle for bundle in ran.shown if VIEW in bundle]
        assert len(stills) > 2, "nobody asked, so the picture is shown again and again"
        assert any("◐  Running  slow" in bundle["text/plain"] for bundle in stills)
    last = ran.shown[-1]
    assert VIEW not in last
    actions = last[RUN]["snapshot"]["run"]["actions"]
    assert actions.keys() == {"resume", "retry", "debug", "output", "go"}
    assert "<details><summary>Outputs (1)</summary>" in last["text/html"]
    assert "in your kernel: " in last["text/html"]
    assert "✕  Failed  broken" in last["text/plain"]
    assert kernel.value("x") == "1"
