"""What was seen when the last cell ended: how large arrays looked, and which objects names reach.
Nothing has changed them since, so the next cell's watch need not look at them again."""

from __future__ import annotations

import weakref
from typing import Any

from orch_nb.execution.anatomy import Anatomy, State
from orch_nb.execution.identity import identity

Reach = dict[str, tuple[Any, frozenset[int]]]  # name → its value, and all it reaches, by identity

_LARGE = 1000  # units of work: 64 kB of an array


class LastLook:
    """Digests by object. Whoever runs or applies anything in this process forgets them first."""

    def __init__(self) -> None:
        self._states: dict[int, tuple[weakref.ref[Any], State]] = {}
        self.reach: Reach = {}

    def remember(self, obj: Any, anatomy: Anatomy, state: State) -> None:
        """Keep a look at ``obj``, without keeping it or what it holds alive."""
        refs, _ = state
        if refs or anatomy.size(obj) < _LARGE:
            return
        try:
            self._states[identity(obj)] = weakref.ref(obj), state
        except TypeError:  # it can't be referred to weakly: it is looked at again
            return

    def recall(self, obj: Any) -> State | None:
        """The look at ``obj`` that still holds."""
        if not self._states:
            return None
        found = self._states.get(identity(obj))
        return found[1] if found is not None and found[0]() is obj else None

    def forget(self) -> None:
        """Something may change from now on."""
        self._states.clear()
        self.reach = {}


last_look = LastLook()
