"""The extension as Jupyter Server loads it, and `jupyter orch-nb`, which serves it alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from jupyter_server.extension.application import ExtensionApp
from traitlets import Bool, List, Unicode

from orch_nb import __version__
from orch_nb.server.desk import Desk
from orch_nb.server.handlers import UnknownHandler, make_handlers
from orch_nb.server.page.handlers import page_handlers
from orch_nb.server.route import PREFIX
from orch_nb.server.routes import ROUTES
from orch_nb.server.socket import socket_handlers

_PAGE = Path(__file__).parent / "page"


class OrchNbServer(ExtensionApp):
    """Notebooks as flows: their runs and schedules."""

    name = "orch_nb"
    version = __version__
    extension_url = "/orch-nb"
    load_other_extensions = True
    static_paths = List(Unicode(), default_value=[str(_PAGE / "static")])
    daemon = Bool(
        True, help="Start a scheduler and a worker when something is scheduled and nobody runs it."
    ).tag(config=True)

    @classmethod
    def get_extension_package(cls) -> str:
        """What `jupyter server extension list` calls it."""
        return "orch_nb.server"

    def initialize_settings(self) -> None:
        """One desk for all handlers."""
        self.desk = Desk(self._address, daemon=self.daemon)

    def _address(self) -> str:
        """Where browsers find the server: what it was told to show, or where it listens."""
        server = self.serverapp
        if server is None:
            return ""
        return urljoin(server.custom_display_url or server.connection_url, server.base_url)

    def initialize_handlers(self) -> None:
        """The API, the event stream and the page."""
        every: list[Any] = [
            *make_handlers(ROUTES, self.desk),
            *socket_handlers(self.desk),
            *page_handlers(),
            (f"{PREFIX}/.*", UnknownHandler, {"desk": self.desk}),
        ]
        self.handlers.extend(every)

    async def stop_extension(self) -> None:
        """The server stops: the daemon may end."""
        await self.desk.close()


def main() -> None:
    """`jupyter orch-nb`."""
    OrchNbServer.launch_instance()  # type: ignore[no-untyped-call]
