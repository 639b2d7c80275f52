"""What the driver asks of whoever keeps the limits that runs share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol

from orch_nb.engine.messages import Admitted, Event


class Limits(Protocol):
    """Places in limits for the cells of one run; everything is called in the driver's loop."""

    def open(self, tell: Callable[[Event], None]) -> None:
        """Tell Admitted and NotAdmitted to ``tell`` from now on."""

    def acquire(self, cell: int, uses: Sequence[tuple[str, int]], task: str) -> None:
        """Do what `messages.Acquire` says; ``task`` is the cell's name, for others who wait."""

    def release(self, cell: int) -> None:
        """Do what `messages.Release` says."""

    def beat(self) -> None:
        """Show that the run's driver lives."""

    def close(self) -> None:
        """Give everything back, and tell nothing more."""


class Unlimited:
    """Limits that always have a place."""

    def open(self, tell: Callable[[Event], None]) -> None:
        self._tell = tell

    def acquire(self, cell: int, uses: Sequence[tuple[str, int]], task: str) -> None:
        asyncio.get_running_loop().call_soon(self._tell, Admitted(cell))

    def release(self, cell: int) -> None:
        """Nothing is held."""

    def beat(self) -> None:
        """Nobody watches."""

    def close(self) -> None:
        """Nothing is held."""
