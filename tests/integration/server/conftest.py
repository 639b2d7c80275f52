"""A Jupyter server with the extension, in this process, with Jupyter's own fixtures."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from pytest_jupyter.jupyter_server import *  # noqa: F403
from tornado.httpclient import HTTPClientError

Ask = Callable[..., Awaitable[Any]]


def notebook(*sources: str, tags: dict[int, list[str]] | None = None) -> dict[str, Any]:
    """A document with these code cells; ``tags`` are by cell number."""
    cells = [
        {
            "cell_type": "code",
            "id": f"cell{number}",
            "metadata": {"tags": tags[number]} if tags and number in tags else {},
            "source": source,
            "outputs": [],
            "execution_count": None,
        }
        for number, source in enumerate(sources, 1)
    ]
    return {"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}


@pytest.fixture
def jp_server_config() -> dict[str, Any]:
    """The extension is on, and starts no daemon."""
    return {
        "ServerApp": {"jpserver_extensions": {"orch_nb.server": True}},
        "OrchNbServer": {"daemon": False},
    }


@pytest.fixture
def save(jp_root_dir: Path) -> Callable[..., Path]:
    """Saves a notebook below the server's root."""

    def saved(name: str, document: dict[str, Any]) -> Path:
        path = jp_root_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(document), "utf-8")
        return path

    return saved


@pytest.fixture
def ask(jp_fetch: Callable[..., Awaitable[Any]]) -> Ask:
    """Asks the API, and gives the answer's JSON; ``status`` is what is expected."""

    async def asked(
        method: str, route: str, body: Any = None, *, status: int = 200, **params: Any
    ) -> Any:
        data = None if method in ("GET", "DELETE") else json.dumps(body or {})
        try:
            answer = await jp_fetch(
                "orch-nb", "api", *route.strip("/").split("/"), method=method, body=data,
                params=params, request_timeout=60,
            )  # fmt: skip
        except HTTPClientError as error:
            answer = error.response
        assert answer is not None
        found = json.loads(answer.body)
        assert answer.code == status, found
        return found

    return asked


@pytest.fixture
def until(ask: Ask) -> Ask:
    """Waits, by the event stream, until a run is in one of some states; gives its record."""

    async def waited(run: str, *states: str) -> Any:
        cursor = (await ask("GET", "/events"))["cursor"]
        while True:
            found = (await ask("GET", f"/runs/{run}"))["run"]
            if found["state_name"] in states:
                return found
            page = await ask("GET", "/events", cursor=cursor, wait=20)
            assert page["events"], f"nothing happens: {found}"
            cursor = page["cursor"]

    return waited
