"""A %%flow cell in JupyterLab and Notebook 7, by clicks: Run All, cancel, fail, mend, resume,
interrupt, restart, in the background."""

from __future__ import annotations

import os
import re
from pathlib import Path

from playwright.sync_api import Locator, expect

from tests.acceptance.ui.jupyter import NotebookPage
from tests.acceptance.ui.test_panel import SLOW, check_accessibility, panel_of

BEGIN = "%load_ext orch_nb\n%config OrchNb.tasks = 'defer'"
LOAD = "%%task load\nimport time\nsales = [1, 2, 3]\ntime.sleep(1)\nprint('loaded', len(sales))"
LONG = "%%task long\nfor step in range(100):\n    print(f'{step} %', sales[0])\n    time.sleep(0.6)"
BROKEN = "%%task months\nmonths = dict.fromkeys(sales)['month']"
MENDED = "%%task months\nmonths = dict.fromkeys(sales)"
LAST = "%%task shown\nshown = sorted(months)"


def status_of(cell: Locator) -> Locator:
    """How the run stands, in the panel or in the still picture."""
    return cell.locator(".onb-status, .onb-still-head").last


def cancel(cell: Locator) -> None:
    """By the panel's button: before ipykernel 7 a kernel hears nothing of its page while a cell
    runs, and the server sees to it."""
    panel_of(cell).get_by_role("button", name="Cancel").click()


def run_all(notebook: NotebookPage) -> None:
    """Run > Run All Cells, again where it was lost: the page was not ready for it yet."""
    page = notebook.page
    begun = notebook.cell(0).locator(".jp-InputPrompt").filter(has_text=re.compile(r"\[[\d*]+\]:"))
    asked = page.get_by_role("button", name="Select Kernel")
    for _ in range(6):
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        try:
            expect(asked.or_(begun).first).to_be_visible(timeout=6000)
        except AssertionError:
            continue
        if not asked.is_visible():
            return
        asked.click()
        notebook.wait_until_idle()
    raise AssertionError("the notebook did not run")


def picture(notebook: NotebookPage, name: str) -> None:
    """Keep a screenshot where ORCH_NB_PICTURES says."""
    folder = os.environ.get("ORCH_NB_PICTURES")
    if folder:
        path = Path(folder) / f"{notebook.server.app}-{name}.png"
        notebook.page.screenshot(path=str(path))


def ended(cell: Locator, number: int) -> None:
    """The cell's prompt says that it is not running any more."""
    expect(cell.locator(".jp-InputPrompt")).to_have_text(f"[{number}]:", timeout=SLOW)


def test_run_all_reload_and_cancel(notebook: NotebookPage) -> None:
    notebook.open("longer.ipynb", [BEGIN, LOAD, LONG, LAST, "%%flow"])
    run_all(notebook)
    cell = notebook.cell(4)
    panel = panel_of(cell)
    running = panel.get_by_role("option").filter(has_text="Running")
    expect(running.filter(has_text="long")).to_be_visible(timeout=SLOW)
    picture(notebook, "running")
    check_accessibility(notebook)

    notebook.save()
    notebook.page.reload()
    panel = panel_of(notebook.cell(4))
    expect(panel.locator(".onb-status")).to_contain_text("Running", timeout=SLOW)
    picture(notebook, "reloaded")
    cancel(notebook.cell(4))
    expect(panel.locator(".onb-status")).to_contain_text("Cancelled", timeout=SLOW)
    picture(notebook, "cancelled")


def test_run_all_by_hand_leaves_nothing_to_run(notebook: NotebookPage) -> None:
    edited = LOAD.replace("[1, 2, 3]", "[4]")
    notebook.open("by_hand.ipynb", ["%load_ext orch_nb", LOAD, "%%flow", "sales"])
    run_all(notebook)
    cell = notebook.cell(2)
    ended(cell, 3)
    panel = panel_of(cell)
    expect(panel.locator(".onb-status")).to_contain_text("Completed", timeout=SLOW)
    expect(panel).to_contain_text("2 up to date, 0 run")
    expect(panel.get_by_role("option").first).to_contain_text("Cached")

    notebook.cell(1).locator(".cm-content").click()
    notebook.page.keyboard.press("Control+a")
    notebook.page.keyboard.insert_text(edited)
    notebook.save()
    ended(notebook.run(2), 5)
    expect(panel_of(cell).get_by_role("option").first).to_contain_text("Completed", timeout=SLOW)
    value = notebook.run(3)
    expect(value.locator(".jp-OutputArea")).to_contain_text("[4]", timeout=SLOW)


def test_cancelled_by_its_button(notebook: NotebookPage) -> None:
    notebook.open("cancel.ipynb", [BEGIN, LOAD, LONG, "%%flow"])
    run_all(notebook)
    cell = notebook.cell(3)
    panel = panel_of(cell)
    running = panel.get_by_role("option").filter(has_text="Running")
    expect(running.filter(has_text="long")).to_be_visible(timeout=SLOW)
    cancel(cell)
    ended(cell, 4)
    panel = panel_of(cell)
    expect(panel.locator(".onb-status")).to_contain_text("Cancelled", timeout=SLOW)
    expect(cell.locator(".jp-OutputArea")).to_contain_text("KeyboardInterrupt")


