"""The guide's programs and commands are run as a reader would run them."""

from __future__ import annotations

import json
import re
import shlex
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import ROOT, Bench, Ended, code, make_document, wait_until

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.M | re.S)


def blocks(page: str, language: str) -> list[str]:
    """A page's fenced blocks of one language, in order."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return [body for found, body in _BLOCK.findall(text) if found == language]


def write_sales(bench: Bench, sources: list[str]) -> None:
    """`sales.ipynb` of the first blocks of a page; the first is its parameters."""
    first, *others = (source.rstrip("\n") for source in sources)
    document = make_document(code(first, "parameters"), *others)
    (bench.folder / "sales.ipynb").write_text(json.dumps(document), encoding="utf-8")


def test_the_tests_of_a_flow_pass(bench: Bench) -> None:
    *notebook, tests = blocks("howto/testing.md", "python")
    write_sales(bench, notebook)
    (bench.folder / "test_sales.py").write_text(tests, encoding="utf-8")
    ended = bench.call([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"])
    assert "3 passed" in ended.out, ended.out
    for line in ("check", "verify"):
        assert bench.orch(line, "sales.ipynb").code == 0


def test_what_replaces_another_tool_runs(bench: Bench) -> None:
    python = blocks("howto/migrate.md", "python")
    write_sales(bench, python[:3])
    (script,) = [block for block in python if "__main__" in block]
    (bench.folder / "functions.py").write_text(script, encoding="utf-8")
    ended = bench.call([sys.executable, "functions.py"])
    assert (ended.code, ended.out) == (0, "12153\n"), ended.err
    ended = bench.orch("run", "sales.ipynb", "out.ipynb", "-p", "year", "2025")
    assert ended.code == 0, ended.err


@pytest.mark.parametrize("word", ["deploy", "backfill"])
def test_what_replaces_another_schedule_runs(bench: Bench, word: str) -> None:
    write_sales(bench, blocks("howto/migrate.md", "python")[:3])
    lines = "".join(blocks("howto/migrate.md", "")).replace("\\\n", " ").splitlines()
    deploys = [line for line in lines if line.startswith("orch-nb deploy")]
    wanted = [line for line in lines if line.startswith(f"orch-nb {word}")]
    for line in dict.fromkeys([*deploys, *wanted]):
        ended = bench.orch(*shlex.split(line)[1:])
        assert ended.code == 0, f"{line}: {ended.err}"


def commands(page: str) -> list[list[str]]:
    """The `orch-nb …` lines of a page, as words, without comments."""
    lines = "".join(blocks(page, "")).replace("\\\n", " ").splitlines()
    found = [shlex.split(line, comments=True) for line in lines]
    return [words[1:] for words in found if words[:1] == ["orch-nb"]]


def write_cells(bench: Bench, name: str, *cells: str | dict[str, Any]) -> None:
    (bench.folder / name).write_text(json.dumps(make_document(*cells)), encoding="utf-8")


def follow(bench: Bench, page: str) -> list[Ended]:
    """Run the page's commands one after the other; RUN is the latest run."""
    ended = []
    for words in commands(page):
        if "RUN" in words:
            latest = bench.orch_json("runs")[0]["name"]
            words = [latest if word == "RUN" else word for word in words]
        ended.append(bench.orch(*words))
        assert ended[-1].code == 0, f"{words}: {ended[-1].out}{ended[-1].err}"
    return ended


def test_a_person_is_asked_and_answers(bench: Bench) -> None:
    write_cells(bench, "approve.ipynb", *map(str.rstrip, blocks("howto/pause.md", "python")))
    follow(bench, "howto/pause.md")
    (run,) = bench.orch_json("runs")
    assert run["state_name"] == "Completed"
    assert "published 3: fine" in (bench.folder / "approve.run.ipynb").read_text(encoding="utf-8")


def test_rules_and_limits_are_taken(bench: Bench) -> None:
    write_cells(bench, "policy.ipynb", *map(str.rstrip, blocks("howto/policies.md", "python")))
    follow(bench, "howto/policies.md")
    (run,) = bench.orch_json("runs")
    assert run["state_name"] == "Completed"


