"""Runs through the API, from their start to what is kept of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.integration.server.conftest import notebook

Ask = Callable[..., Awaitable[Any]]
Save = Callable[..., Path]

FLAKY = """
import pathlib
if not pathlib.Path('mended').exists():
    raise KeyError('month')
b = a + 1
b
"""


async def test_a_saved_notebook_runs_in_a_process_of_its_own(
    ask: Ask, until: Ask, save: Save
) -> None:
    document = notebook("n = 2", "a = n * 10", "print('a is', a)\na", tags={1: ["parameters"]})
    save("work/sales.ipynb", document)
    body = {"path": "work/sales.ipynb", "parameters": {"n": 3}, "tags": ["nightly"]}
    started = await ask("POST", "/runs", body, status=201)
    ended = await until(started["id"], "Completed")
    assert ended["path"] == "work/sales.ipynb"
    assert ended["output_path"] == "work/sales.run.ipynb"
    assert ended["parameters"] == {"n": 3}
    outputs = await ask("GET", f"/runs/{started['name']}/outputs")
    last = outputs["cells"][-1]
    assert outputs["ended"]
    assert last["cell_id"] == "cell3"
    texts = [one.get("text") or one["data"]["text/plain"] for one in last["outputs"]]
    assert ["".join(text) for text in texts] == ["a is 30\n", "30"]
    listed = await ask("GET", "/runs", tag="nightly", path="work/sales.ipynb", search="SALES")
    assert [run["id"] for run in listed["runs"]] == [started["id"]]
    assert (await ask("GET", "/runs", tag="weekly"))["runs"] == []


async def test_content_that_is_not_saved_runs_as_it_is(ask: Ask, until: Ask, save: Save) -> None:
    save("draft.ipynb", notebook("x = 'saved'\nx"))
    body = {"path": "draft.ipynb", "content": notebook("x = 'unsaved'\nx")}
    started = await ask("POST", "/runs", body, status=201)
    await until(started["id"], "Completed")
    outputs = await ask("GET", f"/runs/{started['id']}/outputs", cell=1)
    assert outputs["cells"][0]["outputs"][0]["data"]["text/plain"] == "'unsaved'"


async def test_a_failed_run_is_planned_resumed_and_kept(
    ask: Ask, until: Ask, save: Save, jp_root_dir: Path
) -> None:
    save("sales.ipynb", notebook("a = 1\na", FLAKY, "c = b"))
    started = await ask("POST", "/runs", {"path": "sales.ipynb"}, status=201)
    run = started["id"]
    await until(run, "Failed")
    shown = await ask("GET", f"/runs/{run}")
    errors = [row["error"]["name"] for row in shown["snapshot"]["rows"] if row.get("error")]
    assert errors == ["KeyError"]
    detail = await ask("GET", f"/runs/{run}/cells/2")
    assert "raise KeyError" in detail["source"]
    plan = await ask("GET", f"/runs/{run}/plan")
    assert [cell["use"] for cell in plan["cells"] if cell["cell"] > 1] == ["run", "run"]
    why = await ask("GET", f"/runs/{run}/why")
    assert why["headline"]
    (jp_root_dir / "mended").touch()
    await ask("POST", f"/runs/{run}/resume")
    ended = await until(run, "Completed")
    assert ended["attempt"] == 2
    kept = await ask("POST", f"/runs/{run}/keep")
    assert kept["pinned"]
    again = await ask("POST", f"/runs/{run}/resume", status=400)
    assert "nothing is left to run" in again["message"]
    await ask("POST", f"/runs/{run}/retry", {"tasks": ["2"]})
    await until(run, "Completed")
    changes = (await ask("GET", f"/runs/{run}/history"))["changes"]
    assert {change["by"] for change in changes} >= {"driver", "resume"}
    grid = await ask("GET", "/grid", path="sales.ipynb")
    assert [row["cell_id"] for row in grid["rows"]] == ["cell1", "cell2", "cell3"]


async def test_a_running_run_is_cancelled_and_says_by_whom(
    ask: Ask, until: Ask, save: Save
) -> None:
    save("long.ipynb", notebook("import time\ntime.sleep(600)"))
    started = await ask("POST", "/runs", {"path": "long.ipynb"}, status=201)
    await until(started["id"], "Running")
    await ask("POST", f"/runs/{started['id']}/cancel")
    ended = await until(started["id"], "Cancelled")
    assert ended["end_time"] is not None


async def test_a_question_is_told_and_answered(ask: Ask, until: Ask, save: Save) -> None:
    first = "%%task load --pause 'Which region?' --input region:str\nprint(region)"
    save("ask.ipynb", notebook(first))
    started = await ask("POST", "/runs", {"path": "ask.ipynb"}, status=201)
    run = started["id"]
    await until(run, "Paused", "Suspended")
    shown = await ask("GET", f"/runs/{run}")
    assert shown["questions"][0]["inputs"] == ["region:str"]
    refused = await ask("POST", f"/runs/{run}/answer", {"task": "load"}, status=400)
    assert "region" in refused["message"]
    await ask("POST", f"/runs/{run}/answer", {"task": "load", "values": {"region": "EU"}})
    await until(run, "Completed")


async def test_what_can_not_run_is_refused_in_words(ask: Ask, save: Save) -> None:
    save("bad.ipynb", notebook("%%task load --retry 3\nx = 1"))
    refused = await ask("POST", "/runs", {"path": "bad.ipynb"}, status=400)
    assert refused == {
        "message": "unknown option --retry",
        "where": "bad.ipynb, cell 1 'load'",
        "hint": "did you mean --retries 3 ?",
    }
    missing = await ask("GET", "/runs/brave-otter", status=404)
    assert missing["message"] == "there is no run 'brave-otter'"
    save("good.ipynb", notebook("x = 1"))
    body = {"path": "good.ipynb", "parameters": {"year": 2025}}
    unknown = await ask("POST", "/runs", body, status=400)
    assert "parameters cell" in unknown["message"]


async def test_logs_are_read_from_a_cursor_on(ask: Ask, until: Ask, save: Save) -> None:
    source = "import logging\nfor i in range(3): logging.getLogger('x').warning('line %d', i)"
    save("logs.ipynb", notebook(source))
    started = await ask("POST", "/runs", {"path": "logs.ipynb"}, status=201)
    run = started["id"]
    await until(run, "Completed")
    first = await ask("GET", f"/runs/{run}/logs", limit=2)
    rest = await ask("GET", f"/runs/{run}/logs", cursor=first["cursor"])
    lines = [line["message"] for line in (*first["logs"], *rest["logs"])]
    assert lines == ["line 0", "line 1", "line 2"]
    assert rest["ended"]
    nothing = await ask("GET", f"/runs/{run}/logs", cursor=rest["cursor"])
    assert nothing["logs"] == []
