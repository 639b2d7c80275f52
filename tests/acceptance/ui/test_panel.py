"""The panel in JupyterLab and Notebook 7, with a real kernel and a real browser."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Locator, expect

from orch_nb.model import FlowRun
from orch_nb.states import StateName
from orch_nb.store import new_holder, open_store
from tests.acceptance.ui.jupyter import JupyterServer, NotebookPage
from tests.sample_runs import a_run, tasks_of
from tests.unit.panel.samples import BEGAN, HOSTILE, later

AXE = Path(__file__).resolve().parents[3] / "labextension/node_modules/axe-core/axe.min.js"
SLOW = 40_000  # milliseconds: kernels start, and the machine may be busy

FAILING = [
    "import time",
    "sales = [1, 2, 3]\ntime.sleep(0.2)\nprint('loaded', len(sales))",
    "regions = {r: sum(sales) for r in range(4)}",
    "months = dict.fromkeys(sales)['month']",
    "fig = [regions, months]",
]
LONG = [
    "import time",
    "sales = [1, 2, 3]\ntime.sleep(1)",
    "for step in range(100):\n    print(f'{step} %', sales[0])\n    time.sleep(0.6)",
    "fig = sales",
]


def run_notebook(server: JupyterServer, name: str) -> subprocess.Popen[bytes]:
    """Start a run in another process, as a scheduler would."""
    command = [sys.executable, "-m", "orch_nb.cli.__main__", "run", name, "--cells", "all", "-q"]
    return subprocess.Popen(
        command,
        cwd=server.root,
        env=server.environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def panel_of(cell: Locator) -> Locator:
    """The panel that a cell shows, once it is there."""
    panel = cell.locator(".onb").last
    expect(panel.locator(".onb-status")).to_be_visible(timeout=SLOW)
    return panel


def check_accessibility(page: NotebookPage) -> None:
    """No violation of the rules that axe knows, in any view."""
    if not AXE.exists():
        pytest.skip("axe-core is not installed: npm ci in labextension/")
    page.page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.page.evaluate("axe.run('.onb')")
    problems = [
        f"{v['id']}: {v['nodes'][0]['html'][:160]} {v['nodes'][0]['failureSummary']}"
        for v in found["violations"]
    ]
    assert problems == []


def test_a_stored_run_that_failed(notebook: NotebookPage) -> None:
    server = notebook.server
    notebook.write("failing.ipynb", FAILING)
    assert run_notebook(server, "failing.ipynb").wait(120) == 1
    sources: list[int] = []

    def received(payload: Any) -> None:
        data = payload if isinstance(payload, bytes) else str(payload).encode()
        if b"getElementsByClassName" in data:
            sources.append(len(data))

    notebook.page.on("websocket", lambda socket: socket.on("framereceived", received))
    look = "import orch_nb, orch_nb.app\norch_nb.panel(orch_nb.app.runs()[0].name)"
    notebook.open("look.ipynb", [look, look])
    panel = panel_of(notebook.run(0))
    expect(panel.locator(".onb-status")).to_contain_text("Failed")
    # the failed task comes first, and opens by itself
    expect(panel.get_by_role("option").first).to_contain_text("KeyError: 'month'")
    expect(panel.locator(".onb-detail .onb-text")).to_contain_text("Traceback", timeout=SLOW)
    check_accessibility(notebook)

    rows = panel.get_by_role("listbox")
    rows.focus()
    notebook.page.keyboard.press("ArrowDown")
    notebook.page.keyboard.press("Enter")
    expect(panel.locator(".onb-detail")).to_contain_text("loaded 3", timeout=SLOW)
    panel.get_by_role("tab", name="Source").click()
    expect(panel.locator(".onb-detail")).to_contain_text("sales = [1, 2, 3]")

    panel.get_by_role("tab", name="Graph", exact=True).click()
    box = panel.get_by_role("button", name=re.compile("regions, cell 3"))
    box.focus()
    expect(panel.locator(".onb-reason")).to_contain_text("reads 'sales', set in cell 2")
    check_accessibility(notebook)
    panel.get_by_role("tab", name="Logs").click()
    check_accessibility(notebook)

    panel_of(notebook.run(1))
    assert len(sources) == 1, "the views are sent once a kernel, not once a panel"

    notebook.save()
    kept = json.loads((server.root / "look.ipynb").read_text(encoding="utf-8"))
    (output,) = kept["cells"][0]["outputs"]
    assert set(output["data"]) == {
        "text/html",
        "text/plain",
        "application/vnd.orch-nb.run+json",
    }
    notebook.page.reload()
    notebook.wait_until_idle()
    panel = panel_of(notebook.cell(0))
    expect(panel.get_by_role("tab", name="Logs")).to_have_attribute("aria-selected", "true")


def test_a_live_run_survives_a_reload_and_is_cancelled_by_its_button(
    notebook: NotebookPage,
) -> None:
    server = notebook.server
    notebook.write("long.ipynb", LONG)
    with run_notebook(server, "long.ipynb") as process:
        look = (
            "import orch_nb, orch_nb.app as app, time\n"
            "while not (found := [run for run in app.runs() if run.flow == 'long']):\n"
            "    time.sleep(0.1)\n"
            "orch_nb.panel(found[0])"
        )
        notebook.open("live.ipynb", [look])
        panel = panel_of(notebook.run(0))
        running = panel.get_by_role("option").filter(has_text="Running")
        expect(running).to_contain_text("cell-3", timeout=SLOW)
        turning = running.locator(".turning")
        style = "node => getComputedStyle(node).animationName"
        assert turning.evaluate(style) == "onb-turn"
        notebook.page.emulate_media(reduced_motion="reduce", forced_colors="active")
        assert turning.evaluate(style) == "none"
        check_accessibility(notebook)
        notebook.page.emulate_media(reduced_motion=None, forced_colors=None)
        first = running.inner_text()
        expect(running).not_to_have_text(first, timeout=SLOW)
        check_accessibility(notebook)

        notebook.save()
        notebook.page.reload()
        notebook.wait_until_idle()
        panel = panel_of(notebook.cell(0))
        expect(panel.locator(".onb-status")).to_contain_text("Running", timeout=SLOW)
        panel.get_by_role("button", name="Cancel").click()
        expect(panel.locator(".onb-status")).to_contain_text("Cancelled", timeout=SLOW)
        expect(panel.get_by_role("status")).to_contain_text("cancelled")
        assert process.wait(60) == 130


def test_the_buttons_of_a_run_on_record(notebook: NotebookPage) -> None:
    server = notebook.server
    notebook.write("broken.ipynb", FAILING)
    assert run_notebook(server, "broken.ipynb").wait(120) == 1
    look = "import orch_nb, orch_nb.app\norch_nb.panel(orch_nb.app.runs(flow='broken')[0].name)"
    notebook.open("buttons.ipynb", [look])
    panel = panel_of(notebook.run(0))
    expect(panel.locator(".onb-status")).to_contain_text("Failed", timeout=SLOW)
    expect(panel.locator(".onb-detail")).to_contain_text("KeyError", timeout=SLOW)
    # its cells are in another notebook, and debugging is the %flow magic's
    expect(panel.get_by_role("button", name="Go to cell")).to_have_count(0)
    expect(panel.get_by_role("button", name="Debug here")).to_have_attribute(
        "aria-disabled", "true"
    )
    panel.get_by_role("button", name="Retry").click()
    expect(panel.locator(".onb-told")).to_contain_text("it goes on in process", timeout=SLOW)
    expect(panel.locator(".onb-status")).to_contain_text("Failed", timeout=SLOW)

    file = server.root / "broken.ipynb"
    file.write_text(file.read_text(encoding="utf-8").replace("['month']", "[1]"), "utf-8")
    panel.get_by_role("button", name="Resume").click()
    expect(panel.locator(".onb-status")).to_contain_text("Completed", timeout=SLOW)
    check_accessibility(notebook)
    with notebook.page.context.expect_page() as opened:
        panel.get_by_role("button", name="Output notebook").click()
    expect(panel.locator(".onb-told")).to_contain_text("broken.run.ipynb")
    other = opened.value
    expect(other.locator(".jp-Notebook .jp-CodeCell").nth(3)).to_be_attached(timeout=SLOW)
    assert other.url.partition("?")[0].endswith("/broken.run.ipynb")
    other.close()


IN_THE_KERNEL = """
import asyncio, orch_nb, orch_nb.app as app
from orch_nb.app.viewing import first_view
from orch_nb.engine.events import RunStarted

