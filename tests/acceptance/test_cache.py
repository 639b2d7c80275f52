"""The cache, by real runs: what keeps an outcome, what loses it, and what people are told."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from tests.command_line import Bench

Write = Callable[..., Path]


def run(bench: Bench, *options: str, notebook: str = "sales.ipynb") -> dict[str, str]:
    """The states of a run's tasks, by name."""
    done = bench.orch_json("run", notebook, *options)
    assert done["state_name"] == "Completed", done["state_message"]
    return {task["name"]: task["state_name"] for task in done["tasks"]}


def ran(states: dict[str, str]) -> set[str]:
    """The tasks that ran."""
    assert set(states.values()) <= {"Cached", "Completed"}
    return {name for name, state in states.items() if state == "Completed"}


def explain(bench: Bench, task: str) -> dict[str, Any]:
    """The newest run's task explained."""
    newest = bench.orch_json("runs", "-n", "1")[0]["name"]
    found: dict[str, Any] = bench.orch_json("explain", newest, task)
    return found


def changed(explained: dict[str, Any]) -> list[str]:
    return [f"{f['group']} {f['name']}" for f in explained["fields"] if f["verdict"] != "same"]


def outputs(path: Path) -> list[Any]:
    cells = nbformat.read(path, as_version=4).cells
    return [cell.outputs for cell in cells if cell.cell_type == "code"]


SALES = (
    "import csv\nimport statistics",
    "def tidy(text):\n    return text.strip()",
    "def number(text):\n    return int(tidy(text))",
    "with open('data.csv') as file:\n    rows = list(csv.reader(file))",
    "values = [number(row[0]) for row in rows]\nprint('values', values)",
    "mean = statistics.mean(values)\nmean",
)
NAMES = ("imports", "tidy", "number", "rows", "values", "mean")


@pytest.fixture
def sales(bench: Bench, write_notebook: Write) -> Write:
    """Writes the notebook, with some of its cells replaced."""
    (bench.folder / "data.csv").write_text("1\n2\n6\n")

    def write(name: str = "sales.ipynb", **cells: str) -> Path:
        return write_notebook(
            *(cells.get(key, cell) for key, cell in zip(NAMES, SALES, strict=True)), name=name
        )

    write()
    return write


def test_an_unchanged_notebook_is_answered_from_the_cache(bench: Bench, sales: Write) -> None:
    assert len(ran(run(bench, "--cache"))) == len(SALES)
    first = outputs(bench.folder / "sales.run.ipynb")
    bench.environ["PYTHONHASHSEED"] = "77"
    assert ran(run(bench, "--cache")) == set()
    assert outputs(bench.folder / "sales.run.ipynb") == first
    assert first[-1][0]["data"]["text/plain"] == "3"

    # formatting and comments are no change
    sales(values="# why\nvalues = [ number( row[0] )\n  for row in rows]\nprint( 'values', values)")
    assert ran(run(bench, "--cache")) == set()

    # a helper three cells up is one; what comes out equal ends it
    sales(tidy="def tidy(text):\n    return text.strip().lower()")
    assert ran(run(bench, "--cache")) == {"tidy", "values"}
    assert changed(explain(bench, "values")) == ["input tidy"]

    # an edited file is one for those who read it
    sales()
    (bench.folder / "data.csv").write_text("1\n2\n9\n")
    assert ran(run(bench, "--cache")) == {"rows", "values", "cell-6"}
    assert changed(explain(bench, "rows")) == ["file data.csv"]
    (bench.folder / "data.csv").write_text("1\n2\n6\n")
    assert ran(run(bench, "--cache")) == set()

    # another flow's equal cells find the same
    sales("other.ipynb")
    assert ran(run(bench, "--cache", notebook="other.ipynb")) == set()


def test_an_edited_module_beside_the_notebook_loses_it(bench: Bench, write_notebook: Write) -> None:
    (bench.folder / "inner.py").write_text("FACTOR = 2\n")
    (bench.folder / "outer.py").write_text("import inner\ndef f(x): return x * inner.FACTOR\n")
    (bench.folder / "aside.py").write_text("X = 1\n")
    write_notebook(
        "import aside, outer",
        "%%task doubled --cache\ny = outer.f(21)\nprint(y)",
        "%%task plain --cache\nz = 1",
    )
    run(bench)
    (bench.folder / "aside.py").write_text("X = 2\n")
    assert ran(run(bench)) == {"imports"}
    (bench.folder / "inner.py").write_text("FACTOR = 30\n")
    assert ran(run(bench)) == {"imports", "doubled"}
    assert "630" in str(outputs(bench.folder / "sales.run.ipynb"))
    assert "module inner" in changed(explain(bench, "doubled"))


