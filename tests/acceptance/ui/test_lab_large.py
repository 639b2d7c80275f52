"""A notebook of 300 cells: its rail and graph follow what is typed, and select both ways."""

from __future__ import annotations

import re

from playwright.sync_api import expect

from tests.acceptance.ui.lab import PATIENCE, LabPage

CELLS = 300


def many_cells(count: int) -> list[str]:
    """Cells of which each reads from the one three before."""
    rest = [
        f"x{n} = [v + {n} for v in x{max(0, n - 3)}]\nprint(x{n // 2})" for n in range(1, count)
    ]
    return ["x0 = [1]", *rest]


def test_three_hundred_cells(opened: LabPage) -> None:
    page = opened.page
    opened.open("large.ipynb", many_cells(CELLS))
    side = opened.show("Flow")
    rows = side.locator(".onb-lab-cell")
    expect(rows).to_have_count(CELLS, timeout=PATIENCE)

    # from the rail to the notebook, far out of its view
    rows.nth(250).click()
    active = page.locator(".jp-Notebook .jp-CodeCell.jp-mod-active")
    expect(active).to_have_count(1, timeout=2 * PATIENCE)  # Lab makes them little by little
    expect(active.locator(".cm-content")).to_contain_text("x250 = ", timeout=PATIENCE)
    expect(active.locator(".onb-lab-bar")).to_contain_text("x247", timeout=PATIENCE)

    # as one types: a name that is new is in the rail, and one that is not there is underlined
    active.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text("fresh = x7\nprint(x777)")
    expect(rows.nth(250)).to_contain_text("x7(8)", timeout=PATIENCE)
    expect(active.locator(".cm-lintRange")).to_have_text("x777", timeout=PATIENCE)
    opened.shoot("large")

    # in full, and both ways
    side.get_by_role("button", name="Graph", exact=True).click()
    graph = page.locator(".onb-lab-full-graph:visible")
    boxes = graph.locator(".onb-box")
    expect(boxes).to_have_count(CELLS, timeout=PATIENCE)
    chosen = graph.locator(".onb-chosen")
    expect(chosen).to_have_attribute("id", ends(251), timeout=PATIENCE)
    expect(chosen).to_have_attribute("aria-label", re.compile("x7"))
    boxes.nth(8).dispatch_event("click")
    expect(rows.nth(8)).to_have_attribute("aria-current", "true")
    rows.nth(3).click()
    expect(chosen).to_have_attribute("id", ends(4), timeout=PATIENCE)
    opened.shoot("large-graph")


def ends(cell: int) -> re.Pattern[str]:
    """How the graph's view ends the id of a cell's box."""
    return re.compile(rf"-node-{cell}$")
