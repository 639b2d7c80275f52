"""Dask's own distributed scheduler, which records nothing: seconds of the tasks."""

from distributed import Client, LocalCluster
from timing import run, timed


def nothing(item):
    return item


def chain(count):
    with cluster() as client:

        def work():
            found = 0
            for _ in range(count):
                found = client.submit(nothing, found, pure=False).result()

        return timed(work)


def fan(count):
    with cluster() as client:
        return timed(
            lambda: client.gather([client.submit(nothing, i, pure=False) for i in range(count)])
        )


class cluster:  # a context manager
    def __enter__(self):
        options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
        self._cluster = LocalCluster(**options)
        client = Client(self._cluster)
        client.submit(nothing, 0).result()
        self._client = client
        return client

    def __exit__(self, *error):
        self._client.close()
        self._cluster.close()


if __name__ == "__main__":
    run({"chain": chain, "fan": fan, "dask": fan})
