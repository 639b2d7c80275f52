"""`orch-nb graph` and `orch-nb check`, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orch_nb.cli.__main__ import run_command


def notebook(folder: Path, *cells: str, tags: tuple[str, ...] = ()) -> str:
    document = {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {"kernelspec": {"name": "python3", "display_name": "Python 3"}},
        "cells": [
            {
                "cell_type": "code",
                "id": f"id-{number}",
                "metadata": {"tags": list(tags)} if tags else {},
                "source": source,
                "outputs": [],
                "execution_count": None,
            }
            for number, source in enumerate(cells)
        ],
    }
    file = folder / "sales.ipynb"
    file.write_text(json.dumps(document), encoding="utf-8")
    return str(file)


def test_graph_prints_the_rail(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = notebook(tmp_path, "%%task load\nx = f()", "%%task show\nprint(x)")
    assert run_command(["graph", path]) == 0
    text = capsys.readouterr().out
    assert "●  1  load" in text
    assert "--why 1 2" in text


def test_graph_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = notebook(tmp_path, "x = f()", "print(x)")
    assert run_command(["graph", path, "--format", "json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert [(edge["from"], edge["to"]) for edge in record["edges"]] == [(1, 2)]


def test_why_takes_numbers_and_names(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = notebook(tmp_path, "%%task load\nx = f()", "%%task show\nprint(x)")
    assert run_command(["graph", path, "--why", "load", "2"]) == 0
    assert "reads 'x', set in cell 1" in capsys.readouterr().out
    assert run_command(["graph", path, "--why", "load", "9"]) == 2
    assert "cells are 1 to 2, or load, show" in capsys.readouterr().err


def test_a_graph_error_names_notebook_and_cell(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = notebook(tmp_path, "%%task load --needs other\nx = 1")
    assert run_command(["graph", path]) == 2
    assert "sales.ipynb, cell 1 'load'" in capsys.readouterr().err


def test_check_fails_on_errors_only(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run_command(["check", notebook(tmp_path, "list = 1")]) == 0
    assert "warning: 'list' hides" in capsys.readouterr().out
    assert run_command(["check", notebook(tmp_path, "print(x)", "x = 1")]) == 1
    assert "error: cell 1 reads 'x', set only below, in cell 2" in capsys.readouterr().out


def test_check_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run_command(["check", notebook(tmp_path, "print(x)"), "--json"])
    (record,) = json.loads(capsys.readouterr().out)
    assert (record["rule"], record["cell"]) == ("undefined-name", 1)


def test_check_fix_mends_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = notebook(tmp_path, "%%task load\nprint(1)", tags=("setup",))
    assert run_command(["check", path]) == 1
    assert run_command(["check", path, "--fix"]) == 0
    assert run_command(["check", path]) == 0
    assert "No problems." in capsys.readouterr().out
