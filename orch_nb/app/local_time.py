"""This machine's own time zone, by its IANA name."""

from __future__ import annotations

import os
from pathlib import Path

from orch_nb.errors import OptionError
from orch_nb.schedules.parsing import parse_zone

_LINK = Path("/etc/localtime")
_NAME = Path("/etc/timezone")


def local_zone() -> str:
    """The zone by ``TZ``, else by the system's files; UTC where nothing says it."""
    candidates = [os.environ.get("TZ", "").lstrip(":")]
    try:
        candidates.append(str(_LINK.resolve()).partition("zoneinfo/")[2])
        candidates.append(_NAME.read_text("ascii").strip())
    except (OSError, UnicodeDecodeError):
        pass
    for name in candidates:
        try:
            if name:
                return parse_zone(name)
        except OptionError:
            continue
    return "UTC"
