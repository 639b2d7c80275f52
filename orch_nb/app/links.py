"""Addresses at which a browser shows a run, for those who are told of it elsewhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import quote, urlsplit, urlunsplit

from orch_nb.model import FlowRunId
from orch_nb.store import Store
from orch_nb.store.server_address import server_address

VARIABLE = "ORCH_NB_URL"


def run_link(store: Store, run_id: FlowRunId, environ: Mapping[str, str] | None = None) -> str:
    """Where JupyterLab shows the run; empty when no server is known.

    The server is that of ``ORCH_NB_URL``, such as ``https://hub.example.org/user/ana``, or else
    the last one that used the store.
    """
    environ = os.environ if environ is None else environ
    base = environ.get(VARIABLE) or server_address(store)
    if not base:
        return ""
    return f"{base.rstrip('/')}/lab#orch-nb-run={quote(run_id)}"


def without_secrets(address: str) -> str:
    """An address as it may be kept and shown: no token, no password; empty if it is no web one."""
    parts = urlsplit(address)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return ""
    place = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, place, parts.path.rstrip("/") + "/", "", ""))
