"""Serves the dashboard's page; its script and its style are static files beside it."""

from __future__ import annotations

import hashlib
from html import escape
from pathlib import Path
from typing import Any, ClassVar

from jupyter_server.auth.decorator import authorized
from jupyter_server.base.handlers import JupyterHandler
from tornado import web

_HERE = Path(__file__).parent
_VIEWS = _HERE.parents[1] / "panel" / "built" / "views.js"
# The built views put one style element into the page, which a hash can't cover in all versions.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; "
    "img-src 'self' data:; frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)


class PageHandler(JupyterHandler):
    """The dashboard."""

    auth_resource: ClassVar[str] = "orch_nb"

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """The page, with the server's base URL in it."""
        text = (_HERE / "index.html").read_text("utf-8")
        static = f"{self.base_url}static/orch_nb/"
        views = f"{self.base_url}orch-nb/views.js?v={_digest()}" if _VIEWS.is_file() else ""
        for name, value in (("base", self.base_url), ("static", static), ("views", views)):
            text = text.replace("{{" + name + "}}", escape(value))
        self.set_header("Content-Type", "text/html; charset=utf-8")
        self.set_header("Content-Security-Policy", _POLICY)
        self.set_header("Cache-Control", "no-store")
        self.finish(text)


class ViewsHandler(JupyterHandler):
    """The built views, as one ES module."""

    auth_resource: ClassVar[str] = "orch_nb"

    @web.authenticated
    @authorized
    async def get(self) -> None:
        """The module's text."""
        if not _VIEWS.is_file():
            raise web.HTTPError(404, reason="the views were not built")
        self.set_header("Content-Type", "text/javascript; charset=utf-8")
        self.finish(_VIEWS.read_bytes())


def _digest() -> str:
    return hashlib.sha256(_VIEWS.read_bytes()).hexdigest()[:12]


def page_handlers() -> list[tuple[str, type[web.RequestHandler], dict[str, Any]]]:
    """The handlers of this module."""
    return [("/orch-nb/?", PageHandler, {}), ("/orch-nb/views\\.js", ViewsHandler, {})]
