"""A real Jupyter server and a real Chromium; only `make test-ui` runs these tests."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

if os.environ.get("ORCH_NB_UI") != "1":
    collect_ignore_glob = ["test_*.py"]
else:
    from playwright.sync_api import Browser, sync_playwright

    from tests.acceptance.ui.jupyter import JupyterServer, NotebookPage

    _FLAGS = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]

    @pytest.fixture(scope="session")
    def browser() -> Iterator[Browser]:
        """An installed Chromium, else the one that playwright brought."""
        installed = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=installed, args=_FLAGS)
            yield browser
            browser.close()

    @pytest.fixture(scope="session", params=["lab", "notebook"])
    def server(
        request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> Iterator[JupyterServer]:
        """JupyterLab, then Notebook 7, each with a data folder of its own."""
        folder: Path = tmp_path_factory.mktemp(request.param)
        with JupyterServer(request.param, folder) as server:
            yield server

    @pytest.fixture
    def notebook(server: JupyterServer, browser: Browser) -> Iterator[NotebookPage]:
        """A page that may only speak to the server, and whose console must stay clean."""
        context = browser.new_context(viewport={"width": 1280, "height": 1000})
        page = NotebookPage(context.new_page(), server)
        yield page
        context.close()
        assert page.outside == []
        assert page.errors == []
