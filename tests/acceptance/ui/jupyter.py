"""A Jupyter server on loopback, and a notebook open in a page."""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from playwright.sync_api import Dialog, Error, Locator, Page, Response, Route, expect

_QUIET = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}
}
_PATIENCE = 60_000  # milliseconds


_ROOT = Path(__file__).resolve().parents[3]


class JupyterServer:
    """JupyterLab ("lab") or Notebook 7 ("notebook").

    ORCH_NB_TEST_PYTHON names another interpreter for the kernels, as in tests/integration/magics.
    """

    has_extension = False  # whether it has what orch_nb brings for Lab, installed or not

    def __init__(
        self,
        app: str,
        folder: Path,
        *,
        theme: str = "JupyterLab Light",
        programs: Path | None = None,
        root: Path | None = None,
        environ: Mapping[str, str] | None = None,
        cores: Collection[int] = (),
    ) -> None:
        """``root`` is a folder that is there, ``environ`` goes before what is set here, ``cores``
        are those that it may use."""
        self.app = app
        self.root = root or folder / "root"
        self.home = folder / "home"
        self.root.mkdir(exist_ok=True)
        (folder / "labconfig").mkdir()
        overrides = folder / "labconfig" / "default_setting_overrides.json"
        themed = {"@jupyterlab/apputils-extension:themes": {"theme": theme}}
        overrides.write_text(json.dumps(_QUIET | themed), encoding="utf-8")
        if not self.has_extension:
            _disable_extension(folder)
        other = os.environ.get("ORCH_NB_TEST_PYTHON")
        if other:
            _put_kernel(folder / "data" / "kernels" / "python3", other)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self._token = secrets.token_hex(16)
        self.url = f"http://127.0.0.1:{self._port}"
        bin_folder = programs or Path(sys.executable).parent
        self.environment = dict(
            os.environ,
            PATH=f"{bin_folder}:{os.environ['PATH']}",
            ORCH_NB_HOME=str(self.home),
            ORCH_NB_WARM="0",  # or processes would outlive the server
            JUPYTER_CONFIG_DIR=str(folder),
            JUPYTER_DATA_DIR=str(folder / "data"),
            JUPYTER_RUNTIME_DIR=str(folder / "runtime"),
            JUPYTERLAB_SETTINGS_DIR=str(folder / "settings"),
            JUPYTERLAB_WORKSPACES_DIR=str(folder / "workspaces"),
            IPYTHONDIR=str(folder / "ipython"),
        ) | dict(environ or {})
        self._log = (folder / "log").open("w")
        self._process = subprocess.Popen(
            [
                bin_folder / "jupyter",
                app,
                "--allow-root",
                "--no-browser",
                "--ServerApp.ip=127.0.0.1",
                f"--ServerApp.port={self._port}",
                "--ServerApp.port_retries=0",
                f"--IdentityProvider.token={self._token}",
                f"--ServerApp.root_dir={self.root}",
            ],
            env=self.environment,
            cwd=folder,  # where real-time collaboration keeps a file
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        if cores:
            os.sched_setaffinity(self._process.pid, cores)

    def __enter__(self) -> Self:
        deadline = time.monotonic() + 120
        while True:
            try:
                urllib.request.urlopen(f"{self.url}/api/status?token={self._token}", timeout=2)
                return self
            except OSError:
                if time.monotonic() > deadline:
                    self._end()  # nobody leaves a context that was not entered
                    raise
                time.sleep(0.1)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._end()

    def _end(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(60)
        except subprocess.TimeoutExpired:  # the machine is busy
            self._process.kill()
            self._process.wait()
        self._log.close()

    def has_kernel(self, name: str) -> bool:
        """Whether a notebook's kernel has nothing to do, and a page is connected to it."""
        with urllib.request.urlopen(f"{self.url}/api/sessions?token={self._token}") as reply:
            sessions = json.load(reply)
        return any(
            session["path"] == name
            and session["kernel"]["execution_state"] == "idle"
            and session["kernel"]["connections"] > 0
            for session in sessions
        )

    def address(self, name: str) -> str:
        """Where a notebook in the root folder is opened."""
        # a workspace of its own, or Lab would open what other tests had open as well
        lab = f"lab/workspaces/{Path(name).stem}/tree"
        place = lab if self.app == "lab" else "notebooks"
        return f"{self.url}/{place}/{name}?token={self._token}"


def _disable_extension(folder: Path) -> None:
    """Leave the panel alone with Jupyter, also where a wheel has installed the extension."""
    page = folder / "labconfig" / "page_config.json"
    page.write_text(json.dumps({"disabledExtensions": {"orch-nb": True}}), encoding="utf-8")
    server = folder / "jupyter_server_config.d" / "orch_nb.json"
    server.parent.mkdir()
    disabled = {"ServerApp": {"jpserver_extensions": {"orch_nb.server": False}}}
    server.write_text(json.dumps(disabled), encoding="utf-8")


def _put_kernel(folder: Path, python: str) -> None:
    """A kernelspec that takes the place of the server's own Python."""
    spec = {
        "argv": [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "env": {"PYTHONPATH": str(_ROOT)},
    }
    folder.mkdir(parents=True)
    (folder / "kernel.json").write_text(json.dumps(spec), encoding="utf-8")


class NotebookPage:
    """A notebook in a browser. ``outside`` are addresses that were asked for elsewhere."""

    def __init__(self, page: Page, server: JupyterServer) -> None:
        self.page = page
        self.server = server
        self.outside: list[str] = []
        self.errors: list[str] = []
        self._name = ""
        page.set_default_navigation_timeout(_PATIENCE)
        page.route("**/*", self._guard)
        page.on("pageerror", self._failed)
        page.on("dialog", self._spoken_to)

    def open(self, name: str, cells: Sequence[str]) -> None:
        """Write a notebook with these cells, and open it with a kernel."""
        self.write(name, cells)
        self._name = name
        self.page.goto(self.server.address(name))
        self.wait_until_idle()

    def write(self, name: str, cells: Sequence[str]) -> None:
        """Write a notebook into the root folder."""
        import nbformat.v4

        document = nbformat.v4.new_notebook()
        document.cells = [nbformat.v4.new_code_cell(source) for source in cells]
        document.metadata.kernelspec = {
            "name": "python3",
            "display_name": "Python 3 (ipykernel)",
            "language": "python",
        }
        (self.server.root / name).write_text(nbformat.v4.writes(document), encoding="utf-8")

    def wait_until_idle(self) -> None:
        """Until the kernel is there, and the page knows it: it looks idle before."""
        idle = self.page.locator(".jp-Notebook-ExecutionIndicator[data-status=idle]").first
        deadline = time.monotonic() + _PATIENCE / 1000
        while not self.server.has_kernel(self._name):
            assert time.monotonic() < deadline, f"{self._name} got no kernel"
            self.page.wait_for_timeout(100)
        expect(idle).to_be_attached(timeout=_PATIENCE)

    def cell(self, number: int) -> Locator:
        """A code cell, counted from 0."""
        return self.page.locator(".jp-Notebook .jp-CodeCell").nth(number)

    def run(self, number: int) -> Locator:
        """Run a cell; it may go on running."""
        cell = self.cell(number)
        cell.locator(".cm-content").click()
        for _ in range(8):  # the first key press can be lost while the kernel connects
            self.page.keyboard.press("Control+Enter")
            try:
                prompt = cell.locator(".jp-InputPrompt")
                expect(prompt).to_have_text(re.compile(r"\[[\d*]+\]:"), timeout=3000)
                return cell
            except AssertionError:
                continue
        raise AssertionError(f"cell {number} did not start")

    def save(self) -> None:
        """Save the notebook, and wait until it is on disk."""

        def is_saved(response: Response) -> bool:
            return response.request.method == "PUT" and "/api/contents/" in response.url

        with self.page.expect_response(is_saved, timeout=_PATIENCE):
            self.page.keyboard.press("Control+s")

    def _failed(self, error: Error) -> None:
        if "blob:" in (error.stack or ""):  # of the panel's module; Jupyter has some of its own
            self.errors.append(str(error))

    def _spoken_to(self, dialog: Dialog) -> None:
        if dialog.type == "beforeunload":  # the notebook has changes
            dialog.accept()
        else:
            self.errors.append(f"a dialog: {dialog.message}")
            dialog.dismiss()

    def _guard(self, route: Route) -> None:
        address = route.request.url
        if address.startswith((self.server.url, "ws" + self.server.url[4:], "blob:", "data:")):
            route.continue_()
        else:
            self.outside.append(address)
            route.abort()
