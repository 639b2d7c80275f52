"""Beside and below cells: states and their history, dataflow, problems with fixes, the form."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import expect

from tests.acceptance.ui.lab import PATIENCE, Lab, LabPage, run_of_the_notebook


@pytest.fixture(scope="module", params=["JupyterLab Light", "JupyterLab Dark"])
def lab(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab"), theme=request.param) as server:
        yield server


def test_states_of_a_run_of_somebody_else_and_those_before(opened: LabPage, lab: Lab) -> None:
    opened.open("watched.ipynb", ["n = 2", "m = n * 2", "k = 1 / (m - 4)"])
    opened.save()  # the ids of its cells, too
    run_of_the_notebook(lab, "watched.ipynb")
    mark = opened.cell(2).locator(".onb-lab-mark")
    expect(mark).to_have_attribute("data-state", "Failed", timeout=PATIENCE)
    expect(opened.cell(1).locator(".onb-lab-mark")).to_contain_text("s")
    run_of_the_notebook(lab, "watched.ipynb")
    # a cell that runs in the kernel does not lose its mark
    opened.run(0)
    expect(opened.cell(0).locator(".onb-lab-mark")).to_be_visible()
    mark.hover()
    tip = opened.page.locator(".onb-lab-tip")
    expect(tip.locator("li")).to_have_count(2, timeout=PATIENCE)
    expect(tip).to_contain_text("ZeroDivisionError")
    opened.shoot("history")
    opened.check_accessibility(".onb-lab-mark")
    mark.click()
    detail = opened.page.locator(".onb-lab-document:visible .onb-detail")
    expect(detail).to_contain_text("ZeroDivisionError", timeout=PATIENCE)


def test_what_the_active_cell_reads_and_hands_on(opened: LabPage) -> None:
    opened.open("chips.ipynb", ["sales = [1]", "total = sum(sales)", "print(total, sales)"])
    opened.cell(1).locator(".cm-content").click()
    bar = opened.page.locator(".onb-lab-bar")
    expect(bar.get_by_role("button")).to_have_count(2, timeout=PATIENCE)
    opened.check_accessibility(".onb-lab-bar")
    bar.get_by_role("button", name="total goes to cell-3, cell 3").click()
    chips = opened.cell(2).locator(".onb-lab-bar").get_by_role("button")
    expect(chips).to_have_count(2)
    expect(bar).to_have_count(1)


def test_problems_are_underlined_as_one_types_and_mended(opened: LabPage) -> None:
    opened.open("typos.ipynb", ["regions = ['é𝛼']", "1"])
    opened.write_cell(1, "print('é𝛼', reginos)")
    wrong = opened.cell(1).locator(".cm-lintRange")
    expect(wrong).to_have_text("reginos", timeout=PATIENCE)
    wrong.hover()
    fix = opened.page.locator(".cm-tooltip-lint").get_by_role("button", name="Change to regions")
    opened.shoot("problem")
    fix.click()
    expect(opened.cell(1).locator(".cm-content")).to_have_text("print('é𝛼', regions)")
    expect(wrong).to_have_count(0, timeout=PATIENCE)


def test_the_inspector_writes_metadata_or_the_line(opened: LabPage) -> None:
    opened.open("form.ipynb", ["x = 1", "%%task load --retries 1\ny = x"])
    page = opened.page
    opened.cell(1).locator(".cm-content").click()
    page.locator("[data-id='jp-property-inspector']").click()
    page.locator(".jp-PropertyInspector").get_by_text("Task of the flow").click()
    form = page.locator(".onb-lab-tool")
    expect(form.locator("input[name=name]")).to_have_value("load", timeout=PATIENCE)
    form.locator("input[name=retries]").fill("3")
    page.keyboard.press("Tab")
    text = opened.cell(1).locator(".cm-content")
    expect(text).to_contain_text("%%task load --retries 3", timeout=PATIENCE)
    opened.check_accessibility(".onb-lab-tool")
    opened.shoot("inspector")

    opened.cell(0).locator(".cm-content").click()
    expect(form.locator("select[name=kind]")).to_have_value("plain", timeout=PATIENCE)
    form.locator("select[name=kind]").select_option("task")
    expect(form.locator("input[name=name]")).to_be_visible(timeout=PATIENCE)
    form.locator("input[name=name]").fill("first")
    page.keyboard.press("Tab")
    rail = opened.show("Flow")
    expect(rail.get_by_role("button", name="task 1, first")).to_be_visible(timeout=PATIENCE)
    opened.expected = "status of 400"
    form.locator("input[name=retries]").fill("-3")
    page.keyboard.press("Tab")
    expect(form.get_by_role("status")).to_contain_text("retries", timeout=PATIENCE)
