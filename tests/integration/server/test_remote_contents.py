"""A server whose files are not on this disk: its contents manager alone knows the notebooks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from jupyter_server.services.contents.manager import AsyncContentsManager

from tests.integration.server.conftest import notebook

Ask = Callable[..., Awaitable[Any]]
_HELD = {"team/far.ipynb": notebook("n = 2", "m = n * 21\nm", tags={1: ["parameters"]})}


class FarContents(AsyncContentsManager):
    """Holds notebooks in its memory, as one on a database or a bucket would."""

    async def get(self, path: str, *_: Any, **__: Any) -> dict[str, Any]:
        return {"path": path, "type": "notebook", "content": _HELD[path.strip("/")]}


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    """The extension is on, with contents from elsewhere."""
    return {
        "ServerApp": {
            "jpserver_extensions": {"orch_nb.server": True},
            "contents_manager_class": FarContents,
        },
        "OrchNbServer": {"daemon": False},
    }


async def test_a_notebook_that_is_elsewhere_is_drawn_run_and_found_again(
    ask: Ask, until: Ask
) -> None:
    graph = await ask("POST", "/graph", {"path": "team/far.ipynb"})
    assert [cell["kind"] for cell in graph["cells"]] == ["parameters", "plain"]
    body = {"path": "team/far.ipynb", "parameters": {"n": 3}}
    started = await ask("POST", "/runs", body, status=201)
    ended = await until(started["id"], "Completed")
    outputs = await ask("GET", f"/runs/{started['id']}/outputs")
    assert outputs["cells"][-1]["outputs"][0]["data"]["text/plain"] == "63"
    # the marks beside its cells are those of its last run, and its document leads to it
    listed = await ask("GET", "/runs", path="team/far.ipynb")
    assert [run["id"] for run in listed["runs"]] == [started["id"]]
    assert ended["path"] == "team/far.ipynb"
    refused = await ask("POST", "/deployments", {"name": "x", "path": "team/far.ipynb"}, status=400)
    assert refused["message"] == "a schedule needs the notebook on this machine's disk"
    await ask("POST", "/graph", {"path": "../far.ipynb"}, status=400)
