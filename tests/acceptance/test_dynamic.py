"""Notebooks whose flow decides as it runs, and scripts of functions, from the command line."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.command_line import Bench, code

Write = Callable[..., Path]


def shown(bench: Bench, name: str) -> list[str]:
    """The text of each code cell's outputs in an output notebook."""
    cells = json.loads((bench.folder / name).read_text(encoding="utf-8"))["cells"]
    texts = []
    for cell in cells:
        if cell["cell_type"] == "code":
            parts = [
                "".join(output.get("text") or output.get("data", {}).get("text/plain", ""))
                for output in cell["outputs"]
            ]
            texts.append("".join(parts))
    return texts


LOAD = """%%task load --retries 1
from pathlib import Path
with open("ran", "a") as file:
    file.write(f"{year} ")
if year == 2023 and not Path("fixed").exists():
    raise ValueError("no sales for 2023")
sales = base + year
place = Place()"""


def test_a_flows_body_calls_its_tasks_and_a_resume_does_not_do_again_what_is_done(
    bench: Bench, write_notebook: Write
) -> None:
    write_notebook(
        code("base: int = 10", "parameters"),
        "class Place:\n    pass\nkept = [1]",
        LOAD,
        "%%task score\nscored = sales * 2\nkept.append(2)",
        "%%flow report\n"
        "first = load(year=2020)\n"
        "one = score.submit(sales=load.submit(year=2021).sales)\n"
        "many = load.map([2022, 2023, 2024])\n"
        "scores = [each.scored for each in score.map(sales=[m.sales for m in many]).result()]\n"
        "assert isinstance(first.place, Place)\n"
        "one.scored, scores, kept",
        "print(first.sales, kept)",
    )
    failed = bench.orch("run", "sales.ipynb", "-p", "base", "1")
    assert failed.code == 1
    assert "ValueError: no sales for 2023" in failed.out
    assert "cell 4 'load'" in failed.out  # the parameter has a cell of its own above it
    assert sorted((bench.folder / "ran").read_text().split()) == [
        *("2020", "2021", "2022"),
        *("2023", "2023", "2024"),
    ]
    (bench.folder / "fixed").touch()
    (run,) = bench.orch_json("runs")
    resumed = bench.orch("resume", run["name"])
    assert resumed.code == 0, resumed.out + resumed.err
    assert (bench.folder / "ran").read_text().split()[6:] == ["2023"]
    texts = shown(bench, "sales.run.ipynb")[-6:]
    assert texts[4].endswith("(4044, [4046, 4048, 4050], [1])")
    assert texts[5] == "2021 [1]\n"
    told = bench.orch("show", run["name"]).out
    assert "load  3 items: 3 Completed" in told
    assert "score  3 items: 3 Completed" in told
    assert bench.left_behind() == []


def test_an_unknown_name_is_an_error_that_names_the_cell(
    bench: Bench, write_notebook: Write
) -> None:
    write_notebook("x = 1", "%%task load\ny = x + 1", "%%flow\nload(z=1)")
    failed = bench.orch("run", "sales.ipynb")
    assert failed.code == 1
    assert "it reads no 'z'" in failed.out
    assert "sales.ipynb, cell 2 'load'" in failed.out


def test_each_runs_a_task_once_for_every_item_and_gathers_what_it_binds(
    bench: Bench, write_notebook: Write
) -> None:
    write_notebook(
        "models = ['a', 'b', 'c']\nshared = []",
        "%%task fit --each model in models\nshared\nscore = ord(model)\nname = model * 2",
        "print(score, name, 'model' in dir())",
    )
    done = bench.orch("run", "sales.ipynb")
    assert done.code == 0, done.out + done.err
    assert shown(bench, "sales.run.ipynb")[2] == "[97, 98, 99] ['aa', 'bb', 'cc'] False\n"


def test_each_gathers_what_every_item_has_bound_and_what_can_leave_its_process(
    bench: Bench, write_notebook: Write
) -> None:
    write_notebook(
        "models = ['a', 'b']",
        "%%task fit --each model in models\n"
        "with open('made', 'a') as file:\n    file.write(model)\n"
        "if model == 'a':\n    only_a = 1\n"
        "values = model * 2",
        "print(values, [name for name in ('file', 'only_a') if name in dir()])",
    )
    done = bench.orch("run", "sales.ipynb")
    assert done.code == 0, done.out + done.err
    assert shown(bench, "sales.run.ipynb")[2] == "['aa', 'bb'] []\n"
    (run,) = bench.orch_json("runs")
    assert (
        "'file' is not gathered: it can't leave its process" in bench.orch("logs", run["name"]).out
    )


def test_names_that_a_call_bound_come_before_the_words_of_a_record(
    bench: Bench, write_notebook: Write
) -> None:
    write_notebook(
        "k = 2",
        "%%task load\nvalues = [n * k]\nitems = 'i'\nonly = 1",
        "%%flow all\nfirst = load(n=1)\nothers = load.map([3])\n"
        "print(first.values, first.items, first.only, others[0].values.result())",
    )
    done = bench.orch("run", "sales.ipynb")
    assert done.code == 0, done.out + done.err
    assert shown(bench, "sales.run.ipynb")[2] == "[2] i 1 [6]\n"


