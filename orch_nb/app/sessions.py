"""The processes that a run needs, started early so that they come up while the rest is read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from orch_nb.errors import OptionError
from orch_nb.options import FlowOptions
from orch_nb.runners.kernelspecs import KernelChoice, KernelMode
from orch_nb.runners.template import Template, spare

if TYPE_CHECKING:
    from orch_nb.warm.borrowing import Loan


class Session:
    """The processes for one run; nothing is started before ``start`` or ``runner``.

    ``imports`` are the libraries that every run of the notebook loads, as `imports_of` tells."""

    def __init__(self, kernel: KernelChoice, folder: str, imports: Sequence[str] = ()) -> None:
        self.kernel = kernel
        self._folder = folder
        self._imports = imports
        self._ready: Any = None  # a template that no runner has yet
        self._loan: Loan | None = None  # or one that is being forked
        self._started: list[Any] = []
        self._cluster: Any = None

    def start(self) -> None:
        """Have the processes come up, without waiting for them."""
        foreign = self.kernel.mode is KernelMode.FOREIGN
        if foreign or self._ready is not None or self._loan is not None:
            return
        if self.kernel.mode is KernelMode.OURS and not self.kernel.env:
            self._ready = spare.take()
            if self._ready is None:
                self._loan = self._ask_for_template()
        if self._ready is None and self._loan is None:
            self._ready = self._own_template()
        if self._ready is not None:
            self._started.append(self._ready)

    def _ask_for_template(self) -> Loan | None:
        from orch_nb.warm.borrowing import Loan  # needs what a browser lacks

        loan = Loan(self._imports, self._folder)
        return loan if loan.promised else None

    def _own_template(self) -> Template:
        return Template(self.kernel.python, self._folder, self.kernel.env)

    def _take_template(self) -> Any:
        """What was started, for one runner; None for a kernel that runs its cells itself. What the
        runner before had has ended then."""
        if self._ready is None and self._loan is None:
            self._end_templates()
        self.start()
        if self._loan is not None:
            self._ready = self._loan.take() or self._own_template()
            self._loan = None
            self._started.append(self._ready)
        template, self._ready = self._ready, None
        return template

    def slots(self, options: FlowOptions) -> int:
        """How many cells are to run at once. Raises SessionError, in words, for a Dask cluster
        that can't be had or does not fit."""
        here = options.max_workers or os.cpu_count() or 1
        if not options.runner.startswith("dask") or self.kernel.mode is KernelMode.FOREIGN:
            return here
        cluster = self._start_cluster(options)
        return here if cluster.is_own else options.max_workers or cluster.slots()

    def _start_cluster(self, options: FlowOptions) -> Any:
        if self._cluster is None:
            from orch_nb.runners.dask_cluster import DaskCluster, place_of

            place = place_of(options.runner)
            if place and self.kernel.mode is not KernelMode.OURS:
                raise OptionError(
                    "cells of another Python than this one can't run on a Dask cluster that is "
                    "told of",
                    where=f"--runner {options.runner}",
                    hint="run orch-nb in the environment of the notebook's kernel",
                )
            workers = options.max_workers or os.cpu_count() or 1
            self._cluster = DaskCluster(place, workers, self._folder)
        return self._cluster

    def dask_runner(self, options: FlowOptions, sending: Any) -> Any:
        """A runner whose home is here and whose cells run on a Dask cluster, which is started
        once for all runners of this session. ``sending`` is a `Sending` of dask_runner."""
        from orch_nb.runners.dask_runner import DaskRunner

        cluster = self._start_cluster(options)
        return DaskRunner(self._take_template(), cluster, sending)

    def runner_of_calls(self, options: FlowOptions) -> str:
        """Where the calls of cells run: on the run's own cluster, by its address, if it has one
        that this Python's processes can use. Waits for the cluster."""
        if self._cluster is None or self.kernel.mode is not KernelMode.OURS:
            return options.runner
        return f"dask={self._cluster.address}"

    def runner(self) -> Any:
        """A runner with processes of its own, for the whole run or for what is left of it."""
        template = self._take_template()
        if template is not None:
            from orch_nb.runners.local import LocalRunner

            return LocalRunner(template)
        from orch_nb.runners.kernel import KernelRunner

        return KernelRunner(self.kernel)

    def close(self) -> None:
        """End what was started; a second time nothing happens."""
        if self._loan is not None:
            self._loan.give_back()
            self._loan = None
        self._end_templates()
        if self._cluster is not None:
            self._cluster.close()
            self._cluster = None

    def _end_templates(self) -> None:
        for template in self._started:
            template.close()
        self._started.clear()
