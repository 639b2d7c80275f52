"""Who may ask, and which files may be named."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from jupyter_server.auth import Authorizer
from tornado.httpclient import HTTPClientError

from orch_nb.server.routes import ROUTES
from tests.integration.server.conftest import notebook

Ask = Callable[..., Awaitable[Any]]
Save = Callable[..., Path]


async def code_of(fetch: Any, *parts: str, **options: Any) -> int:
    """The status of an answer."""
    try:
        return int((await fetch(*parts, **options)).code)
    except HTTPClientError as error:
        return int(error.code)


async def test_nothing_is_reachable_without_the_token(jp_fetch: Any) -> None:
    for route in ROUTES:
        path = route.path.replace("{", "").replace("}", "")
        code = await code_of(
            jp_fetch,
            "orch-nb",
            "api",
            *path.strip("/").split("/"),
            method=route.method,
            body=None if route.method in ("GET", "DELETE") else "{}",
            headers={"Authorization": "token wrong"},
        )
        assert code == 403, route
    page = await code_of(
        jp_fetch, "orch-nb", headers={"Authorization": "x"}, follow_redirects=False
    )
    assert page in (302, 403)


async def test_a_post_by_cookie_needs_the_xsrf_token(jp_fetch: Any, jp_serverapp: Any) -> None:
    token = jp_serverapp.identity_provider.token
    code = await code_of(
        jp_fetch,
        "orch-nb", "api", "daemon",
        method="POST", body='{"wish": "off"}', headers={"Authorization": "", "Cookie": "a=b"},
        params={"token": token + "x"},
    )  # fmt: skip
    assert code == 403


async def test_the_authorizer_is_asked_with_resource_and_action(
    jp_fetch: Any, jp_serverapp: Any, save: Save
) -> None:
    asked: list[tuple[str, str]] = []

    class Reader(Authorizer):  # type: ignore[misc]
        def is_authorized(self, handler: Any, user: Any, action: str, resource: str) -> bool:
            asked.append((action, resource))
            return action == "read"

    jp_serverapp.web_app.settings["authorizer"] = Reader(parent=jp_serverapp)
    assert await code_of(jp_fetch, "orch-nb", "api", "runs") == 200
    body = json.dumps({"path": "x.ipynb"})
    assert await code_of(jp_fetch, "orch-nb", "api", "runs", method="POST", body=body) == 403
    graph = json.dumps({"content": notebook("x = 1")})
    assert await code_of(jp_fetch, "orch-nb", "api", "graph", method="POST", body=graph) == 200
    assert asked == [
        ("read", "orch_nb_runs"),
        ("execute", "orch_nb_runs"),
        ("read", "orch_nb_notebooks"),
    ]


@pytest.mark.parametrize(
    "path",
    ["../secret.ipynb", "a/../../secret.ipynb", "link.ipynb", "linked/secret.ipynb", "..", "loop"],
)
@pytest.mark.parametrize("route", ["/graph", "/runs", "/deployments"])
async def test_paths_stay_below_the_root(
    ask: Ask, jp_root_dir: Path, path: str, route: str
) -> None:
    outside = jp_root_dir.parent / "secret.ipynb"
    outside.write_text(json.dumps(notebook("x = 'secret'")), "utf-8")
    (jp_root_dir / "link.ipynb").symlink_to(outside)
    (jp_root_dir / "linked").symlink_to(jp_root_dir.parent)
    (jp_root_dir / "loop").symlink_to("loop")
    body = {"path": path, "name": "x"} if route == "/deployments" else {"path": path}
    refused = await ask("POST", route, body, status=400)
    assert "secret" not in json.dumps(refused["message"])
    assert (await ask("GET", "/runs"))["runs"] == []


async def test_an_absolute_path_is_one_below_the_root(
    ask: Ask, jp_root_dir: Path, save: Save
) -> None:
    outside = jp_root_dir.parent / "secret.ipynb"
    outside.write_text(json.dumps(notebook("x = 'secret'")), "utf-8")
    await ask("POST", "/graph", {"path": str(outside)}, status=404)
    save("own.ipynb", notebook("x = 1"))
    assert (await ask("POST", "/graph", {"path": "/own.ipynb"}))["cells"]


async def test_what_a_run_writes_and_works_in_stays_below_the_root(
    ask: Ask, save: Save, jp_root_dir: Path
) -> None:
    save("own.ipynb", notebook("x = 1"))
    for key in ("output", "cwd"):
        body = {"path": "own.ipynb", key: "../elsewhere"}
        refused = await ask("POST", "/runs", body, status=400)
        assert refused["message"] == "the path leads out of the server's folder"
    hidden = await ask("POST", "/runs", {"path": ".hidden/own.ipynb"}, status=404)
    assert hidden["message"] == "there is no such file"


async def test_the_page_needs_nothing_from_elsewhere(jp_fetch: Any, jp_base_url: str) -> None:
    page = await jp_fetch("orch-nb")
    text = page.body.decode()
    assert "https://" not in text
    assert "<script>" not in text
    assert f'data-base="{jp_base_url}"' in text
    assert "default-src 'none'" in page.headers["Content-Security-Policy"]
    for name in ("dashboard.js", "dashboard.css"):
        assert f'"{jp_base_url}static/orch_nb/{name}"' in text
        found = await jp_fetch("static", "orch_nb", name)
        assert b"https://" not in found.body


async def test_errors_are_json_and_never_a_traceback(
    jp_fetch: Any, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    unknown = await ask("GET", "/nothing/here", status=404)
    assert unknown["message"] == "there is no such path in the API"
    await ask("DELETE", "/runs/x", status=405)
    broken = await ask("GET", "/runs", status=400, limit="many")
    assert broken == {"message": "limit='many' is no whole number", "where": "limit", "hint": None}
    misspelt = await ask("GET", "/upcoming", status=400, limits=3)
    assert misspelt["hint"] == "known: limit"

    def fail(call: Any) -> None:
        raise RuntimeError("secret words")

    monkeypatch.setattr("orch_nb.server.operations.service.workers", fail)
    ours = await ask("GET", "/workers", status=500)
    assert "secret" not in json.dumps(ours)
    assert "Traceback" not in json.dumps(ours)


async def test_a_store_that_can_not_be_opened_is_no_fault_of_the_server(
    ask: Ask, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "broken.db").write_text("no database at all, and long enough to be read" * 50)
    monkeypatch.setenv("ORCH_NB_STORE", str(tmp_path / "broken.db"))
    refused = await ask("GET", "/runs", status=409)
    assert "broken.db" in (refused["where"] or refused["message"])