loop = asyncio.get_running_loop()
begun = loop.create_future()
control = app.Control()

def cancel(action, row):
    control.cancel()
    return "cancelling"

def listen(event):
    global panel
    if isinstance(event, RunStarted):
        panel = orch_nb.panel.Panel(first_view(event), on_ask=cancel, actions={"cancel": ""})
        loop.call_soon_threadsafe(begun.set_result, None)
    panel.feed(event)

request = app.RunRequest("long.ipynb", options={"cells": "all"})
run = asyncio.create_task(asyncio.to_thread(app.run, request, listen, control))
await begun
panel.show()
await run
panel.finish()
"""


@pytest.mark.skipif(
    "ORCH_NB_TEST_PYTHON" in os.environ,
    reason="before ipykernel 7 a kernel hears nothing of its page while a cell runs",
)
def test_a_run_of_this_kernel_shows_progress_and_answers_while_its_cell_runs(
    notebook: NotebookPage,
) -> None:
    notebook.write("long.ipynb", LONG)
    notebook.open("here.ipynb", [IN_THE_KERNEL])
    cell = notebook.run(0)
    panel = panel_of(cell)
    running = panel.get_by_role("option").filter(has_text=re.compile(r"\d %"))
    expect(running).to_contain_text("Running", timeout=SLOW)
    expect(cell.locator(".jp-InputPrompt")).to_have_text("[*]:")
    panel.get_by_role("button", name="Cancel").click()
    panel = panel_of(cell)
    expect(panel.locator(".onb-status")).to_contain_text("Cancelled", timeout=SLOW)
    expect(cell.locator(".jp-InputPrompt")).to_have_text("[1]:", timeout=SLOW)
    # the notebook keeps the still picture; what is on the screen is live again
    expect(cell.locator(".onb-still")).to_be_hidden()
    expect(cell.locator(".onb")).to_have_count(1)


def hostile_run(server: JupyterServer) -> FlowRun:
    """A run on record whose names are all as bad as they get."""
    server.home.mkdir(exist_ok=True)
    name = "<b>otter</b> & co"
    run = replace(
        a_run(name=name, flow=HOSTILE[0], parameters={text: text for text in HOSTILE[:7]}),
        state_name=StateName.FAILED,
        start_time=BEGAN,
        end_time=later(9),
        state_message=HOSTILE[1],
    )
    tasks = [
        replace(
            task,
            name=text.encode("utf-8", "replace").decode() or "empty",
            state_name=StateName.FAILED,
            state_message=text,
            start_time=later(place),
            end_time=later(place + 1),
            seconds=1.0,
            error_name="<img src=x onerror=alert(2)>",
            error_value=text.encode("utf-8", "replace").decode(),
            error_line=1,
        )
        for place, (task, text) in enumerate(zip(tasks_of(run, len(HOSTILE)), HOSTILE, strict=True))
    ]
    with open_store(str(server.home / "store.db")) as store:
        return store.write(lambda t: t.create_flow_run(run, tasks, holder=new_holder(), by="test"))


def test_hostile_names_stay_text_in_both_views(notebook: NotebookPage) -> None:
    os.environ["ORCH_NB_HOME"] = str(notebook.server.home)
    run = hostile_run(notebook.server)
    still = (
        "from IPython.display import HTML\nimport orch_nb\n"
        f"panel = orch_nb.panel('{run.id}')\n"
        "HTML(panel._repr_html_().replace('onb-id-', 'no-id-'))"
    )
    notebook.open("hostile.ipynb", [f"import orch_nb\norch_nb.panel('{run.id}')", still])
    live = notebook.run(0)
    panel = panel_of(live)
    expect(panel.locator(".onb-flow")).to_have_text(HOSTILE[0])
    for tab in ("Graph", "Logs", "List"):
        panel.get_by_role("tab", name=tab, exact=True).click()
    page = notebook.run(1)
    expect(page.locator(".onb-still")).to_be_visible(timeout=SLOW)
    assert (
        notebook.page.locator(".onb img, .onb script, .onb b, .onb-still :is(script, b)").count()
        == 0
    )
    widths = panel.evaluate("node => [node.scrollWidth, node.clientWidth]")
    assert widths[0] <= widths[1] + 1
    check_accessibility(notebook)