def test_another_version_of_a_package_loses_it(bench: Bench, write_notebook: Write) -> None:
    packages = bench.folder.parent / "site-packages"
    packages.mkdir()

    def install(name: str, version: str) -> None:
        (packages / f"{name}.py").write_text(f"def version(): return {version!r}\n")
        for old in packages.glob(f"{name}-*.dist-info"):
            (old / "METADATA").unlink()
            old.rmdir()
        info = packages / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")

    install("tinylib", "1.0")
    install("otherlib", "1.0")
    bench.environ["PYTHONPATH"] = os.pathsep.join(
        [str(packages), *filter(None, [bench.environ.get("PYTHONPATH")])]
    )
    write_notebook("import tinylib, otherlib", "%%task used --cache\nprint(tinylib.version())")
    run(bench)
    install("otherlib", "2.0")
    assert ran(run(bench)) == {"imports"}
    install("tinylib", "1.1")
    assert ran(run(bench)) == {"imports", "used"}
    found = explain(bench, "used")
    assert found["summary"] == "it ran: package tinylib changed (1.0 → 1.1)"
    printed = bench.orch("explain", bench.orch_json("runs", "-n", "1")[0]["name"], "used").out
    assert "  changed  package tinylib" in printed
    assert "1.0 → 1.1" in printed
    assert max(map(len, printed.splitlines())) <= 80


def test_values_and_state_come_back_to_cells_that_run(bench: Bench, write_notebook: Write) -> None:
    write_notebook(
        "import os, random",
        "%%task seeded --cache\nrandom.seed(3)\nlog = [random.random()]",
        "%%task shared --cache\nalias = log\nalias.append(random.random())",
        "%%task last\nassert alias is log and len(log) == 2\nprint(random.random(), log)",
    )
    run(bench)
    first = outputs(bench.folder / "sales.run.ipynb")
    assert ran(run(bench)) == {"imports", "last"}
    assert outputs(bench.folder / "sales.run.ipynb") == first


def test_files_are_brought_back_where_they_were_declared(
    bench: Bench, write_notebook: Write
) -> None:
    write_notebook(
        "%%task declared --cache --writes out\nfrom pathlib import Path\n"
        "Path('out').mkdir(exist_ok=True)\n"
        "written = Path('out/a.txt').write_text('hello')",
        "%%task silent --cache\nfrom pathlib import Path\ncount = Path('b.txt').write_text('b')",
        "%%task started --cache\nimport subprocess\ndone = subprocess.run(['true']).returncode",
        "%%task reader --cache\nprint(Path('out/a.txt').read_text(), written)",
    )
    run(bench)
    (bench.folder / "out" / "a.txt").unlink()
    (bench.folder / "out").rmdir()
    (bench.folder / "b.txt").unlink()
    assert ran(run(bench)) == {"silent", "started"}
    assert (bench.folder / "out" / "a.txt").read_text() == "hello"
    assert (bench.folder / "b.txt").read_text() == "b"
    found = explain(bench, "silent")
    assert found["not_kept"] == "it writes b.txt, not declared: --writes b.txt"
    assert explain(bench, "started")["not_kept"] == "it starts a program"


def test_an_outcome_grows_old_and_can_be_refreshed(bench: Bench, write_notebook: Write) -> None:
    write_notebook("%%task now --cache --cache-ttl 1h\nimport time\nprint(time.time_ns())")
    run(bench)
    first = outputs(bench.folder / "sales.run.ipynb")
    assert run(bench) == {"now": "Cached"}
    assert run(bench, "--refresh") == {"now": "Completed"}
    assert explain(bench, "now")["summary"] == "it ran: --refresh"
    assert run(bench) == {"now": "Cached"}
    assert outputs(bench.folder / "sales.run.ipynb") != first
    write_notebook("%%task now --cache --cache-ttl 10ms\nimport time\nprint(time.time_ns())")
    assert run(bench) == {"now": "Completed"}
    assert "older than" in explain(bench, "now")["summary"]
    write_notebook("%%task now --cache --cache-extra v2\nimport time\nprint(time.time_ns())")
    assert run(bench) == {"now": "Completed"}
    assert changed(explain(bench, "now")) == ["extra v2"]


def test_a_damaged_value_means_that_the_cell_runs_again(
    bench: Bench, write_notebook: Write
) -> None:
    write_notebook(
        "%%task made --cache\nitems = list(range(5))",
        "%%task used\nprint(sum(items))",
    )
    run(bench)
    for blob in (bench.home / "results").rglob("*.blob"):
        blob.write_bytes(blob.read_bytes()[:-1] + b"!")
    assert ran(run(bench)) == {"made", "used"}
    assert "10" in str(outputs(bench.folder / "sales.run.ipynb"))


def test_what_was_not_asked_for_is_not_cached(bench: Bench, write_notebook: Write) -> None:
    write_notebook(
        "%%task one\nx = 1", "%%task two --cache\ny = x + 1", "%%task lock --cache\nz = w"
    )
    bench.orch("run", "sales.ipynb")
    assert "nobody asked" in explain(bench, "one")["summary"]
    ended = bench.orch("run", "sales.ipynb", "--json")
    assert ended.code == 1
    states = {t["name"]: t["state_name"] for t in json.loads(ended.out)["tasks"]}
    assert states == {"one": "Completed", "two": "Cached", "lock": "Failed"}
    assert explain(bench, "lock")["not_kept"] == "it failed"
    newest = bench.orch_json("runs", "-n", "1")[0]["name"]
    ended = bench.orch("explain", newest, "nobody")
    assert ended.code == 2
    assert "its tasks are one, two, lock" in ended.err
