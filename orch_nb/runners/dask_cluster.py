"""The Dask cluster of a run: one of its own on this machine, or one that is told of."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import importlib.util
import logging
import platform
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from orch_nb import __version__
from orch_nb.errors import SessionError
from orch_nb.places import dask_place
from orch_nb.runners.dask_local import LocalCluster

_CONNECT_SECONDS = 30.0
_WORKER_SECONDS = 120.0  # for the first worker of a cluster that has none yet
_OFFER_SECONDS = 20.0  # for a worker that has the resources which a task needs
_LOOK_SECONDS = 0.5
_MOST_ADAPTED = 64  # cells at once on a cluster that may grow without an end
_LOGGERS = ("distributed", "distributed.client")  # which each have a level of their own
_OURS = "__import__('orch_nb').__version__"  # evaluated on workers, which may not have it


def is_dask(runner: str) -> bool:
    """Whether the value of ``--runner`` asks for Dask."""
    return runner == "dask" or runner.startswith("dask=")


def place_of(runner: str) -> str:
    """Where the cluster of a runner ``dask`` or ``dask=PLACE`` is, if it is one that is told of."""
    return runner.partition("=")[2] or (dask_place() if is_dask(runner) else "")


class DaskCluster:
    """A cluster, started in a thread so that it comes up while the rest is read.

    ``place`` is empty for a cluster of this run's own, else a scheduler's address, the path of a
    scheduler file, or ``module:function`` of one that makes a cluster. ``workers`` is the size of
    a cluster of its own; ``folder`` is where a factory's module is looked for, too.
    """

    def __init__(self, place: str, workers: int, folder: str) -> None:
        if importlib.util.find_spec("distributed") is None:
            raise SessionError(
                "--runner dask needs the package distributed",
                hint="pip install distributed",
            )
        self.place = place
        self.is_own = not place
        self._workers = workers
        self._folder = folder
        self._made: Any = None
        self._failed: BaseException | None = None
        self._thread = threading.Thread(target=self._start, name="orch_nb cluster", daemon=True)
        self._thread.start()

    def _start(self) -> None:
        try:
            if self.is_own:
                self._made = LocalCluster(self._workers)
            elif is_factory(self.place):
                self._made = _make(self.place, self._folder)
        except BaseException as error:  # told to whoever waits for the cluster
            self._failed = error

    def _wait(self) -> None:
        self._thread.join()
        if self._failed is None:
            return
        if isinstance(self._failed, SessionError):
            raise self._failed
        words = f"{type(self._failed).__name__}: {self._failed}"
        raise SessionError(f"the Dask cluster did not start: {words}", where=self._told)

    @property
    def _told(self) -> str:
        return f"--runner dask={self.place}" if self.place else "--runner dask"

    async def connect(self) -> Any:
        """A client in the running loop, of a cluster that has workers which fit.

        Raises SessionError, in words, where there is none.
        """
        from distributed import Client

        await asyncio.to_thread(self._wait)
        # What it would log, into a cell's output too, is told in the run's own words.
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.CRITICAL)
        options: dict[str, Any] = {}
        if self._made is not None:
            options["address"] = self._made.scheduler_address
            options["security"] = getattr(self._made, "security", None)
        elif self.place.endswith(".json"):
            if not Path(self.place).is_file():
                raise SessionError("there is no such scheduler file", where=self._told)
            options["scheduler_file"] = self.place
        else:
            options["address"] = self.place
        client = None
        try:
            client = await Client(**options, asynchronous=True, timeout=_CONNECT_SECONDS)
            if not await client.scheduler.ncores():
                # One that adapts starts a worker when there is something to do.
                async with asyncio.timeout(_WORKER_SECONDS):
                    await client.submit(int, pure=False)
            if not self.is_own:
                await _check(client, self._told)
        except BaseException as error:
            if client is not None:
                await client.close()
            if isinstance(error, TimeoutError | OSError | ValueError):
                raise SessionError(
                    f"the Dask cluster can't be used: {str(error) or 'it did not answer'}",
                    where=self._told,
                    hint="is its scheduler running, has it workers, and is the address right?",
                ) from error
            raise
        return client

    @property
    def address(self) -> str:
        """Its scheduler's address, once it is up; the place that was told, of one that has its
        own keys, or that was not made here."""
        self._wait()
        if self._made is None or getattr(self._made.security, "require_encryption", False):
            return self.place
        return str(self._made.scheduler_address)

    def slots(self) -> int:
        """How many cells it can run at once. Raises SessionError as ``connect`` does."""
        from concurrent.futures import ThreadPoolExecutor

        async def count() -> int:
            client = await self.connect()
            try:
                now: int = sum((await client.nthreads()).values())
                return max(now, self.may_become())
            finally:
                await client.close()

        with ThreadPoolExecutor(1) as elsewhere:  # a kernel's main thread has a loop that runs
            return elsewhere.submit(asyncio.run, count()).result()

    def may_become(self) -> int:
        """How many workers a cluster that adapts to its work may have."""
        adaptive = getattr(self._made, "_adaptive", None)
        most = getattr(adaptive, "maximum", 0) or 0
        return int(min(most, _MOST_ADAPTED))

    def notice(self, client: Any) -> str:
        """Where the cluster can be watched, in words; empty where it has no dashboard."""
        if importlib.util.find_spec("bokeh") is None and self.is_own:
            return ""
        link = client.dashboard_link
        return f"the cluster's dashboard: {link}" if link else ""

    def close(self) -> None:
        """End what was started for this run."""
        self._thread.join()
        if self._made is not None:
            with contextlib.suppress(TimeoutError, OSError):
                self._made.close()
            self._made = None


_borrowed: dict[tuple[str, str], tuple[DaskCluster, int]] = {}  # with how many use it
_borrowing = threading.Lock()


def borrow_cluster(place: str, workers: int, folder: str) -> DaskCluster:
    """The cluster of that place, which flows within flows of one process share; to be given back
    to ``return_cluster``."""
    with _borrowing:
        cluster, users = _borrowed.get((place, folder), (None, 0))
        if cluster is None:
            cluster = DaskCluster(place, workers, folder)
        _borrowed[place, folder] = cluster, users + 1
        return cluster


def return_cluster(cluster: DaskCluster) -> None:
    """Give a borrowed cluster back; the last one closes it."""
    with _borrowing:
        key = next((key for key, (one, _) in _borrowed.items() if one is cluster), None)
        if key is None:
            return
        users = _borrowed[key][1] - 1
        if users:
            _borrowed[key] = cluster, users
            return
        del _borrowed[key]
    cluster.close()


async def known_resources(client: Any, wanted: Mapping[str, float]) -> dict[str, float] | None:
    """Those of the resources that some worker of the cluster has to offer."""
    if not wanted:
        return None
    offered = await _offered(client)
    return {name: amount for name, amount in wanted.items() if name in offered} or None


async def needed_resources(
    client: Any, wanted: Mapping[str, float], task: str
) -> dict[str, float] | None:
    """All of the resources, once some worker has them. Raises SessionError for what none has
    after a while: it would wait for ever."""
    until = time.monotonic() + _OFFER_SECONDS
    while wanted:
        offered = await _offered(client)
        short = next((name for name in wanted if wanted[name] > offered.get(name, 0.0)), None)
        if short is None:
            break
        if time.monotonic() > until:
            has = f"at most {offered[short]:g}" if short in offered else "none"
            raise SessionError(
                f"it needs {short}={wanted[short]:g}, and the cluster's workers have {has}",
                where=f"task '{task}'",
                hint=f"start workers with  --resources {short}={wanted[short]:g}",
            )
        await asyncio.sleep(_LOOK_SECONDS)
    return dict(wanted) or None


async def _offered(client: Any) -> dict[str, float]:
    """The most that one worker has of each resource."""
    found: dict[str, float] = {}
    told = await client.scheduler.identity(n_workers=-1)
    for worker in told["workers"].values():
        for name, amount in (worker.get("resources") or {}).items():
            found[name] = max(amount, found.get(name, 0.0))
    return found


def forget_topic(topic: str) -> Any:
    """What makes a scheduler forget a run's events: a function of no module, since a scheduler
    may not have this one."""

    def forget(dask_scheduler: Any = None) -> None:
        dask_scheduler.task_metadata.pop(topic, None)
        dask_scheduler._broker._topics.pop(topic, None)

    return forget


def is_factory(place: str) -> bool:
    """Whether the place names a function that makes a cluster."""
    module, colon, function = place.rpartition(":")
    names = [*module.split("."), function]
    return bool(colon) and all(name.isidentifier() for name in names)


def _make(place: str, folder: str) -> Any:
    module, _, function = place.rpartition(":")
    added = folder not in sys.path
    if added:
        sys.path.insert(0, folder)
    try:
        make = getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise SessionError(
            f"the factory of the Dask cluster can't be loaded: {error}",
            where=f"--runner dask={place}",
            hint="name a function as module:function; it returns a cluster, and takes nothing",
        ) from None
    finally:
        if added:
            sys.path.remove(folder)
    made = make()
    if not hasattr(made, "scheduler_address"):
        raise SessionError(
            f"the factory returned {type(made).__name__}, which is no Dask cluster",
            where=f"--runner dask={place}",
        )
    return made


async def _check(client: Any, told: str) -> None:
    """Raise SessionError unless every worker has this Python and this orch_nb. Those that leave
    meanwhile, as they do where a cluster adapts, have nothing to say."""
    found = await client.get_versions()
    pythons = {where: _python_of(info) for where, info in found["workers"].items() if info}
    _compare("Python", ".".join(platform.python_version_tuple()[:2]), pythons, told)
    ours = await client.run(eval, _OURS, on_error="return")
    missing = [where for where, version in ours.items() if isinstance(version, ImportError)]
    if missing:
        raise SessionError(
            f"{_some(missing)} not have orch_nb",
            where=told,
            hint=f"install orch_nb {__version__} there",
        )
    versions = {where: str(one) for where, one in ours.items() if not isinstance(one, OSError)}
    _compare("orch_nb", __version__, versions, told)


def _python_of(info: Any) -> str:
    version = str(dict(info.get("host", {})).get("python", ""))
    return ".".join(version.split(".")[:2])


def _compare(what: str, here: str, there: dict[str, str], told: str) -> None:
    others = [where for where, version in there.items() if version != here]
    if others:
        raise SessionError(
            f"this machine has {what} {here}, and the Dask worker {others[0]} has "
            f"{there[others[0]] or 'none'}",
            where=told,
            hint=f"use the same {what} in both places: values are pickled",
        )


def _some(workers: Sequence[str]) -> str:
    if len(workers) == 1:
        return f"the Dask worker {workers[0]} does"
    return f"{len(workers)} Dask workers (such as {workers[0]}) do"
