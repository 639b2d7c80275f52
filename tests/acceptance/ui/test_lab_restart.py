"""The server stops in the middle and comes back; a notebook is open in two tabs."""

from __future__ import annotations

from playwright.sync_api import Browser, expect

from tests.acceptance.ui.lab import PATIENCE, Lab, LabPage, lab_page

_SLOW = ["import time\nn = 1", "time.sleep(12)\nm = n + 1", "print('the end', m)"]


def test_a_restart_of_the_server_loses_nothing(opened: LabPage, lab: Lab) -> None:
    page = opened.page
    opened.open("slow.ipynb", _SLOW)
    opened.save()
    side = opened.show("Runs")
    opened.run_as_flow()
    state = opened.cell(1).locator(".onb-lab-mark")
    expect(state).to_have_attribute("data-state", "Running", timeout=PATIENCE)
    side.locator(".onb-lab-row").first.click()
    run = page.locator(".onb-lab-document:visible")
    expect(run.locator(".onb-status")).to_contain_text("Running", timeout=PATIENCE)
    opened.expected = ""  # all that fails while the server is away
    lab.stop()
    page.wait_for_timeout(2000)
    lab.start()
    # the run went on without the server, and the page hears of what it missed
    expect(run.locator(".onb-status")).to_contain_text("Completed", timeout=PATIENCE)
    opened.expected = "\0"
    expect(side.locator(".onb-lab-row").first).to_contain_text("Completed", timeout=PATIENCE)
    opened.dismiss()
    opened.tab("slow.ipynb")
    expect(state).to_have_attribute("data-state", "Completed", timeout=PATIENCE)
    expect(opened.cell(2).locator(".jp-OutputArea")).to_contain_text("the end 2", timeout=PATIENCE)


def test_two_tabs_on_one_notebook(opened: LabPage, lab: Lab, browser: Browser) -> None:
    opened.open("both.ipynb", ["n = 1", "m = n + 1\nprint(m)"])
    opened.save()
    with lab_page(lab, browser) as other:
        other.visit("both.ipynb", "other")
        expect(other.show("Flow").locator(".onb-lab-cell")).to_have_count(2, timeout=PATIENCE)
        opened.run_as_flow()
        for page in (opened, other):
            mark = page.cell(1).locator(".onb-lab-mark")
            expect(mark).to_have_attribute("data-state", "Completed", timeout=PATIENCE)
        # outputs go to the tab in which the run was started, and nowhere else
        outputs = ".jp-OutputArea-output"
        expect(opened.cell(1).locator(outputs)).to_have_text("2\n", timeout=PATIENCE)
        expect(other.cell(1).locator(outputs)).to_have_count(0)
        other.write_cell(1, "k = n + missing")
        expect(other.cell(1).locator(".cm-lintRange")).to_have_text("missing", timeout=PATIENCE)
        expect(opened.cell(1).locator(".cm-lintRange")).to_have_count(0)
