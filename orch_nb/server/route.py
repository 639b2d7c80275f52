"""What a route is: one row of the table that handlers and the OpenAPI file come from."""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Schema = Mapping[str, Any]

PREFIX = "/orch-nb/api"
_PLACE = re.compile(r"\{(\w+)\}")


class Action(enum.StrEnum):
    """What an authorizer is asked for."""

    READ = "read"
    WRITE = "write"
    EXECUTE = "execute"


class Resource(enum.StrEnum):
    """What an authorizer is asked about."""

    SERVER = "orch_nb"
    NOTEBOOKS = "orch_nb_notebooks"
    RUNS = "orch_nb_runs"
    DEPLOYMENTS = "orch_nb_deployments"


@dataclass(frozen=True, slots=True)
class Route:
    """``operation`` is ``module.function`` in `orch_nb.server.operations`; ``notebook`` says that
    it wants the document of the body's ``path`` or ``content``."""

    method: str
    path: str
    operation: str
    summary: str
    resource: Resource
    answer: str  # the name of a schema
    action: Action = Action.READ
    status: int = 200
    notebook: bool = False

    @property
    def pattern(self) -> str:
        """The path as tornado matches it."""
        return PREFIX + _PLACE.sub(r"(?P<\1>[^/]+)", self.path)

    @property
    def places(self) -> tuple[str, ...]:
        """The names in the path."""
        return tuple(_PLACE.findall(self.path))
