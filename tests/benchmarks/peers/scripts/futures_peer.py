"""concurrent.futures' process pool, which records nothing: seconds of the tasks."""

from concurrent.futures import ProcessPoolExecutor

from timing import run, timed


def nothing(item):
    return item


def chain(count):
    with ProcessPoolExecutor(2) as pool:
        pool.submit(nothing, 0).result()

        def work():
            found = 0
            for _ in range(count):
                found = pool.submit(nothing, found).result()

        return timed(work)


def fan(count):
    with ProcessPoolExecutor(2) as pool:
        pool.submit(nothing, 0).result()

        def work():
            for future in [pool.submit(nothing, item) for item in range(count)]:
                future.result()

        return timed(work)


if __name__ == "__main__":
    run({"chain": chain, "fan": fan})
