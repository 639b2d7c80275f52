"""JupyterLab with the extension, as a wheel installs it, and the ways that tests go through it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from playwright.sync_api import Browser, ConsoleMessage, Locator, Page, expect

from tests.acceptance.ui.jupyter import JupyterServer, NotebookPage

BUILT = Path(__file__).parents[3] / "orch_nb" / "labextension"
AXE = Path(__file__).parents[3] / "labextension/node_modules/axe-core/axe.min.js"
PATIENCE = 60_000  # milliseconds
_SHOTS = "ORCH_NB_SHOTS"
_OF_LAB = "Comm not found"  # it says so of kernels that are quicker than their page
_SHUT = 60.0  # seconds that a server has to end its kernels
_DRAINED = 40.0  # seconds that a daemon has to end after the last server


class Lab(JupyterServer):
    """A Lab of its own, with an own data folder; left, it waits until its daemon has gone."""

    has_extension = True

    def __init__(
        self,
        folder: Path,
        *,
        theme: str = "JupyterLab Light",
        programs: Path | None = None,
        bare: bool = False,
    ) -> None:
        """``programs`` is an environment's folder of them that has the wheel; without, it is this
        one's, with the working copy. ``bare`` is a Lab without us."""
        if programs is None and not bare:  # which has neither of what a wheel brings
            config = folder / "jupyter_server_config.d" / "orch_nb.json"
            config.parent.mkdir()
            enabled = {"ServerApp": {"jpserver_extensions": {"orch_nb.server": True}}}
            config.write_text(json.dumps(enabled))
            extensions = folder / "data" / "labextensions"
            extensions.mkdir(parents=True)
            (extensions / "orch-nb").symlink_to(BUILT)
        if bare:
            _leave_out_extension(folder)
        self.has_extension = not bare
        super().__init__("lab", folder, theme=theme, programs=programs)

    def stop(self) -> None:
        """End the server; its pages stay open."""
        self._process.terminate()
        self._process.wait(20)

    def start(self) -> None:
        """Start it again at the same address."""
        self._process = subprocess.Popen(
            self._process.args,
            env=self.environment,
            cwd=self.root.parent,
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self.__enter__()

    def home_address(self, workspace: str) -> str:
        """Where Lab opens with nothing in it."""
        return f"{self.url}/lab/workspaces/{workspace}?token={self._token}"

    def ask(self, path: str, body: Any = None) -> Any:
        """What the API answers; with a body it is a POST."""
        headers = {"Authorization": f"token {self._token}"}
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}/orch-nb/api{path}", data, headers)
        with urllib.request.urlopen(request, timeout=60) as answer:
            return json.load(answer)

    def processes(self) -> list[psutil.Process]:
        """The processes that have this data folder, but for the server itself."""
        found = []
        for process in psutil.process_iter():
            try:
                own = process.environ().get("ORCH_NB_HOME") == str(self.home)
            except psutil.Error:
                continue
            if own and process.pid != self._process.pid:
                found.append(process)
        return found

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(_SHUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._log.close()
        end = time.monotonic() + _DRAINED
        while left := self.processes():
            if time.monotonic() > end:
                for process in left:
                    process.kill()
                raise AssertionError(f"processes outlived the server: {left}")
            time.sleep(0.2)


def _leave_out_extension(folder: Path) -> None:
    """The environment's extensions without ours: one that is off would be loaded all the same."""
    others = folder / "others"
    others.mkdir()
    for one in (Path(sys.prefix) / "share" / "jupyter" / "labextensions").iterdir():
        if one.name != "orch-nb":
            (others / one.name).symlink_to(one)
    config = {"LabApp": {"labextensions_path": [str(others)]}}
    (folder / "jupyter_lab_config.json").write_text(json.dumps(config))


class LabPage(NotebookPage):
    """A page of Lab whose console must stay clean."""

    def __init__(self, page: Page, server: JupyterServer) -> None:
        super().__init__(page, server)
        self.expected = "\0"  # what the console may say of requests that are to fail
        page.on("pageerror", lambda error: self.errors.append(str(error)))
        page.on("console", self._heard)

    def _heard(self, message: ConsoleMessage) -> None:
        own = _OF_LAB in message.text
        if message.type == "error" and self.expected not in message.text and not own:
            self.errors.append(f"{message.text} ({message.location.get('url')})")

    def visit(self, name: str, workspace: str) -> None:
        """Open a notebook that is there, in a workspace, and wait for its kernel."""
        self._name = name
        stem = Path(name).stem
        address = self.server.address(name)
        self.page.goto(address.replace(f"workspaces/{stem}/", f"workspaces/{workspace}/"))
        self.wait_until_idle()

    @property
    def side(self) -> Locator:
        """The side panel."""
        return self.page.locator("#orch-nb-side")

    def show(self, tab: str) -> Locator:
        """Show a tab of the side panel."""
        if not self.side.is_visible():
            self.page.locator("[data-id='orch-nb-side']").click()
        self.side.get_by_role("tab", name=tab).click()
        return self.side

    def tag(self, number: int, name: str) -> None:
        """Make a cell, counted from 0, a task by its toolbar's button."""
        cell = self.cell(number)
        cell.locator(".cm-content").click()
        cell.locator("[data-command='orch-nb:tag-cell']").first.click(timeout=PATIENCE)
        dialog = self.page.locator(".jp-Dialog")
        dialog.locator("input[name=name]").fill(name)
        dialog.get_by_role("button", name="Tag cell").click()
        expect(dialog).to_have_count(0, timeout=PATIENCE)

    def run_as_flow(self) -> None:
        """Run the notebook by its toolbar's button."""
        self.notebook_button("run-flow")
        self.page.locator(".jp-Dialog").get_by_role("button", name="Run", exact=True).click()

    def notebook_button(self, command: str) -> None:
        """Press a button of the notebook's toolbar."""
        self.page.locator(f".jp-NotebookPanel-toolbar [data-command='orch-nb:{command}']").click()

    def tab(self, words: str) -> None:
        """Bring a tab of the main area to the front."""
        self.page.locator(".lm-DockPanel-tabBar .lm-TabBar-tab", has_text=words).first.click()

    def write_cell(self, number: int, text: str) -> None:
        """Replace a cell's text, as a person would."""
        self.cell(number).locator(".cm-content").click()
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text(text)

    def command(self, words: str) -> None:
        """Choose a command from the palette."""
        self.page.keyboard.press("Control+Shift+c")
        palette = self.page.locator("#modal-command-palette")
        palette.locator("input").fill(words)
        palette.locator(".lm-CommandPalette-item", has_text=words).first.click()

    def check_accessibility(self, selector: str) -> None:
        """No violation of the rules that axe knows in what is visible of ``selector``."""
        expect(self.page.locator(selector).first).to_be_visible()
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        found = self.page.evaluate("selector => axe.run(selector)", selector)
        problems = [
            f"{v['id']}: {v['nodes'][0]['html'][:160]} {v['nodes'][0]['failureSummary']}"
            for v in found["violations"]
        ]
        assert problems == [], problems

    def dismiss(self) -> None:
        """Close the dialogs that Lab itself opens when its server was away."""
        for name in ("Dismiss", "Cancel", "No", "Close"):
            button = self.page.locator(".jp-Dialog").get_by_role("button", name=name, exact=True)
            if button.first.is_visible():
                button.first.click()

    def shoot(self, name: str) -> None:
        """Keep a screenshot where ORCH_NB_SHOTS says."""
        if folder := os.environ.get(_SHOTS):
            self.page.screenshot(path=str(Path(folder) / f"{name}.png"))


@contextmanager
def lab_page(lab: JupyterServer, browser: Browser) -> Iterator[LabPage]:
    """A page in a context of its own; nothing may go elsewhere, nothing may go wrong."""
    context = browser.new_context(viewport={"width": 1400, "height": 900})
    page = LabPage(context.new_page(), lab)
    try:
        yield page
    finally:
        context.close()
    assert page.outside == [], page.outside
    assert page.errors == [], page.errors


def run_of_the_notebook(lab: Lab, name: str) -> None:
    """Run a notebook from the command line, as somebody else might."""
    command = [sys.executable, "-m", "orch_nb.cli.__main__", "run", name, "--cells", "all", "-q"]
    done = subprocess.run(
        command, cwd=lab.root, env=lab.environment, capture_output=True, text=True
    )
    assert done.returncode in (0, 1), done.stderr
