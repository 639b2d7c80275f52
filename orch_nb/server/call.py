"""What an operation is called with: a request whose every part was held to the API's schemas."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orch_nb.server.paths import Root

if TYPE_CHECKING:
    from orch_nb.server.desk import Desk


@dataclass(frozen=True, slots=True)
class Call:
    """``place`` are the names in the path; ``document`` is the notebook that the route wanted."""

    desk: Desk
    root: Root
    place: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    document: Mapping[str, Any] | None = None
    user: str = "jupyter"

    @property
    def run(self) -> str:
        """The run that the path names."""
        return self.place["run"]

    @property
    def deployment(self) -> str:
        """The deployment that the path names."""
        return self.place["deployment"]

    @property
    def path(self) -> str:
        """The notebook's path in the contents API; a name for one that was never saved."""
        return str(self.body.get("path") or "Untitled.ipynb")

    def local(self, key: str) -> str | None:
        """A path of the body as one of this disk; None when it was not given."""
        given = self.body.get(key)
        return None if given is None else str(self.root.local(given))