def test_a_secret_is_not_shown(bench: Bench) -> None:
    write_cells(bench, "secret.ipynb", code("token = ''", "parameters"), "print(token)")
    bench.environ["TOKEN"] = "s3cret-text"
    follow(bench, "howto/secrets.md")
    shown = (bench.folder / "secret.run.ipynb").read_text(encoding="utf-8")
    assert "s3cret-text" not in shown
    assert "***" in shown


def test_a_sweep_has_a_table(bench: Bench) -> None:
    write_sales(bench, blocks("howto/testing.md", "python")[:3])
    (ended,) = follow(bench, "howto/sweep.md")
    assert "sales.sweep/summary.ipynb" in ended.out
    assert {run["parameters"]["year"] for run in bench.orch_json("runs")} == {2023, 2024}


def test_functions_run_on_dask(bench: Bench) -> None:
    (script,) = blocks("howto/dask.md", "python")
    (bench.folder / "functions.py").write_text(script, encoding="utf-8")
    bench.environ["DASK_TEMPORARY_DIRECTORY"] = str(bench.folder)
    ended = bench.call([sys.executable, "functions.py"])
    assert (ended.code, ended.out) == (0, "1000\n"), ended.err


def test_the_first_page_runs(bench: Bench) -> None:
    write_sales(bench, blocks("howto/testing.md", "python")[:3])
    (bench.folder / "mine.ipynb").write_bytes((bench.folder / "sales.ipynb").read_bytes())
    for words in commands("index.md"):
        if "mine.ipynb" in words:
            assert bench.orch(*words).code == 0
    (script,) = blocks("index.md", "python")
    (bench.folder / "first.py").write_text(script, encoding="utf-8")
    ended = bench.call([sys.executable, "first.py"])
    assert (ended.code, ended.out) == (0, "Completed 6075\n"), ended.err


def test_a_kernel_runs_the_cells_of_its_page(bench: Bench) -> None:
    write_cells(bench, "cells.ipynb", *map(str.rstrip, blocks("howto/kernel.md", "")))
    papermill = [sys.executable, "-m", "papermill", "cells.ipynb", "out.ipynb"]
    ended = bench.call([*papermill, "--no-progress-bar"])
    assert ended.code == 0, ended.err
    assert "[3020, 3021, 3022, 3023]" in (bench.folder / "out.ipynb").read_text(encoding="utf-8")


def test_the_servers_runs_are_listed(bench: Bench) -> None:
    write_sales(bench, blocks("howto/testing.md", "python")[:3])
    assert bench.orch("run", "sales.ipynb").code == 0
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    bench.environ |= {"JUPYTER_URL": f"http://127.0.0.1:{port}", "TOKEN": "of-the-test"}
    words = shlex.split(blocks("howto/server.md", "")[0].splitlines()[-1])
    words[0] = str(Path(sys.executable).with_name(words[0]))
    given = [f"--ServerApp.port={port}", "--IdentityProvider.token=of-the-test", "--allow-root"]
    server = subprocess.Popen([*words, *given, "--no-browser"], cwd=bench.folder, env=bench.environ)
    (script,) = blocks("howto/server.md", "python")
    (bench.folder / "ask.py").write_text(script, encoding="utf-8")
    ended = Ended(1, "", "")

    def is_answered() -> bool:
        nonlocal ended
        ended = bench.call([sys.executable, "ask.py"])
        return ended.code == 0

    try:
        wait_until(is_answered, 60, "the server")
    finally:
        server.terminate()
        server.wait(30)
    assert ended.out.endswith("sales Completed\n")


def test_a_deployment_is_made_as_the_page_says(bench: Bench) -> None:
    write_cells(bench, "report.ipynb", code("region = 'US'", "parameters"), "print(region)")
    bench.environ["MAIL_TARGET"] = "json://127.0.0.1:9/"
    deploys = [words for words in commands("schedules.md") if words[0] == "deploy"]
    assert deploys
    for words in deploys:
        ended = bench.orch(*words)
        assert ended.code == 0, ended.err
    (deployment,) = bench.orch_json("deployments")
    assert deployment["name"] == "report/daily"
