"""A real Jupyter server and a real Chromium. `make test` runs the short one of these tests, where
there is a browser; `make test-ui` runs them all, and wants one."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.acceptance.ui.jupyter import JupyterServer, NotebookPage
    from tests.acceptance.ui.lab import Lab, LabPage

_ALL = os.environ.get("ORCH_NB_UI") == "1"
_FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

collect_ignore_glob = [] if _ALL else ["test_[!l]*.py", "test_lab_[!s]*.py", "test_lab_s[!h]*.py"]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """An installed Chromium, else the one that playwright brought."""
    from playwright.sync_api import Error, sync_playwright

    installed = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    with sync_playwright() as playwright:
        try:
            browser = playwright.chromium.launch(executable_path=installed, args=_FLAGS)
        except Error:
            if _ALL:
                raise
            pytest.skip("JUPYTERLAB IS NOT TESTED: no browser; playwright install chromium")
        yield browser
        browser.close()


@pytest.fixture(scope="session", params=["lab", "notebook"])
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[JupyterServer]:
    """JupyterLab, then Notebook 7, each with a data folder of its own."""
    from tests.acceptance.ui.jupyter import JupyterServer

    folder: Path = tmp_path_factory.mktemp(request.param)
    with JupyterServer(request.param, folder) as server:
        yield server


@pytest.fixture
def notebook(server: JupyterServer, browser: Browser) -> Iterator[NotebookPage]:
    """A page that may only speak to the server, and whose console must stay clean."""
    from tests.acceptance.ui.jupyter import NotebookPage

    context = browser.new_context(viewport={"width": 1280, "height": 1000})
    page = NotebookPage(context.new_page(), server)
    yield page
    context.close()
    assert page.outside == []
    assert page.errors == []


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """JupyterLab with the extension; the tests of a module share it."""
    from tests.acceptance.ui.lab import Lab

    with Lab(tmp_path_factory.mktemp("lab")) as server:
        yield server


@pytest.fixture
def opened(lab: Lab, browser: Browser) -> Iterator[LabPage]:
    """A page of it."""
    from tests.acceptance.ui.lab import lab_page

    with lab_page(lab, browser) as page:
        yield page
