"""Health, Prometheus metrics, and starts by a call with a token, on a port of the loopback."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import unquote, urlsplit

from orch_nb.errors import OrchError, StoreError
from orch_nb.service.triggers import start_by_token
from orch_nb.store import Store
from orch_nb.store.queue_reading import queue_lengths

HOST = "127.0.0.1"
_LARGEST_BODY = 1 << 20
_TRIGGER = "/trigger/"
_KEY_HEADER = "Idempotency-Key"


@dataclass(frozen=True, slots=True)
class Metrics:
    """What the port tells: of the loops of this process, and of the store."""

    store: Store
    health: Callable[[], Mapping[str, bool]]
    counts: Callable[[], Mapping[str, float]]

    def as_text(self) -> str:
        """In Prometheus' text format."""
        lines = []
        for name, value in self.counts().items():
            kind = "counter" if name.endswith("_total") else "gauge"
            lines += [f"# TYPE {name} {kind}", f"{name} {value:g}"]
        waiting, taken, oldest = queue_lengths(self.store)
        age = 0.0 if oldest is None else (datetime.now(UTC) - oldest).total_seconds()
        for name, value in (
            ("orch_nb_waiting_runs", waiting),
            ("orch_nb_running_runs", taken),
            ("orch_nb_oldest_due_seconds", max(age, 0.0)),
        ):
            lines += [f"# TYPE {name} gauge", f"{name} {value:g}"]
        return "\n".join(lines) + "\n"


class HttpPort:
    """Serves in a thread of its own until it is closed. Raises OSError for a port in use."""

    def __init__(self, number: int, metrics: Metrics, wake: Callable[[], None]) -> None:
        handler = type("Handler", (_Handler,), {"metrics": metrics, "wake": staticmethod(wake)})
        self._server = ThreadingHTTPServer((HOST, number), handler)
        self._server.daemon_threads = True
        self._thread = Thread(target=self._server.serve_forever, name="orch_nb port", daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://{HOST}:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Handler(BaseHTTPRequestHandler):
    metrics: Metrics
    wake: Callable[[], None]

    def do_GET(self) -> None:
        """``/health`` and ``/metrics``."""
        path = urlsplit(self.path).path
        if path == "/health":
            loops = self.metrics.health()
            ok = all(loops.values())
            status = HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE
            self._answer(status, {"ok": ok, "loops": dict(loops)})
        elif path == "/metrics":
            try:
                self._send(HTTPStatus.OK, "text/plain; version=0.0.4", self.metrics.as_text())
            except StoreError as error:
                self._answer(HTTPStatus.SERVICE_UNAVAILABLE, {"error": error.message})
        else:
            self._answer(HTTPStatus.NOT_FOUND, {"error": "there are /health and /metrics"})

    def do_POST(self) -> None:
        """``/trigger/DEPLOYMENT`` with the token as a bearer; parameters as a JSON object."""
        path = unquote(urlsplit(self.path).path)
        if not path.startswith(_TRIGGER):
            self._answer(HTTPStatus.NOT_FOUND, {"error": "there is /trigger/DEPLOYMENT"})
            return
        scheme, _, token = self.headers.get("Authorization", "").partition(" ")
        try:
            started = start_by_token(
                self.metrics.store,
                path.removeprefix(_TRIGGER),
                token if scheme.lower() == "bearer" else "",
                self._body(),
                key=self.headers.get(_KEY_HEADER),
            )
        except (ValueError, OrchError) as error:
            self._answer(HTTPStatus.BAD_REQUEST, {"error": str(error)})
            return
        if started is None:
            self._answer(HTTPStatus.FORBIDDEN, {"error": "no such deployment, or a wrong token"})
            return
        type(self).wake()
        run, new = started
        status = HTTPStatus.CREATED if new else HTTPStatus.OK
        self._answer(status, {"id": run.id, "name": run.name, "state_name": run.state_name})

    def _body(self) -> dict[str, Any]:
        length = int(self.headers.get("Content-Length") or 0)
        if not 0 <= length <= _LARGEST_BODY:
            raise ValueError("the body is too large, or its length is none")
        value = json.loads(self.rfile.read(length)) if length else {}
        if not isinstance(value, dict):
            raise ValueError("the body is no JSON object of parameters")
        return value

    def _answer(self, status: HTTPStatus, value: Mapping[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(value) + "\n")

    def _send(self, status: HTTPStatus, kind: str, text: str) -> None:
        data = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *arguments: object) -> None:
        """Nothing: a scrape every few seconds is no news."""
