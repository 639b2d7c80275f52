"""The site of `make lite` in a real Chromium that reaches nothing else; ORCH_NB_LITE names it."""

from __future__ import annotations

import functools
import http.server
import os
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, Route, expect, sync_playwright

SITE = Path(os.environ.get("ORCH_NB_LITE", "."))
SLOW = 300_000  # milliseconds: Python itself is loaded by the page
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]

pytestmark = pytest.mark.timeout(900)


class Quiet(http.server.SimpleHTTPRequestHandler):
    """Files of the site, without a line for each."""

    def log_message(self, *_: object) -> None:
        """Nothing."""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    handler = functools.partial(Quiet, directory=str(SITE))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    installed = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """The first lesson, open; whatever is asked for elsewhere fails, and the test with it."""
    outside: list[str] = []

    def guard(route: Route) -> None:
        if route.request.url.startswith((address, "data:", "blob:")):
            route.continue_()
        else:
            outside.append(route.request.url)
            route.abort()

    context = browser.new_context(viewport={"width": 1300, "height": 2600})
    context.route("**/*", guard)
    page = context.new_page()
    page.goto(f"{address}/lab/index.html?path=first_flow.ipynb")
    yield page
    context.close()
    assert outside == []


def test_the_lesson_runs_in_the_page(page: Page) -> None:
    cells = page.locator(".jp-Notebook .jp-CodeCell")
    expect(cells).to_have_count(10, timeout=SLOW)
    expect(page.get_by_text("Python (Pyodide) | Idle").first).to_be_visible(timeout=SLOW)
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    last = cells.nth(9)
    said = last.locator(".jp-OutputArea-output")
    expect(said).to_contain_text("nothing is recorded there", timeout=SLOW)
    picture = os.environ.get("ORCH_NB_PICTURES")
    if picture:
        page.screenshot(path=str(Path(picture) / "lite.png"))
    flow = cells.nth(6)
    panel = flow.locator(".onb").first
    expect(panel).to_contain_text("reading")
    expect(panel).to_contain_text("Completed")
    expect(panel).to_contain_text("one after the other; nothing is recorded")
    rows = panel.get_by_role("option")  # the live list; a still picture has none
    expect(rows.filter(has_text="report")).to_contain_text("Completed")
    panel.get_by_role("tab", name="Graph").click()
    expect(panel.locator("svg.onb-canvas")).to_be_visible()
    again = cells.nth(7).locator(".onb").first
    expect(again).to_contain_text("up to date, 0 run")
    expect(cells.nth(8).locator(".jp-OutputArea-output")).to_contain_text("report")
