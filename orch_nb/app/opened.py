"""What a server holds for long: the store opened once, and its sign of life for the daemon."""

from __future__ import annotations

from orch_nb.app.links import without_secrets
from orch_nb.app.resident import ServerLease, tend
from orch_nb.places import find_places
from orch_nb.store import keep_store_open
from orch_nb.store.server_address import note_server_address


class ServerHold:
    """The store, kept open for all use cases of this process. Raises StoreError."""

    def __init__(self, address: str = "") -> None:
        """``address`` is where browsers find this server, if it is known."""
        self._store = keep_store_open()
        self._lease = ServerLease(self._store)
        if place := without_secrets(address):
            note_server_address(self._store, place)

    def tend(self) -> None:
        """See that schedules run; to be called every few seconds."""
        tend(self._store, self._lease, find_places().logs / "daemon.log")

    def close(self) -> None:
        """The server stops: the daemon may end, and the store is closed."""
        try:
            self._lease.give_back()
        finally:
            self._store.close_for_good()
