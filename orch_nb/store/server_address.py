"""Where a browser finds the Jupyter server that was the last to use this store."""

from __future__ import annotations

from sqlalchemy import select

from orch_nb.store.store import Store
from orch_nb.store.tables import STORE_META

_KEY = "server_address"


def server_address(store: Store) -> str | None:
    """The server's address with its base path, without a token; None when none was there yet."""
    found = store.query(select(STORE_META.c.value).where(STORE_META.c.key == _KEY))
    return str(found[0]["value"]) if found else None


def note_server_address(store: Store, address: str) -> None:
    """Remember where this server is. The address must hold no secret."""
    known = server_address(store)
    if known != address:
        store.write(lambda t: t.put_meta(_KEY, address, replace=known))
