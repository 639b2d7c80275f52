"""%%task and its kin by hand: cells run as any cell does."""

from __future__ import annotations

from typing import Any


def test_a_task_runs_as_any_cell(kernel: Any) -> None:
    assert kernel.run("%%task load --retries 3\nx = 1\nx + 1").value == "2"
    assert kernel.value("_") == "2"
    assert kernel.run("%%task wait\nimport asyncio\nawait asyncio.sleep(0, x + 4)").value == "5"
    timed = kernel.run("%%task timed\n%%time\ny = 3")
    assert timed.status == "ok"
    assert "Wall time" in timed.text
    assert kernel.run("%%setup\nz = 1").status == "ok"
    assert kernel.run("#| task again --retries 1\nx = x + z + y").status == "ok"
    assert kernel.value("x") == "5"


def test_tracebacks_count_lines_as_the_cell_does(kernel: Any) -> None:
    failed = kernel.run("%%task bad\n\n1/0")
    assert failed.status == "error"
    assert "ZeroDivisionError" in failed.error
    arrow = next(line for line in failed.error.splitlines() if "--->" in line)
    assert "3" in arrow


def test_a_bad_option_is_told_in_a_line(kernel: Any) -> None:
    failed = kernel.run("%%task load --retrys 3\nx = 1")
    assert failed.error.splitlines() == [
        "OptionError: unknown option --retrys  --> cell 2 'load'",
        "  hint: did you mean --retries 3 ?",
    ]
    assert kernel.run("x").status == "error"
    assert "Traceback" not in kernel.run("%%setup now\nx = 1").error
    body = kernel.run("get_ipython().run_cell_magic('flow', 'sales', 'x = 1')")
    assert "OptionError: %%flow with a body is a cell of its own" in body.error


def test_deferred_tasks_only_register(kernel: Any) -> None:
    kernel.run("%config OrchNb.tasks = 'defer'")
    assert "waits for %%flow" in kernel.run("%%task load\nx = 99").text
    assert kernel.run("x").status == "error"
    assert kernel.run("%%flow").status == "ok"
    assert kernel.value("x") == "99"


def test_options_complete_and_explain_themselves(kernel: Any) -> None:
    assert "--retry-delay" in kernel.complete("%%task load --retry-")
    assert kernel.complete("%flow gr") == ["graph"]
    assert "--background" in kernel.complete("%%flow sales --ba")
    for question in ("%%task?", "%%flow?", "%flow?"):
        (page,) = kernel.run(question).payload
        text = page["data"]["text/plain"]
        assert "--retries N" in text or "--max-workers N" in text or "%flow diff" in text


def test_loading_twice_and_unloading(kernel: Any) -> None:
    assert kernel.run("%load_ext orch_nb").status == "ok"
    assert kernel.run("%reload_ext orch_nb").status == "ok"
    assert kernel.run("%%task a\nx = 1").status == "ok"
    assert kernel.run("%unload_ext orch_nb").status == "ok"
    assert kernel.run("%%task a\nx = 2").status == "error"
    assert kernel.run("x").value == "1"
