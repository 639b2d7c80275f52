"""The processes of a flow that was started from a kernel, given the kernel's values."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from orch_nb.app.live_kernel import KernelSide, Shipment
from orch_nb.app.live_runner import LiveRunner, MainThread
from orch_nb.app.sessions import Session
from orch_nb.errors import OptionError
from orch_nb.options import FlowOptions
from orch_nb.runners.kernelspecs import KernelChoice
from orch_nb.runners.local import LocalRunner


class LiveSession(Session):
    """``in_place``: cells that no other runs beside run in the kernel itself."""

    def __init__(
        self,
        kernel: KernelChoice,
        folder: str,
        side: KernelSide,
        main: MainThread,
        *,
        in_place: bool,
    ) -> None:
        super().__init__(kernel, folder)
        self._side = side
        self._main = main
        self._in_place = in_place
        self._names: Collection[str] | None = None
        self._shipped: tuple[Shipment, ...] = ()

    def ship(self, names: Collection[str]) -> None:
        """Take the values of ``names`` as they are now, for the processes to be given. In the
        kernel's main thread."""
        self._names = names
        self._shipped = (self._side.ship_state(), self._side.ship(names))

    def dask_runner(self, options: FlowOptions, sending: Any) -> Any:
        """Only for flows that need none of the kernel's values."""
        if self._names is None and not self._in_place:
            return super().dask_runner(options, sending)
        raise OptionError(
            "a flow with the kernel's own values runs on this machine",
            where=f"--runner {options.runner}",
            hint="add --fresh to run every cell anew on the cluster",
        )

    def runner(self) -> Any:
        """A runner; one that is asked for later is given the values as they are then."""
        inner = super().runner()
        if not isinstance(inner, LocalRunner):
            return inner
        shipped, self._shipped = self._shipped, ()
        return LiveRunner(
            inner.template,
            self._side,
            self._main,
            names=self._names,
            shipped=shipped,
            in_place=self._in_place,
        )