def test_interrupted_the_kernel_stays_usable(notebook: NotebookPage) -> None:
    notebook.open("interrupt.ipynb", [BEGIN, LOAD, LONG, "%%flow", "sum([20, 22])"])
    run_all(notebook)
    cell = notebook.cell(3)
    running = panel_of(cell).get_by_role("option").filter(has_text="Running")
    expect(running.filter(has_text="long")).to_be_visible(timeout=SLOW)
    notebook.page.get_by_role("button", name="Interrupt the kernel").first.click()
    ended(cell, 4)
    expect(status_of(cell)).to_contain_text("Cancelled", timeout=SLOW)
    value = notebook.run(4)
    expect(value.locator(".jp-OutputArea")).to_contain_text("42", timeout=SLOW)


def test_a_restarted_kernel_goes_on_with_a_failed_run(notebook: NotebookPage) -> None:
    page = notebook.page
    notebook.open("restart.ipynb", [BEGIN, LOAD, BROKEN, LAST, "%%flow", "again", "shown"])
    run_all(notebook)
    ended(notebook.cell(4), 5)
    panel = panel_of(notebook.cell(4))
    expect(panel.locator(".onb-status")).to_contain_text("Failed", timeout=SLOW)
    name = (panel.get_attribute("aria-label") or "").removeprefix("run ")

    page.get_by_role("menuitem", name="Kernel", exact=True).click()
    page.get_by_role("menuitem", name=re.compile("^Restart Kernel…")).click()
    page.locator(".jp-Dialog .jp-mod-accept").click()
    notebook.wait_until_idle()
    for number, source in ((2, MENDED), (5, f"%flow resume {name}")):
        notebook.cell(number).locator(".cm-content").click()
        page.keyboard.press("Control+a")
        page.keyboard.insert_text(source)
    notebook.save()
    ended(notebook.run(0), 1)
    ended(notebook.run(5), 2)
    picture(notebook, "restarted")
    expect(panel_of(notebook.cell(5)).locator(".onb-status")).to_contain_text(
        "Completed", timeout=SLOW
    )
    value = notebook.run(6)
    expect(value.locator(".jp-OutputArea")).to_contain_text("[1, 2, 3]", timeout=SLOW)


def test_in_the_background_the_users_own_names_stay(notebook: NotebookPage) -> None:
    slow = LOAD.replace("sleep(1)", "sleep(4)")
    more = "%%task more\ntotal = sum(sales)"
    mine = "sales = 'my own'"
    cells = [BEGIN, slow, more, "%%flow --background", mine, "sales, total"]
    notebook.open("background.ipynb", cells)
    for number in range(5):
        notebook.run(number)
    expect(notebook.cell(4).locator(".jp-InputPrompt")).to_have_text("[5]:", timeout=SLOW)
    panel = panel_of(notebook.cell(3))
    expect(panel.locator(".onb-status")).to_contain_text("Running", timeout=SLOW)
    expect(panel.locator(".onb-status")).to_contain_text("Completed", timeout=SLOW)
    value = notebook.run(5)
    expect(value.locator(".jp-OutputArea")).to_contain_text("('my own', 6)", timeout=SLOW)


def test_fail_mend_and_resume(notebook: NotebookPage) -> None:
    page = notebook.page
    notebook.open("mend.ipynb", [BEGIN, LOAD, BROKEN, LAST, "%%flow", "shown, len(sales)"])
    run_all(notebook)
    cell = notebook.cell(4)
    ended(cell, 5)
    panel = panel_of(cell)
    expect(panel.locator(".onb-status")).to_contain_text("Failed", timeout=SLOW)
    expect(panel.locator(".onb-detail .onb-text")).to_contain_text("KeyError", timeout=SLOW)
    panel.get_by_role("button", name="Debug here").click()
    expect(panel.locator(".onb-told")).to_contain_text("in the kernel: sales", timeout=SLOW)
    picture(notebook, "failed")
    check_accessibility(notebook)
    panel.get_by_role("tab", name="Inputs").click()
    expect(panel.locator(".onb-values").first).to_contain_text("list of 3 items", timeout=SLOW)
    panel.get_by_role("button", name="Go to cell").click()
    expect(notebook.cell(2).locator(".cm-content")).to_be_focused()

    panel.get_by_role("button", name="Retry").click()
    expect(panel.locator(".onb-told")).to_contain_text("months runs again", timeout=SLOW)
    expect(panel.locator(".onb-status")).to_contain_text("Failed", timeout=SLOW)
    panel.get_by_role("button", name="Resume").click()
    expect(panel.locator(".onb-told")).to_contain_text("it goes on", timeout=SLOW)
    expect(panel.locator(".onb-status")).to_contain_text("Failed", timeout=SLOW)

    notebook.cell(2).locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(MENDED)
    notebook.save()
    panel = panel_of(cell)
    panel.get_by_role("button", name="Resume").click()
    panel = panel_of(cell)
    expect(panel.locator(".onb-status")).to_contain_text("Completed", timeout=SLOW)
    picture(notebook, "resumed")
    value = notebook.run(5)
    expect(value.locator(".jp-OutputArea")).to_contain_text("([1, 2, 3], 3)", timeout=SLOW)

    notebook.save()
    page.reload()
    notebook.wait_until_idle()
    panel = panel_of(notebook.cell(4))
    expect(panel.locator(".onb-status")).to_contain_text("Completed", timeout=SLOW)
    picture(notebook, "resumed-reloaded")
