"""A newcomer's path through JupyterLab by clicks: tag, graph, run, debug, resume, schedule."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.acceptance.ui.lab import PATIENCE, Lab, LabPage

pytestmark = pytest.mark.timeout(600)  # it waits for a schedule of every minute
_BROKEN = "report = 1 / flag"
_CELLS = ("sales = [1, 2, 3]", "flag = len(sales) - 3", "total = sum(sales)", _BROKEN)


def test_newcomers_path(opened: LabPage, lab: Lab) -> None:
    page = opened.page
    opened.open("first.ipynb", _CELLS)
    side = opened.show("Flow")
    expect(side.locator(".onb-lab-cell")).to_have_count(4, timeout=PATIENCE)
    opened.check_accessibility("#orch-nb-side")

    opened.tag(1, "load")
    # from the menu of a cell that is not the active one, and by the shortcut
    opened.cell(2).locator(".cm-content").click(button="right")
    page.locator(".lm-Menu-item", has_text="Tag Cell as Task").click()
    name = page.locator(".jp-Dialog input[name=name]")
    name.fill("add", timeout=PATIENCE)
    page.keyboard.press("Enter")
    expect(name).to_have_count(0, timeout=PATIENCE)
    opened.cell(3).locator(".cm-content").click()
    page.keyboard.press("Control+Alt+t")
    name.fill("report", timeout=PATIENCE)
    page.keyboard.press("Enter")
    expect(name).to_have_count(0, timeout=PATIENCE)
    expect(side.get_by_role("button", name="task 2, load")).to_be_visible()
    opened.shoot("1-flow")

    opened.run_as_flow()
    failed = opened.cell(3).locator(".onb-lab-mark[data-state=Failed]")
    expect(failed).to_be_visible(timeout=PATIENCE)
    expect(opened.cell(2).locator(".onb-lab-mark[data-state=Completed]")).to_be_visible()
    outputs = opened.cell(3).locator(".jp-OutputArea")
    expect(outputs).to_contain_text("ZeroDivisionError", timeout=PATIENCE)
    expect(opened.cell(3).locator(".jp-InputPrompt")).to_have_text("[4]:")
    opened.show("Runs")
    opened.check_accessibility("#orch-nb-side")
    opened.shoot("2-failed")
    side.locator(".onb-lab-row").first.click()
    run = page.locator(".onb-lab-document:visible")
    expect(run.get_by_text("ZeroDivisionError").first).to_be_visible(timeout=PATIENCE)
    opened.check_accessibility(".onb-lab-document")
    opened.shoot("3-run")

    run.get_by_role("button", name="Debug here").click()
    active = opened.cell(3).locator(".onb-lab-bar")  # the cell is the active one
    expect(active).to_contain_text("flag", timeout=PATIENCE)
    opened.tab("first ·")
    expect(run.locator(".onb-told")).to_contain_text("as they were: flag", timeout=PATIENCE)

    opened.tab("first.ipynb")
    opened.write_cell(3, "report = 1")
    opened.tab("first ·")
    run.get_by_role("button", name="Resume", exact=False).first.click()
    dialog = page.locator(".jp-Dialog")
    expect(dialog).to_contain_text("cell 4 edited", timeout=PATIENCE)
    opened.check_accessibility(".jp-Dialog .onb-lab-dialog")
    dialog.get_by_role("button", name="Resume: 1 run, 2 reused").click()
    expect(run.locator(".onb-status")).to_contain_text("Completed", timeout=PATIENCE)
    expect(side.locator(".onb-lab-row")).to_have_count(1)
    chart = run.locator(".onb-lab-chart").get_by_role("button")
    expect(chart).to_have_accessible_name(re.compile("Completed"), timeout=PATIENCE)
    opened.shoot("4-resumed")

    opened.tab("first.ipynb")
    # the outputs of the resumed run have come into the cells, too
    expect(outputs).not_to_contain_text("ZeroDivisionError", timeout=PATIENCE)
    opened.notebook_button("schedule")
    dialog.locator("input[name=cron]").fill("* * * * *")
    expect(dialog.locator(".onb-lab-sentence")).to_contain_text("minute", timeout=PATIENCE)
    opened.check_accessibility(".jp-Dialog .onb-lab-dialog")
    opened.shoot("5-schedule")
    dialog.get_by_role("button", name="Schedule", exact=True).click()
    expect(dialog).to_have_count(0, timeout=PATIENCE)
    opened.show("Schedules")
    expect(side.locator(".onb-lab-schedule")).to_contain_text("first", timeout=PATIENCE)
    opened.check_accessibility("#orch-nb-side")
    expect(side.locator(".onb-lab-note").first).to_have_text(
        "Schedules run while this Jupyter server is up" + "Keep it running", timeout=PATIENCE
    )
    opened.shoot("6-schedules")
    assert lab.processes() != []  # the daemon, which is to go with the server

    opened.show("Runs")
    done = side.get_by_role("listitem").filter(has_text="Completed")
    expect(done).to_have_count(2, timeout=130_000)
    opened.show("Schedules")
    side.get_by_role("button", name="pause first").click()
    expect(side.locator(".onb-lab-schedule")).to_contain_text("paused", timeout=PATIENCE)
