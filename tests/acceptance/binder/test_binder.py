"""The lessons, clicked through as on Binder: one core, 2 GB of memory, a home that is empty.

ORCH_NB_BINDER is the folder that `tests/acceptance/binder/run` has made: ``env`` has what
repo2docker installs, ``clone`` is the repository after its postBuild, ``home`` is empty.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, expect, sync_playwright

from tests.acceptance.ui.jupyter import JupyterServer
from tests.acceptance.ui.lab import lab_page

PLACE = Path(os.environ.get("ORCH_NB_BINDER", "."))
PICTURES = os.environ.get("ORCH_NB_PICTURES")
MOST = 2 * 1024**3  # bytes
SLOW = 180_000  # milliseconds for one lesson, on one core
FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]

# What each lesson must show somewhere; an error fails it as well.
LESSONS = {
    "quickstart": "rises by 1.35 ppm a year",
    "messy_to_flow": "sunspots: 70.3 a year",
    "parallel_and_equal": "a period of",
    "when_things_fail": "its inputs, as they were: sea, seconds",
    "caching": "changed  input longest",
    "flow_that_decides": "11.00 years, after 5 rounds of 7",
    "many_items": "sep 20.6 °C, mar 26.2 °C",
    "dask": "ppm a year",
    "scheduled_report": "run by hand",
    "model_selection": "3 neighbours",
    "flow_of_notebooks": "1990s: 1.52 ppm a year",
}

pytestmark = pytest.mark.timeout(900)


class Memory:
    """The most that all processes with this home have held at once, in bytes."""

    def __init__(self, home: Path) -> None:
        self.most = 0
        self._home = str(home)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch)
        self._thread.start()

    def end(self) -> None:
        """Stop watching."""
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._ended.wait(0.5):
            self.most = max(self.most, sum(self._held()))

    def _held(self) -> Iterator[int]:
        for process in psutil.process_iter():
            try:
                if process.environ().get("HOME") == self._home:
                    yield process.memory_full_info().pss
            except psutil.Error:
                continue


class Binder(JupyterServer):
    """JupyterLab as the image has it."""

    has_extension = True


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JupyterServer]:
    home = PLACE / "home"
    environ = {"HOME": str(home), "ORCH_NB_HOME": str(home / "data"), "ORCH_NB_WARM": "1"}
    lab = Binder(
        "lab",
        tmp_path_factory.mktemp("binder"),
        programs=PLACE / "env" / "bin",
        root=PLACE / "clone",
        environ=environ,
        cores={0},
    )
    with lab:
        memory = Memory(home)
        yield lab
        memory.end()
    subprocess.run([PLACE / "env/bin/orch-nb", "warm", "stop"], env=lab.environment, check=True)
    print(f"\nat most {memory.most / 1e6:.0f} MB")
    assert memory.most < MOST


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    installed = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=installed, args=FLAGS)
        yield browser
        browser.close()


@pytest.mark.parametrize("name", LESSONS)
def test_a_lesson_is_clicked_through(server: JupyterServer, browser: Browser, name: str) -> None:
    with lab_page(server, browser) as notebook:
        page = notebook.page
        page.set_viewport_size({"width": 1400, "height": 3000})
        notebook.visit(f"example_notebooks/{name}.ipynb", name)
        page.get_by_role("menuitem", name="Run", exact=True).click()
        page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
        cells = page.locator(".jp-Notebook .jp-CodeCell")
        expect(page.locator(".jp-Notebook")).to_contain_text(LESSONS[name], timeout=SLOW)
        last = cells.last.locator(".jp-InputPrompt")
        expect(last).to_have_text(re.compile(r"\[\d+\]:"), timeout=SLOW)
        idle = page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").first
        expect(idle).to_be_attached(timeout=SLOW)
        if name == "quickstart":
            panel = cells.last.get_by_role("region", name=re.compile("^run "))
            expect(panel).to_contain_text("Completed", timeout=SLOW)
            expect(panel.get_by_role("option").filter(has_text="trend")).to_be_visible()
            expect(page.locator("[data-command='orch-nb:run-flow']")).to_be_visible()
        if PICTURES:
            page.screenshot(path=str(Path(PICTURES) / f"binder-{name}.png"))
        expect(page.locator("[data-mime-type='application/vnd.jupyter.error']")).to_have_count(0)
        expect(page.locator("[data-mime-type='application/vnd.jupyter.stderr']")).to_have_count(0)
        page.get_by_role("menuitem", name="Kernel", exact=True).click()
        page.get_by_role("menuitem", name="Shut Down Kernel", exact=True).click()
