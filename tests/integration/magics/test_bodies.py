"""A %%flow cell with a body, in a real kernel: tasks as callables, and `--each`."""

from __future__ import annotations

import re
from typing import Any

import pytest

BODY = """%%flow report
first = load(year=2020)
many = load.map([2021, 2022])
scores = [each.scored for each in score.map(sales=[m.sales for m in many]).result()]
print("called", len(scores))
first.sales, scores"""
CELLS = {
    "a": "base = 1\nclass Place:\n    pass",
    "b": "%%task load --retries 1\nsales = base + year\nplace = Place()",
    "c": "%%task score\nscored = sales * 2",
    "f": BODY,
}


@pytest.fixture
def notebook(saved: Any) -> Any:
    saved.save(**CELLS)
    return saved


def test_a_flows_body_calls_its_tasks(start: Any, notebook: Any) -> None:
    kernel = start(notebook.path)
    kernel.run(CELLS["a"], "a")
    kernel.run("base = 10; sales = 'mine'")  # what the kernel holds counts
    ran = kernel.run(BODY, "f")
    assert ran.status == "ok", ran.error
    assert ran.text == "called 2\n"
    assert ran.shown[-1]["text/plain"] == "(2030, [4062, 4064])"
    table = ran.shown[-2]["text/plain"]
    assert re.search(r"✓ load ×3 +cell 2", table), table
    assert "✓ score ×2" in table
    assert kernel.value("scores, sales, first.sales, isinstance(first.place, Place)") == (
        "([4062, 4064], 'mine', 2030, True)"
    )
    assert kernel.value("'load' in globals()") == "False"  # a callable in the body only
    name = kernel.run("%flow runs").text.split()[1]
    assert kernel.run(f"%flow show {name}").text.count("load") == 3


def test_without_a_file_the_cells_of_the_kernel_are_called(kernel: Any) -> None:
    kernel.run("%config OrchNb.tasks = 'defer'")
    for name in ("a", "b", "c"):
        assert kernel.run(CELLS[name]).status == "ok"
    for times in (1, 2):
        ran = kernel.run(BODY)
        assert ran.status == "ok", ran.error
        assert ran.text == "called 2\n", times
    assert kernel.value("scores") == "[4044, 4046]"


def test_a_failing_call_is_mended_and_the_run_goes_on(start: Any, notebook: Any) -> None:
    broken = "%%task score\nif sales > 2022:\n    raise ValueError('too many')\nscored = sales * 2"
    notebook.save(c=broken)
    kernel = start(notebook.path)
    failed = kernel.run(BODY, "f")
    assert failed.status == "error"
    assert "ValueError: too many" in failed.error
    assert len(failed.error.splitlines()) <= 2
    found = re.search(r"%flow resume (\S+)", failed.error)
    assert found is not None
    notebook.save(c=CELLS["c"])
    resumed = kernel.run(f"%flow resume {found[1]}")
    assert resumed.status == "ok", resumed.error
    assert kernel.value("scores, base") == "([4044, 4046], 1)"


def test_mistakes_in_a_body_are_told_in_a_line(start: Any, notebook: Any) -> None:
    kernel = start(notebook.path)
    wrong = "%%flow report\nload(moon=1)"
    notebook.save(f=wrong)
    failed = kernel.run(wrong, "f")
    assert "it reads no 'moon'" in failed.error
    assert len(failed.error.splitlines()) <= 3
    kernel.run("import threading\nbase = threading.Lock()")
    notebook.save(a="import threading\nbase = threading.Lock()", f=BODY)
    kernel.run("import threading\nbase = threading.Lock()", "a")
    failed = kernel.run(BODY, "f")
    assert "'base' (lock) can't be pickled" in failed.error
    assert kernel.value("1") == "1"


def test_an_interrupt_ends_the_calls(start: Any, notebook: Any) -> None:
    notebook.save(b="%%task load\nimport time\ntime.sleep(60)\nsales = year")
    kernel = start(notebook.path)
    ran = kernel.run(BODY, "f", seen=kernel.interrupt_when("◐ load"))
    assert ran.error.startswith("KeyboardInterrupt: ")
    assert kernel.value("1") == "1"


def test_items_run_beside_each_other_and_count_when_run_by_hand(start: Any, saved: Any) -> None:
    each = "%%task fit --each model in models\nscore = ord(model)\nname = model * 2"
    saved.save(a="models = ['a', 'b']", b=each, c="both = score, name", f="%%flow")
    kernel = start(saved.path)
    ran = kernel.run("%%flow", "f")
    assert ran.status == "ok", ran.error
    assert "✓ fit ×2" in ran.table
    assert kernel.value("both") == "([97, 98], ['aa', 'bb'])"
    assert kernel.run(each, "b").status == "ok"
    again = kernel.run("%%flow", "f")
    assert "2 up to date, 1 run" in again.table  # what was run before it is run after it again
    kernel.run("models = ['c']", "a2")
    assert kernel.run("%%flow", "f").status == "ok"
    assert kernel.value("both") == "([99], ['cc'])"
