"""Tasks that ask: suspended runs go on when somebody answers, others wait with their process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat

from tests.command_line import Bench, wait_until

Write = Callable[..., Path]

LOAD = "%%task load\nwith open('log', 'a') as log: log.write('load ')\nsales = [1, 2]"
ASK = (
    "%%task approve --pause 'Publish?' --input amount:float,note:str\n"
    "with open('log', 'a') as log: log.write('approve ')\nprint(amount * sum(sales), note)"
)
SEND = (
    "%%task send --needs approve\n"
    "with open('log', 'a') as log: log.write('send ')\n"
    "print('sent', amount)"
)


def texts(bench: Bench) -> list[str]:
    notebook = nbformat.read(bench.folder / "sales.run.ipynb", as_version=4)
    return ["".join(output.get("text", "") for output in cell.outputs) for cell in notebook.cells]


def states(bench: Bench, run: str) -> dict[str, str]:
    return {task["name"]: task["state_name"] for task in bench.orch_json("show", run)["tasks"]}


def test_a_run_is_suspended_and_goes_on_when_it_is_answered(
    bench: Bench, write_notebook: Write
) -> None:
    write_notebook(LOAD, ASK, SEND)
    ended = bench.orch("run", "sales.ipynb", "--name", "otter")
    assert ended.code == 0, ended.err
    assert "‖ Suspended in " in ended.out
    assert "next    orch-nb answer otter" in ended.out
    assert bench.processes() == []
    assert states(bench, "otter") == {"load": "Completed", "approve": "Paused", "send": "Pending"}
    assert bench.orch_json("answer", "otter") == [
        {
            "task": "approve",
            "question": "Publish?",
            "inputs": ["amount:float", "note:str"],
            "deadline": None,
        }
    ]

    answered = bench.orch("answer", "otter", "approve", "amount=2.5", "note=go on")
    assert answered.code == 0, answered.err
    assert (bench.folder / "log").read_text() == "load approve send "
    assert texts(bench) == ["", "7.5 go on\n", "sent 2.5\n"]
    run = bench.orch_json("show", "otter")
    assert (run["state_name"], run["attempt"]) == ("Completed", 1)


def test_bad_answers_are_refused_in_words(bench: Bench, write_notebook: Write) -> None:
    write_notebook(LOAD, ASK, SEND)
    bench.orch("run", "sales.ipynb", "--name", "otter")

    def refusal(*arguments: str) -> tuple[int, str]:
        ended = bench.orch("answer", "otter", *arguments)
        return ended.code, ended.err.splitlines()[0]

    assert refusal("approve", "amount=x", "note=a") == (
        2,
        "error: amount='x' is not a float         --> run otter, task 'approve'",
    )
    code, said = refusal("approve", "amount=1")
    assert (code, said.startswith("error: the answer lacks note")) == (2, True)
    code, said = refusal("approve", "amount=1", "note=a", "nota=b")
    assert (code, said.startswith("error: the question has no input 'nota'")) == (2, True)
    code, said = refusal("load")
    assert (code, said) == (2, "error: task 'load' of run otter asks nothing now")
    assert bench.orch("answer", "otter", "approve", "amount").code == 2


def test_a_value_that_cannot_be_kept_keeps_the_process(bench: Bench, write_notebook: Write) -> None:
    slow = "import time\ntime.sleep(0.3)\nnumbers = (n for n in range(3))"
    ask = "%%task approve --pause 'Go on?'\nprint(next(numbers))"
    write_notebook("%%task load\n" + slow, ask)
    process = bench.start("run", "sales.ipynb", "--name", "otter")

    def paused() -> bool:
        found = bench.orch("show", "otter", "--json")
        return found.code == 0 and json.loads(found.out)["state_name"] == "Paused"

    wait_until(lambda: paused() or process.poll() is not None, 60, "the question")
    assert process.poll() is None, process.communicate()
    answered = bench.orch("answer", "otter", "approve")
    assert answered.out == "answered; its process goes on\n"
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, err
    assert "can't be pickled" in out
    assert texts(bench) == ["", "0\n"]


def test_nobody_answers_in_time(bench: Bench, write_notebook: Write) -> None:
    keep = "import time\ntime.sleep(0.3)\nnumbers = (n for n in range(3))"
    ask = "%%task approve --pause 'Go on?' --pause-timeout 1s{}\nprint(next(numbers))"
    write_notebook("%%task load\n" + keep, ask.format(""))
    ended = bench.orch("run", "sales.ipynb")
    assert ended.code == 1
    assert "nobody answered 'Go on?' within 1s" in ended.out

    write_notebook("%%task load\n" + keep, ask.format(" --unanswered continue"))
    ended = bench.orch("run", "sales.ipynb")
    assert ended.code == 0, ended.out
    assert texts(bench) == ["", "0\n"]


def test_a_suspended_run_can_be_cancelled(bench: Bench, write_notebook: Write) -> None:
    write_notebook(LOAD, ASK, SEND)
    bench.orch("run", "sales.ipynb", "--name", "otter")
    assert bench.orch("cancel", "otter").code == 0
    run: dict[str, Any] = bench.orch_json("show", "otter")
    assert run["state_name"] == "Cancelled"
    assert bench.orch("answer", "otter", "approve", "amount=1", "note=a").code == 2
