"""The API against its own description: whatever is sent, no answer is a 5xx, and each fits."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from orch_nb.server.requests import BODIES
from orch_nb.server.routes import ROUTES
from tests.integration.server.conftest import notebook

TOKEN = "fuzz"
EXAMPLES = int(os.environ.get("ORCH_NB_FUZZ", "4"))  # of each route
# These would start processes or send messages with what they are given by chance.
LEFT_OUT = {"deployments.try_target", "service.set_daemon"}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The API's address on a server of its own, behind a base URL, with a run in its store."""
    home = tmp_path_factory.mktemp("fuzz")
    root = home / "root"
    root.mkdir()
    (root / "sales.ipynb").write_text(json.dumps(notebook("x = 1", "x")), "utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [
        sys.executable, "-m", "jupyter_server", "--no-browser", "--allow-root",
        f"--port={port}", "--ip=127.0.0.1", "--ServerApp.base_url=/a/b/",
        f"--IdentityProvider.token={TOKEN}", f"--ServerApp.root_dir={root}",
        "--ServerApp.jpserver_extensions={'orch_nb.server': True}",
        "--OrchNbServer.daemon=False", "--ServerApp.log_level=ERROR",
    ]  # fmt: skip
    environ = {
        **os.environ,
        "ORCH_NB_HOME": str(home / "orch"),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
    }
    run = [sys.executable, "-m", "orch_nb.cli", "run", "-q", str(root / "sales.ipynb")]
    subprocess.run(run, env=environ, check=True, capture_output=True)
    with (home / "log").open("wb") as log:
        server = subprocess.Popen(command, env=environ, stderr=log, stdout=log, cwd=root)
    address = f"http://127.0.0.1:{port}/a/b/orch-nb/api"
    try:
        _wait(address, server, home / "log")
        yield address
    finally:
        server.terminate()
        server.wait(timeout=30)


def _wait(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and server.poll() is None:
        try:
            request(f"{address}/health", "GET")
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError(log.read_text())


def request(address: str, method: str, body: bytes | None = None) -> tuple[int, Any]:
    """The status and the JSON of an answer."""
    headers = {"Authorization": f"token {TOKEN}", "Content-Type": "application/json"}
    asked = urllib.request.Request(address, data=body, headers=headers, method=method)
    try:
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_description_is_valid_and_every_answer_fits_it(api: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of what schemathesis imports
        import schemathesis
        from schemathesis.checks import not_a_server_error
        from schemathesis.specs.openapi.checks import response_schema_conformance

        _, description = request(f"{api}/openapi.json", "GET")
        schema = schemathesis.openapi.from_dict(description)
        schema.validate()
        schema.config.base_url = api
        quick = settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=True,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        seen = set()
        for found in schema.get_all_operations():
            operation = found.ok()
            name = operation.definition.raw["operationId"]
            seen.add(name)
            if name in LEFT_OUT:
                continue

            @quick
            @given(case=operation.as_strategy())
            def holds(case: Any) -> None:
                headers = {"Authorization": f"token {TOKEN}"}
                case.call_and_validate(
                    headers=headers,
                    checks=[not_a_server_error, response_schema_conformance],
                    timeout=60,
                )

            holds()
    assert len(seen) > 35


TEXTS = st.text(max_size=20) | st.sampled_from(
    ["sales", "../../etc", "\ud800", "\x00", "%", "9" * 400, "sales.ipynb", "%2e%2e%2f", "’; --"]
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


@settings(max_examples=20 * EXAMPLES, deadline=None, derandomize=True)
@given(data=st.data())
def test_hostile_bodies_are_refused_not_stumbled_over(api: str, data: st.DataObject) -> None:
    posts = [route for route in ROUTES if route.operation in BODIES.keys() - LEFT_OUT]
    route = data.draw(st.sampled_from(posts))
    keys = st.sampled_from(sorted(BODIES[route.operation]["properties"]))
    body = data.draw(st.dictionaries(keys, VALUES, max_size=5) | VALUES)
    path = route.path.replace("{run}", "%00x").replace("{deployment}", "%F0%9F%98%80")
    status, answer = request(f"{api}{path}", route.method, json.dumps(body).encode())
    assert status < 500, answer
    assert status < 300 or set(answer) == {"message", "where", "hint"}
