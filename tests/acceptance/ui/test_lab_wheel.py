"""The wheel in a fresh environment without Node, and Lab there with real-time collaboration."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.acceptance.ui.lab import BUILT, PATIENCE, Lab, lab_page

_TREE = Path(__file__).parents[3]
pytestmark = pytest.mark.timeout(900)  # an environment is made and filled
_WANTED = ("jupyterlab", "jupyter-collaboration", "ipykernel")


def _call(*command: str | Path, **environment: str) -> str:
    done = subprocess.run(
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=580
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of programs of an environment that has the wheel."""
    assert (BUILT / "package.json").is_file(), "make views"
    folder = tmp_path_factory.mktemp("fresh")
    programs = folder / "env" / "bin"
    here = Path(sys.executable).parent
    uv = shutil.which("uv", path=f"{here}{os.pathsep}{os.environ['PATH']}")
    skip = {"ORCH_NB_VIEWS": "skip"}  # as they were built; a release builds them
    if uv is not None:
        _call(uv, "build", "--quiet", "--wheel", "--out-dir", folder, _TREE, **skip)
        _call(uv, "venv", "--quiet", "--python", sys.executable, programs.parent)
        install: list[str | Path] = [
            uv,
            "pip",
            "install",
            "--quiet",
            "--python",
            programs / "python",
        ]
    else:
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
        _call(*pip, "wheel", "--quiet", "--no-deps", "--wheel-dir", folder, _TREE, **skip)
        _call(sys.executable, "-m", "venv", programs.parent)
        install = [programs / "python", "-m", "pip", "install", "--quiet"]
    (wheel,) = folder.glob("*.whl")
    _call(*install, wheel, *_WANTED)
    return programs


@pytest.fixture(scope="module")
def lab(fresh: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with Lab(tmp_path_factory.mktemp("lab"), programs=fresh) as server:
        yield server


def test_the_wheel_enables_both_extensions_without_node(fresh: Path) -> None:
    bare = {"PATH": str(fresh)}
    listed = _call(fresh / "jupyter", "labextension", "list", **bare)
    (line,) = [line for line in listed.splitlines() if "orch-nb" in line]
    assert "enabled" in line
    assert "OK" in line
    servers = _call(fresh / "jupyter", "server", "extension", "list", **bare)
    plain = re.sub(r"\x1b\[\d*m", "", servers)
    assert "orch_nb.server enabled" in plain
    assert re.search(r"orch_nb\.server\S* .*\bOK\b", plain)


def test_two_people_edit_one_notebook(lab: Lab, browser: Browser) -> None:
    with lab_page(lab, browser) as one, lab_page(lab, browser) as two:
        one.write("shared.ipynb", ["n = 1", "m = n + 1\nprint(m)"])
        for number, page in enumerate((one, two)):
            page.visit("shared.ipynb", f"person{number}")
            rows = page.show("Flow").locator(".onb-lab-cell")
            expect(rows).to_have_count(2, timeout=PATIENCE)
        one.tag(1, "sum")
        for page in (one, two):
            row = page.side.get_by_role("button", name="task 2, sum")
            expect(row).to_be_visible(timeout=PATIENCE)
        two.write_cell(0, "n = 5")
        expect(one.cell(0).locator(".cm-content")).to_have_text("n = 5", timeout=PATIENCE)
        one.run_as_flow()
        for page in (one, two):
            mark = page.cell(1).locator(".onb-lab-mark")
            expect(mark).to_have_attribute("data-state", "Completed", timeout=PATIENCE)
            # the outputs are the notebook's, and so everybody's
            outputs = page.cell(1).locator(".jp-OutputArea-output")
            expect(outputs).to_have_text("6\n", timeout=PATIENCE)
        one.shoot("together")
