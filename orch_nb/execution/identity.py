"""What tells objects apart that are looked at by the thousand."""

from __future__ import annotations

from collections.abc import Callable

# A number that no other living object has, as `id` gives one; but every call of `id` is told to
# the audit hooks, and where cells are observed that takes longer than the call.
identity: Callable[[object], int] = object.__hash__
