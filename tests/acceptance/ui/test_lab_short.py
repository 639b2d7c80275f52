"""JupyterLab in a minute, a part of `make test`: graph, tags, a run, its failure, its document."""

from __future__ import annotations

# what is not installed is told of as a skipped test
import pytest

pytest.importorskip("playwright.sync_api", reason="JUPYTERLAB IS NOT TESTED: install orch_nb[ui]")
pytest.importorskip("jupyterlab", reason="JUPYTERLAB IS NOT TESTED: install orch_nb[ui]")

from playwright.sync_api import Browser, expect

from tests.acceptance.ui.lab import BUILT, PATIENCE, Lab, lab_page


def test_lab_in_short(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> None:
    if not (BUILT / "package.json").is_file():
        pytest.skip("JUPYTERLAB IS NOT TESTED, its extension is not built: make views")
    with Lab(tmp_path_factory.mktemp("lab")) as server, lab_page(server, browser) as opened:
        opened.open("short.ipynb", ["sales = [1, 2]", "total = sum(sales)", "1 / (total - 3)"])
        side = opened.show("Flow")
        expect(side.locator(".onb-lab-cell")).to_have_count(3, timeout=PATIENCE)
        opened.tag(1, "add")
        expect(side.get_by_role("button", name="task 2, add")).to_be_visible(timeout=PATIENCE)
        opened.run_as_flow()
        marks = opened.page.locator(".jp-Notebook .onb-lab-mark")
        expect(marks.nth(2)).to_have_attribute("data-state", "Failed", timeout=PATIENCE)
        outputs = opened.cell(2).locator(".jp-OutputArea")
        expect(outputs).to_contain_text("ZeroDivisionError", timeout=PATIENCE)
        marks.nth(2).click()
        run = opened.page.locator(".onb-lab-document:visible")
        expect(run.locator(".onb-detail")).to_contain_text("ZeroDivisionError", timeout=PATIENCE)
