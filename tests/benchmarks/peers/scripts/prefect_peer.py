"""Prefect 3 with its own server running: seconds of the tasks, without the flow's begin and end."""

import logging
import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path

from timing import run, timed

PATIENCE = 120.0  # seconds for the server to come up


def free_port():
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


def start_server(home):
    """A server of this process's own, on the loopback address."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    os.environ.update(
        PREFECT_HOME=home,
        PREFECT_API_URL=url,
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
        PREFECT_LOGGING_LEVEL="ERROR",
        DO_NOT_TRACK="1",
    )
    program = str(Path(sys.executable).with_name("prefect"))
    words = ["server", "start", "--host", "127.0.0.1", "--port", str(port)]
    nowhere = subprocess.DEVNULL
    server = subprocess.Popen([program, *words], stdout=nowhere, stderr=nowhere)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        try:
            urllib.request.urlopen(f"{url}/health", timeout=1).close()
        except OSError:
            time.sleep(0.2)
        else:
            return server
    server.kill()
    sys.exit("Prefect's server did not come up")


def chain(count):
    from prefect import flow, task

    @task
    def nothing(item):
        return item

    @flow
    def in_a_row(count):
        nothing(0)

        def work():
            found = 0
            for _ in range(count):
                found = nothing(found)

        return timed(work)

    return in_a_row(count)


def fan(count):
    from prefect import flow, task
    from prefect.task_runners import ThreadPoolTaskRunner

    @task
    def nothing(item):
        return item

    @flow(task_runner=ThreadPoolTaskRunner(max_workers=2))
    def beside_each_other(count):
        nothing.submit(0).result()

        def work():
            for future in [nothing.submit(item) for item in range(count)]:
                future.result()

        return timed(work)

    return beside_each_other(count)


def through_dask(count):
    from prefect import flow, task
    from prefect_dask import DaskTaskRunner

    @task
    def nothing(item):
        return item

    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}

    @flow(task_runner=DaskTaskRunner(cluster_kwargs=options))
    def mapping(count):
        nothing.submit(0).result()

        def work():
            for future in nothing.map(range(count)):
                future.result()

        return timed(work)

    return mapping(count)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as home:
        server = start_server(home)
        try:
            logging.disable(logging.WARNING)
            run({"chain": chain, "fan": fan, "dask": through_dask})
        finally:
            server.terminate()
            server.wait()
