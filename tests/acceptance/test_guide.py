"""The guide's programs and commands are run as a reader would run them."""

from __future__ import annotations

import json
import re
import shlex
import sys

import pytest

from tests.command_line import ROOT, Bench, code, make_document

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
