"""Graphs, problems and tags of notebooks that are being edited."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from tests.integration.server.conftest import notebook

Ask = Callable[..., Awaitable[Any]]


async def test_the_graph_of_unsaved_content(ask: Ask) -> None:
    content = notebook(
        "years: list[int] = [2025]  # which", "sales = load(years)", "sales.sum()",
        tags={1: ["parameters"]},
    )  # fmt: skip
    found = await ask("POST", "/graph", {"content": content, "path": "sales.ipynb"})
    assert [cell["number"] for cell in found["cells"]] == [1, 2, 3]
    pairs = {(edge["from"], edge["to"]): edge["names"] for edge in found["edges"]}
    assert pairs == {(1, 2): ["years"], (2, 3): ["sales"]}
    words = found["words"][1]
    assert words["takes"] == [{"name": "years", "cell": 1}]
    assert words["gives"] == [{"name": "sales", "cells": [3]}]
    assert {node["cell"] for node in found["picture"]["nodes"]} == {1, 2, 3}
    assert found["parameters"][0]["type"] == "list[int]"
    assert found["parameters"][0]["help"] == "which"
    assert found["flow"]["name"] == "sales"


async def test_a_problem_says_where_and_what_mends_it(ask: Ask) -> None:
    content = notebook("regions = [1]", "total = 0", "print('é𝛼', reginos)")
    (problem,) = (await ask("POST", "/check", {"content": content}))["problems"]
    assert problem["rule"] == "undefined-name"
    assert (problem["cell"], problem["cell_id"]) == (3, "cell3")
    # columns count UTF-16 units, as editors in browsers do: the 𝛼 has two
    assert problem["range"] == {"line": 0, "column": 13, "end_line": 0, "end_column": 20}
    assert problem["fixes"] == [{"title": "Change to regions", "text": "regions", "metadata": None}]


async def test_a_notebook_that_has_no_graph_has_the_reason(ask: Ask) -> None:
    content = notebook("x = 1", "%%task load --retry 3\ny = x")
    found = await ask("POST", "/graph", {"content": content})
    (problem,) = found["problems"]
    assert found["cells"] == []
    assert (problem["rule"], problem["cell"]) == ("unusable", 2)
    assert problem["range"] == {"line": 0, "column": 12, "end_line": 0, "end_column": 19}
    assert problem["fixes"][0]["text"] == "--retries"


async def test_metadata_that_contradicts_the_line_is_mended(ask: Ask) -> None:
    content = notebook("%%task load\ny = 1", tags={1: ["setup", "mine"]})
    (problem,) = (await ask("POST", "/check", {"content": content}))["problems"]
    assert problem["fixes"][0]["metadata"] == {"tags": ["mine"]}


async def test_a_saved_notebook_and_one_that_is_not_there(
    ask: Ask, save: Callable[..., Path]
) -> None:
    save("a b/ü.ipynb", notebook("x = 1", "x"))
    found = await ask("POST", "/graph", {"path": "a b/ü.ipynb"})
    assert [(edge["from"], edge["to"]) for edge in found["edges"]] == [(1, 2)]
    missing = await ask("POST", "/graph", {"path": "b.ipynb"}, status=404)
    assert missing["where"] == "b.ipynb"
    none = await ask("POST", "/graph", {}, status=400)
    assert none["hint"] == "give its path, or its content"


async def test_a_half_typed_cell_is_told_of_and_the_graph_stays(ask: Ask) -> None:
    found = await ask("POST", "/graph", {"content": notebook("x = 1", "y = x + (", "x")})
    assert [cell["number"] for cell in found["cells"]] == [1, 2, 3]
    assert "syntax-error" in {problem["rule"] for problem in found["problems"]}


async def test_a_line_is_edited_in_place(ask: Ask) -> None:
    body = {
        "source": "#| task old --retries 1\nx = 1",
        "metadata": {"tags": ["mine"], "collapsed": True},
        "kind": "task",
        "options": {"name": "load", "retries": 3, "timeout": "5m"},
    }
    found = await ask("POST", "/cells/tag", body)
    assert found == {
        "source": "#| task load --retries 3 --timeout 5m\nx = 1",
        "metadata": {"tags": ["mine"], "collapsed": True},
    }
    plain = await ask("POST", "/cells/tag", {**found, "kind": "plain"})
    assert plain == {"source": "x = 1", "metadata": {"tags": ["mine"], "collapsed": True}}
    tagged = await ask(
        "POST", "/cells/tag", {**plain, "kind": "task", "options": {"name": "load", "retries": 2}}
    )
    assert tagged["metadata"]["tags"] == ["mine", "task"]
    assert tagged["metadata"]["orch_nb"] == {"name": "load", "retries": 2}
    wrong = await ask(
        "POST", "/cells/tag", {**plain, "kind": "task", "options": {"retrys": 2}}, status=400
    )
    assert "retries" in wrong["hint"]


async def test_the_options_of_a_cell_are_those_that_a_form_gives_back(ask: Ask) -> None:
    content = notebook(
        "%%task load --retries 3\nx = 1", "#| task\ny = x", "%%flow sales --max-workers 2"
    )
    words = (await ask("POST", "/graph", {"content": content, "path": "a.ipynb"}))["words"]
    given = [{"name": "load", "retries": 3}, {}, {"name": "sales", "max_workers": 2}]
    assert [one["options"] for one in words] == given
    for cell, options, kind in zip(content["cells"], given, ("task", "task", "flow"), strict=True):
        body = {"source": cell["source"], "metadata": {}, "kind": kind, "options": options}
        assert (await ask("POST", "/cells/tag", body))["source"] == cell["source"]


async def test_a_time_against_caches_is_no_parameter(ask: Ask) -> None:
    # what JupyterLab's requests put behind the question mark
    assert (await ask("GET", "/health", **{"1732000000000": ""}))["ok"]
    refused = await ask("GET", "/health", **{"1732000000000": "1"}, status=400)
    assert "1732000000000" in refused["message"]
    await ask("GET", "/health", colour="", status=400)
