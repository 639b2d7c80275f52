"""What the wheel brings: both extensions, found and enabled by Jupyter, and the panel's views."""

from __future__ import annotations

import re
import shutil
import sys
from importlib.metadata import files
from pathlib import Path

import orch_nb
from tests.command_line import Bench

BIN = Path(sys.executable).parent


def test_it_is_the_wheel_that_is_tried_and_there_is_no_node() -> None:
    assert Path(orch_nb.__file__).is_relative_to(sys.prefix)
    assert shutil.which("node") is None
    assert shutil.which("npm") is None


def test_jupyterlab_finds_its_extension(bench: Bench) -> None:
    listed = bench.call([str(BIN / "jupyter"), "labextension", "list"])
    said = listed.out + listed.err
    (line,) = [line for line in said.splitlines() if "orch-nb" in line]
    assert "enabled" in line
    assert "OK" in line
    assert "(python, orch_nb)" in line


def test_the_server_finds_its_extension(bench: Bench) -> None:
    listed = bench.call([str(BIN / "jupyter"), "server", "extension", "list"])
    said = re.sub(r"\x1b\[[\d;]*m", "", listed.out + listed.err)
    assert re.search(r"orch_nb\.server +enabled", said)
    assert re.search(r"orch_nb\.server +OK", said)


def test_the_panels_views_came_along(bench: Bench) -> None:
    names = [str(path) for path in files("orch_nb") or ()]
    assert "orch_nb/panel/built/views.js" in names
    assert not [name for name in names if "node_modules" in name or name.endswith(".map")]
    told = bench.orch("doctor")
    assert told.code == 0
    assert "panels are live" in told.out
