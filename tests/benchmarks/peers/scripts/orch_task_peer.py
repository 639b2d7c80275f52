"""orch_nb's functions as tasks, recorded in SQLite: seconds of the tasks, without the flow's."""

from timing import run, timed

from orch_nb import flow, task


@task
def nothing(item: int) -> int:
    return item


def chain(count: int) -> float:
    @flow(max_workers=2)
    def in_a_row() -> float:
        nothing(0)

        def work() -> None:
            found = 0
            for _ in range(count):
                found = nothing(found)

        return timed(work)

    return float(in_a_row())


def fan(count: int) -> float:
    @flow(max_workers=2)
    def beside_each_other() -> float:
        nothing.map(range(2)).result()

        def work() -> None:
            for future in [nothing.submit(item) for item in range(count)]:
                future.result()

        return timed(work)

    return float(beside_each_other())


def through_dask(count: int) -> float:
    from distributed import Client, LocalCluster

    options = {"n_workers": 2, "threads_per_worker": 1, "dashboard_address": None}
    with LocalCluster(**options) as cluster, Client(cluster):

        @flow(runner=f"dask={cluster.scheduler_address}")
        def mapping() -> float:
            nothing.map(range(2)).result()
            return timed(lambda: nothing.map(range(count)).result())

        return float(mapping())


if __name__ == "__main__":
    run({"chain": chain, "fan": fan, "dask": through_dask})
