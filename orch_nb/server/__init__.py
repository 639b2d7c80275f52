"""The Jupyter Server extension: REST and an event stream under ``/orch-nb``, and a dashboard."""

from __future__ import annotations

from typing import Any


def _jupyter_server_extension_points() -> list[dict[str, Any]]:
    """What Jupyter Server asks a package for: where its extensions are."""
    from orch_nb.server.application import OrchNbServer

    return [{"module": "orch_nb.server.application", "app": OrchNbServer}]