def test_an_item_that_changes_what_all_share_is_named(bench: Bench, write_notebook: Write) -> None:
    write_notebook("shared = []", "%%task fit --each n in range(3)\nshared.append(n)")
    failed = bench.orch("run", "sales.ipynb")
    assert failed.code == 1
    assert "item 0 changes 'shared' in place" in failed.out


def test_each_goes_on_with_the_items_that_are_left(bench: Bench, write_notebook: Write) -> None:
    write_notebook(
        "%%task fit --each n in range(5)\n"
        "import os\nopen('ran', 'a').write(f'{n} ')\n"
        "if n == 3 and not os.path.exists('fixed'):\n    raise ValueError('three')\n"
        "squared = n * n",
        "print(squared)",
    )
    assert bench.orch("run", "sales.ipynb").code == 1
    (bench.folder / "fixed").touch()
    (run,) = bench.orch_json("runs")
    assert bench.orch("resume", run["name"]).code == 0
    assert (bench.folder / "ran").read_text().split()[5:] == ["3"]
    assert shown(bench, "sales.run.ipynb")[1] == "[0, 1, 4, 9, 16]\n"


@pytest.mark.parametrize("text", ["--each model", "--each 1 in models", "--each m in models["])
def test_a_loop_that_is_none_is_refused(bench: Bench, write_notebook: Write, text: str) -> None:
    write_notebook("models = [1]", f"%%task fit {text}\nx = 1")
    refused = bench.orch("run", "sales.ipynb")
    assert refused.code == 2
    assert "--each" in refused.err


SCRIPT = """
from pathlib import Path
from orch_nb import flow, task

@task
def item(x):
    with open("ran", "a") as file:
        file.write(f"{x} ")
    if x == 73 and not Path("fixed").exists():
        raise ValueError("item 73")
    return x

@task
def total(values):
    return sum(values)

@flow
def squares(n: int):
    return total(item.map(range(n)))

if __name__ == "__main__":
    print(squares(100))
"""


def test_a_script_of_functions_is_resumed_from_the_command_line(bench: Bench) -> None:
    (bench.folder / "script.py").write_text(SCRIPT, encoding="utf-8")
    failed = bench.call([sys.executable, "script.py"])
    assert failed.code == 1
    assert "ValueError: item 73" in failed.err
    (run,) = bench.orch_json("runs")
    assert (run["flow"], run["state_name"], run["parameters"]) == ("squares", "Failed", {"n": 100})
    assert "100 items: 99 Completed, 1 Failed" in bench.orch("show", run["name"]).out
    (bench.folder / "fixed").touch()
    resumed = bench.orch("resume", run["name"])
    assert (resumed.code, resumed.err) == (0, "")
    assert (bench.folder / "ran").read_text().split()[100:] == ["73"]
    assert bench.orch("resume", run["name"]).code == 2
    assert bench.left_behind() == []


def test_a_notebook_in_a_notebook_is_told_with_its_parent(
    bench: Bench, write_notebook: Write
) -> None:
    write_notebook(code("n: int = 1", "parameters"), "m = n * 2", name="other.ipynb")
    write_notebook(
        "import orch_nb",
        "other = orch_nb.run_notebook('other.ipynb', n=4)\nprint(other.values['m'])",
    )
    done = bench.orch("run", "sales.ipynb")
    assert done.code == 0, done.out + done.err
    runs: dict[str, Any] = {run["flow"]: run for run in bench.orch_json("runs")}
    parent, child = (bench.orch_json("show", runs[flow]["name"]) for flow in ("sales", "other"))
    assert [each["name"] for each in parent["children"]] == [child["name"]]
    assert child["parent"] == parent["name"]
    assert f"subflow other · {child['name']}" in bench.orch("show", parent["name"]).out


FLOW_IN_A_CELL = """
from orch_nb import flow, task
@task
def same(x):
    return x
@flow
def inner():
    return same.map(range(3))
"""


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("orch_nb.run_notebook('other.ipynb')", "it runs a notebook"),
        ("inner()", "it runs a flow"),
    ],
)
def test_what_a_cell_runs_waits_for_the_cells_above(
    bench: Bench, write_notebook: Write, call: str, words: str
) -> None:
    write_notebook("m = 1", name="other.ipynb")
    write_notebook(
        f"import orch_nb, time\n{FLOW_IN_A_CELL}",
        "one = 1",
        "time.sleep(1.5)\nbad = one / 0",
        f"time.sleep(0.2)\nfound = {call}",
    )
    failed = bench.orch("run", "sales.ipynb")
    assert failed.code == 1
    assert f"{words}, and an earlier cell failed" in failed.out
    assert [run["flow"] for run in bench.orch_json("runs")] == ["sales"]
