"""Flows that a cell asks for in the kernel: the page's own cells, their outputs, going on there."""

from __future__ import annotations

from playwright.sync_api import expect

from tests.acceptance.ui.lab import PATIENCE, LabPage

_CELLS = (
    "%load_ext orch_nb",
    "%%task load\nsales = [1, 2, 3]\nprint('loaded')",
    "%%task total\ntotal = 0",
    "%%task share\nshare = 6 / total\nprint(share)",
    "%%flow sales",
)


def test_a_flow_in_the_kernel_runs_what_the_page_shows(opened: LabPage) -> None:
    opened.open("live.ipynb", _CELLS)
    opened.write_cell(1, "%%task load\nsales = [1, 2, 4]\nprint('𝛼, not saved')")
    opened.run(0)
    opened.run(4)
    outputs = [opened.cell(number).locator(".jp-OutputArea") for number in range(5)]
    # the extension's own view, ahead of the widget, says what only the kernel knows
    view = opened.cell(4).locator(".onb-lab-run")
    expect(view.locator(".onb-status")).to_contain_text("Failed", timeout=PATIENCE)
    expect(view).to_contain_text("cells of live.ipynb, as they are in the page", timeout=PATIENCE)
    expect(view).to_contain_text("in your kernel: sales, total")
    # what the tasks put out is in their cells, as after Run All
    expect(outputs[1]).to_contain_text("𝛼, not saved", timeout=PATIENCE)
    expect(outputs[3]).to_contain_text("ZeroDivisionError", timeout=PATIENCE)
    expect(outputs[0]).to_have_text("")
    assert "Outputs (" not in outputs[4].inner_text()
    opened.check_accessibility(".jp-Notebook .onb-lab-run")
    opened.shoot("live")

    # mended, it goes on in the kernel, which then has the results
    opened.write_cell(2, "%%task total\ntotal = sum(sales)")
    view.get_by_role("button", name="Resume").click()
    dialog = opened.page.locator(".jp-Dialog")
    dialog.get_by_role("button", name="Resume: 2 run, 1 reused").click(timeout=PATIENCE)
    expect(view.locator(".onb-status")).to_contain_text("Completed", timeout=PATIENCE)
    expect(outputs[3]).to_contain_text("0.857", timeout=PATIENCE)
    opened.write_cell(0, "print(total, share)")
    opened.run(0)
    expect(outputs[0]).to_contain_text("7 0.857", timeout=PATIENCE)
