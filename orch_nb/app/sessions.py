"""The processes that a run needs, started early so that they come up while the rest is read."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from orch_nb.errors import OptionError
from orch_nb.options import FlowOptions
from orch_nb.runners.kernelspecs import KernelChoice, KernelMode
from orch_nb.runners.template import Template, spare


class Session:
    """The processes for one run; nothing is started before ``start`` or ``runner``.

    ``imports`` are the libraries that every run of the notebook loads, as `imports_of` tells."""

    def __init__(self, kernel: KernelChoice, folder: str, imports: Sequence[str] = ()) -> None:
        self.kernel = kernel
        self._folder = folder
        self._imports = imports
        self._ready: Any = None  # a template that no runner has yet
        self._started: list[Any] = []
        self._cluster: Any = None

    def start(self) -> None:
        """Have the processes come up, without waiting for them."""
        if self._ready is None and self.kernel.mode is not KernelMode.FOREIGN:
            from orch_nb.warm.borrowing import borrow  # needs what a browser lacks

            if self.kernel.mode is KernelMode.OURS and not self.kernel.env:
                self._ready = spare.take() or borrow(self._imports, self._folder)
            if self._ready is None:
                self._ready = Template(self.kernel.python, self._folder, self.kernel.env)
            self._started.append(self._ready)

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
            from orch_nb.runners.dask_cluster import DaskCluster

            place = options.runner.partition("=")[2]
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
        self.start()
        template, self._ready = self._ready, None
        return DaskRunner(template, cluster, sending)

    def runner(self) -> Any:
        """A runner with processes of its own, for the whole run or for what is left of it."""
        self.start()
        template, self._ready = self._ready, None
        if template is not None:
            from orch_nb.runners.local import LocalRunner

            return LocalRunner(template)
        from orch_nb.runners.kernel import KernelRunner

        return KernelRunner(self.kernel)

    def close(self) -> None:
        """End what was started; a second time nothing happens."""
        for template in self._started:
            template.close()
        if self._cluster is not None:
            self._cluster.close()
            self._cluster = None
