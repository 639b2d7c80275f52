"""A LocalCluster in a process of its own, which ends with the process that started it.

The scheduler so keeps no thread of the driver busy; and the workers, which multiprocessing spawns,
never import the user's script, which would start its flow once more in each of them.
"""

from __future__ import annotations

import contextlib
import json
import logging
import subprocess
import sys
from typing import Any

from orch_nb.errors import SessionError
from orch_nb.execution import processes

_START = (
    "import json, sys; sys.path[:] = json.loads(sys.argv[2]); "
    "from orch_nb.runners.dask_local import serve; serve(int(sys.argv[1]))"
)
_GOODBYE_SECONDS = 10.0


class LocalCluster:
    """Workers of one thread each, and their scheduler, on this machine."""

    security = None

    def __init__(self, workers: int) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, str(workers), json.dumps(sys.path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,  # a Ctrl-C in the terminal is the driver's to handle
        )
        told = self._process.stdout.readline() if self._process.stdout else ""
        if not told:
            self.close()
            raise SessionError("the Dask cluster did not start: its process has ended")
        self.scheduler_address = str(json.loads(told)["address"])

    def close(self) -> None:
        """End it, and wait until it has ended."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        try:
            self._process.wait(_GOODBYE_SECONDS)
        except subprocess.TimeoutExpired:
            processes.kill_tree(self._process.pid)
            self._process.wait()


def serve(workers: int) -> None:
    """Have a cluster until standard input closes."""
    import dask
    from distributed import LocalCluster

    options: dict[str, Any] = {
        "n_workers": workers,
        "threads_per_worker": 1,
        "processes": True,
        "memory_limit": 0,  # it would count the worker, and not the cells' processes
        "dashboard_address": "127.0.0.1:0",
        "silence_logs": logging.CRITICAL,
    }
    # Dask would tell libraries to use one thread each; a cell's share is the engine's to say.
    with (
        dask.config.set({"distributed.nanny.pre-spawn-environ": {}}),
        LocalCluster(**options) as cluster,
    ):
        print(json.dumps({"address": cluster.scheduler_address}), flush=True)
        sys.stdin.read()
