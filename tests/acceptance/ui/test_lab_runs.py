"""The Runs panel with 5,000 runs, and runs as documents: links, reloads, grids, comparisons."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from playwright.sync_api import expect

from orch_nb.states import StateName
from orch_nb.store import open_store
from orch_nb.store.ids import first_id_at
from tests.acceptance.ui.lab import PATIENCE, Lab, LabPage, run_of_the_notebook
from tests.sample_runs import a_run, tasks_of

RUNS = 5_000


def fill_history(home: Path, notebook: Path, count: int) -> None:
    """Ended runs, each a minute after the one before; one in ten has failed."""
    os.environ["ORCH_NB_HOME"], before = str(home), os.environ.get("ORCH_NB_HOME")
    began = datetime.now(UTC) - timedelta(minutes=count + 5)
    try:
        with open_store() as store:
            for first in range(0, count, 500):
                with_tasks = [
                    a_run(
                        id=f"{first_id_at(began + timedelta(minutes=number))}{number:018x}",
                        name=f"run-{number}",
                        flow=f"flow{number % 7}",
                        notebook=str(notebook),
                        state_name=StateName.FAILED if number % 10 == 0 else StateName.COMPLETED,
                        tags=("nightly",) if number % 2 else (),
                        start_time=began + timedelta(minutes=number),
                        end_time=began + timedelta(minutes=number, seconds=number % 50),
                    )
                    for number in range(first, first + 500)
                ]
                store.write(
                    lambda t, runs=with_tasks: [
                        t.create_flow_run(run, tasks_of(run, 2), holder=None, by="test")
                        for run in runs
                    ]
                )
    finally:
        del os.environ["ORCH_NB_HOME"]
        if before is not None:
            os.environ["ORCH_NB_HOME"] = before


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab")) as server:
        fill_history(server.home, server.root / "old.ipynb", RUNS)
        yield server


def test_five_thousand_runs_are_scrolled_filtered_and_searched(opened: LabPage, lab: Lab) -> None:
    page = opened.page
    page.goto(lab.home_address("many"))
    side = opened.show("Runs")
    rows = side.locator(".onb-lab-row")
    expect(rows.first).to_contain_text("run-4999", timeout=PATIENCE)
    frame = side.locator(".onb-lab-virtual")
    count = side.locator(".onb-lab-count")
    for _ in range(60):
        if count.inner_text() == "5000 runs":
            break
        frame.evaluate("node => { node.scrollTop = node.scrollHeight; }")
        page.wait_for_timeout(200)
    expect(count).to_have_text("5000 runs")
    frame.evaluate("node => { node.scrollTop = node.scrollHeight; }")
    expect(rows.last).to_contain_text("run-0")
    assert rows.count() < 100
    opened.shoot("many")
    # by the keyboard, too
    rows.last.focus()
    page.keyboard.press("Home")
    expect(rows.first).to_be_focused()
    expect(rows.first).to_contain_text("run-4999")
    page.keyboard.press("PageDown")
    page.keyboard.press("ArrowDown")
    expect(side.locator("[aria-posinset='2'] .onb-lab-row")).not_to_be_focused()

    side.get_by_label("state").select_option("failed")
    expect(rows.first).to_contain_text("run-4990", timeout=PATIENCE)
    side.get_by_label("search: run, flow or notebook").fill("run-123")
    expect(rows).to_have_count(1, timeout=PATIENCE)
    side.get_by_label("state").select_option("")
    expect(rows).to_have_count(11, timeout=PATIENCE)
    side.get_by_label("tag").fill("nightly")
    expect(rows).to_have_count(6, timeout=PATIENCE)
    side.get_by_label("search: run, flow or notebook").fill("")
    side.get_by_label("time").select_option("1")
    side.get_by_label("flow", exact=True).fill("flow1")
    expect(rows.first).to_contain_text("flow1", timeout=PATIENCE)
    # odd numbers of flow1 among the last 55 minutes or so
    expect(rows).to_have_count(4, timeout=PATIENCE)
    opened.check_accessibility("#orch-nb-side")


def test_many_are_resumed_together(opened: LabPage, lab: Lab) -> None:
    for name in ("a", "b"):
        opened.write(f"{name}.ipynb", ["x = 1", "y = x / 0"])
        run_of_the_notebook(lab, f"{name}.ipynb")
    for name in ("a", "b"):
        path = lab.root / f"{name}.ipynb"
        document = json.loads(path.read_text())
        document["cells"][1]["source"] = "y = x"
        path.write_text(json.dumps(document))
    opened.page.goto(lab.home_address("together"))
    side = opened.show("Runs")
    side.get_by_label("time").select_option("1")
    side.get_by_label("state").select_option("failed")
    rows = side.locator(".onb-lab-row")
    expect(rows.first).to_contain_text("b · ", timeout=PATIENCE)
    side.get_by_role("checkbox").nth(0).check()
    side.get_by_role("checkbox").nth(1).check()
    side.get_by_role("button", name="Resume 2").click()
    expect(side.get_by_role("status").filter(has_text="2 of 2 go on")).to_be_visible(
        timeout=PATIENCE
    )
    side.get_by_label("state").select_option("completed")
    expect(rows.nth(0)).to_contain_text("b · ", timeout=PATIENCE)
    expect(rows.nth(1)).to_contain_text("a · ", timeout=PATIENCE)


def test_a_link_leads_to_a_run_that_survives_a_reload(opened: LabPage, lab: Lab) -> None:
    page = opened.page
    cells = ["n = 1", "good = n", "bad = 1 / (n - 1)"]
    opened.write("linked.ipynb", cells)
    run_of_the_notebook(lab, "linked.ipynb")
    opened.write("linked.ipynb", ["n = 2", *cells[1:]])
    run_of_the_notebook(lab, "linked.ipynb")
    newest = lab.ask("/runs?limit=2&flow=linked")["runs"]
    assert [run["state_name"] for run in newest] == ["Completed", "Failed"]
    page.goto(lab.home_address("linked") + f"#orch-nb-run={newest[1]['id']}")
    run = page.locator(".onb-lab-document:visible")
    expect(run.locator(".onb-status")).to_contain_text("Failed", timeout=PATIENCE)
    expect(run.get_by_text("ZeroDivisionError").first).to_be_visible(timeout=PATIENCE)
    assert "orch-nb-run" not in page.url
    run.get_by_label("compare with").select_option(newest[0]["id"])
    expect(run.locator(".onb-lab-differences")).to_contain_text("Completed", timeout=PATIENCE)
    run.get_by_role("tab", name="Source").click()
    run.get_by_role("tab", name="Graph").click()
    opened.check_accessibility(".onb-lab-document")
    opened.shoot("compared")
    page.wait_for_timeout(1500)  # Lab keeps its layout a second after the last change
    page.reload()
    expect(run.get_by_role("tab", name="Graph")).to_have_attribute(
        "aria-selected", "true", timeout=PATIENCE
    )
    expect(run.locator(".onb-lab-differences")).to_contain_text("Completed", timeout=PATIENCE)

    run.get_by_role("button", name="Runs × tasks").click()
    grid = page.locator(".onb-lab-grid")
    expect(grid.locator("tbody tr")).to_have_count(3, timeout=PATIENCE)
    opened.check_accessibility(".onb-lab-scroll")
    opened.shoot("grid")
    grid.get_by_role("button", name="ZeroDivisionError").click()
    detail = run.locator(".onb-detail")
    expect(detail).to_contain_text("ZeroDivisionError", timeout=PATIENCE)
