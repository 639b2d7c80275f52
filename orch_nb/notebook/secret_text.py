"""References to secrets among parameters: ``secret:NAME``, and how a cell reads one."""

from __future__ import annotations

import re
from typing import Any

SECRET = re.compile(r"secret:([A-Za-z_][A-Za-z0-9_]*)")
_VARIABLE = "ORCH_NB_SECRET_"


def secret_name(value: Any) -> str | None:
    """The NAME of ``secret:NAME``; None for any other value."""
    found = SECRET.fullmatch(value) if isinstance(value, str) else None
    return None if found is None else found.group(1)


def variable_of(name: str) -> str:
    """The environment variable through which cells get the secret of that name."""
    return _VARIABLE + name


def secret_expression(name: str) -> str:
    """Python that gives the secret, without saying it."""
    return f'__import__("os").environ["{variable_of(name)}"]'
