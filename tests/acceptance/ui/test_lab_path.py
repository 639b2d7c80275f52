"""A newcomer's path through JupyterLab by clicks: tag, graph, run, open, resume, schedule."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.acceptance.ui.jupyter import JupyterServer, NotebookPage

_BROKEN = "report = 1 / flag"
_CELLS = ("flag = 0", "sales = [1, 2, 3]", "total = sum(sales)", _BROKEN)
_BUILT = Path(__file__).parents[3] / "orch_nb" / "labextension"
_PATIENCE = 60_000  # milliseconds
_SHOTS = "ORCH_NB_SHOTS"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    """JupyterLab with a data folder of its own."""
    folder: Path = tmp_path_factory.mktemp("lab")
    # as a wheel installs them; a working copy has neither
    config = folder / "jupyter_server_config.d" / "orch_nb.json"
    config.parent.mkdir()
    config.write_text(json.dumps({"ServerApp": {"jpserver_extensions": {"orch_nb.server": True}}}))
    extensions = folder / "data" / "labextensions"
    extensions.mkdir(parents=True)
    (extensions / "orch-nb").symlink_to(_BUILT)
    with JupyterServer("lab", folder) as server:
        yield server


@pytest.fixture
def opened(lab: JupyterServer, browser: Browser) -> Iterator[NotebookPage]:
    """A page whose console must stay clean."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = NotebookPage(context.new_page(), lab)
    page.page.on("pageerror", lambda error: page.errors.append(str(error)))
    yield page
    context.close()
    assert page.outside == []
    assert page.errors == []


def _tag(opened: NotebookPage, number: int, name: str) -> None:
    opened.cell(number).locator(".cm-content").click()
    button = opened.cell(number).locator("[data-command='orch-nb:tag-cell']").first
    button.click(timeout=_PATIENCE)
    dialog = opened.page.locator(".jp-Dialog")
    dialog.locator("input[name=name]").fill(name)
    dialog.get_by_role("button", name="Tag cell").click()
    expect(dialog).to_have_count(0)


def _side(page: Page, tab: str) -> None:
    icon = page.locator("[data-id='orch-nb-side']")
    if not page.locator("#orch-nb-side").is_visible():
        icon.click()
    page.locator("#orch-nb-side").get_by_role("tab", name=tab).click()


def _run(page: Page) -> None:
    page.locator(".jp-NotebookPanel-toolbar [data-command='orch-nb:run-flow']").click()
    page.locator(".jp-Dialog").get_by_role("button", name="Run", exact=True).click()


def _shoot(page: Page, name: str) -> None:
    if folder := os.environ.get(_SHOTS):
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def test_newcomers_path(opened: NotebookPage) -> None:
    page = opened.page
    opened.open("first.ipynb", _CELLS)
    _side(page, "Flow")
    side = page.locator("#orch-nb-side")
    _shoot(page, "0-open")
    expect(side.locator(".onb-lab-row")).to_have_count(4, timeout=_PATIENCE)

    for number, name in ((1, "load"), (2, "add"), (3, "report")):
        _tag(opened, number, name)
    expect(side.get_by_role("button", name="load")).to_be_visible()
    _shoot(page, "1-flow")

    _run(page)
    failed = opened.cell(3).locator(".onb-lab-mark[data-state=Failed]")
    expect(failed).to_be_visible(timeout=_PATIENCE)
    expect(opened.cell(2).locator(".onb-lab-mark")).to_contain_text("✓")
    expect(opened.cell(3).locator(".jp-OutputArea")).to_contain_text(
        "ZeroDivisionError", timeout=_PATIENCE
    )
    _side(page, "Runs")
    _shoot(page, "2-failed")
    side.get_by_role("button", name="Failed").first.click()
    run = page.locator(".onb-lab-run:visible")
    expect(run.get_by_text("ZeroDivisionError").first).to_be_visible(timeout=_PATIENCE)
    _shoot(page, "3-run")

    page.locator(".lm-TabBar-tab", has_text="first.ipynb").first.click()
    opened.cell(3).locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.type("report = 1")
    opened.save()
    side.get_by_role("button", name="Failed").first.click()
    run.get_by_role("button", name="Resume", exact=False).first.click()
    expect(run.locator(".onb-status")).to_contain_text("Completed", timeout=_PATIENCE)
    expect(side.locator(".onb-lab-row")).to_have_count(1)
    _shoot(page, "3-resumed")

    page.locator(".lm-TabBar-tab", has_text="first.ipynb").first.click()
    page.locator(".jp-NotebookPanel-toolbar [data-command='orch-nb:schedule']").click()
    dialog = page.locator(".jp-Dialog")
    dialog.locator("input[name=cron]").fill("* * * * *")
    expect(dialog.locator(".onb-lab-sentence")).to_contain_text("minute", timeout=_PATIENCE)
    _shoot(page, "4-schedule")
    dialog.get_by_role("button", name="Schedule", exact=True).click()
    expect(dialog).to_have_count(0)
    _side(page, "Schedules")
    expect(side.locator(".onb-lab-schedule")).to_contain_text("first", timeout=_PATIENCE)
    _shoot(page, "5-schedules")
    side.get_by_role("button", name="pause first").click()
    expect(side.locator(".onb-lab-schedule")).to_contain_text("paused", timeout=_PATIENCE)
