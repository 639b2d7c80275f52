"""Run calls of functions and cells on a Dask cluster.

Short calls travel many together as one of Dask's tasks, since each of those costs the scheduler
about a millisecond; what is on its way at one time is bounded by ``window``. Outcomes come back
with small values in them; large ones lie in the results' folder where the workers share it, else
they are brought here, and sent to the workers whose calls need them.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orch_nb.dynamic.executors import Began, Ended, Gone, Hear, Logged, Setting
from orch_nb.errors import SessionError
from orch_nb.execution.call_messages import crashed_outcome
from orch_nb.execution.calls import CallOutcome, CallSpec, describe_error
from orch_nb.results.blob import blob_path
from orch_nb.runners.dask_call_slot import CallsReply, CallsRequest, end_run, run_calls
from orch_nb.runners.dask_cluster import (
    DaskCluster,
    forget_topic,
    needed_resources,
    return_cluster,
)
from orch_nb.runners.dask_slot import Probe, put_blob

_TOGETHER = 64  # short calls that travel together, at most
_AHEAD = 2  # lots that wait for each thread of the cluster
_LARGE = 1 << 17  # bytes of a lot that do not go through the scheduler
_TRIES = 5  # times that a lot is sent, when the cluster loses it
_LOOK_SECONDS = 0.5
_COUNT_SECONDS = 3.0  # between counts of the cluster's threads
_GOODBYE_SECONDS = 5.0
_INFO = 20


@dataclass(slots=True, eq=False)
class _Lot:
    """Calls that travel together."""

    calls: dict[int, CallSpec]
    short: bool
    future: Any = None
    task: asyncio.Task[None] | None = None
    begun: set[int] = field(default_factory=set)

    @property
    def size(self) -> int:
        """Bytes that it takes, about."""
        specs = self.calls.values()
        return sum(len(spec.arguments) for spec in specs) + len(next(iter(specs)).function)


class DaskExecutor:
    """See `orch_nb.dynamic.executors.Executor`. ``slots`` are the calls that may be on the
    cluster at once, or None: as many as keep it busy. ``cluster`` is asked for when the first
    call is there; it is given back at the end."""

    where = "dask"
    remote = True

    def __init__(self, slots: int | None, cluster: Callable[[], DaskCluster], flow: str) -> None:
        self._most = slots
        self._threads = slots or 1
        self._ask_for_cluster = cluster
        self._flow = flow
        self._topic = f"orch_nb-calls-{secrets.token_hex(8)}"
        self._unsent: list[tuple[int, CallSpec]] = []
        self._lots: dict[int, _Lot] = {}  # by the numbers of the calls that are on their way
        self._opened: Future[None] = Future()
        self._carries = False  # some worker shares no files with this machine
        self._closing = False
        self._tidying: set[asyncio.Future[Any]] = set()

    @property
    def slots(self) -> int:
        """Calls that may wait for a thread, or run."""
        return self._most or _AHEAD * self._threads

    @property
    def window(self) -> int:
        """As many short ones."""
        return _AHEAD * _TOGETHER * min(self._threads, self._most or self._threads)

    def open(self, setting: Setting, hear: Hear) -> None:
        self._setting = setting
        self._hear = hear
        self._cluster = self._ask_for_cluster()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve()), name="orch_nb dask", daemon=True
        )
        self._thread.start()
        self._opened.result()

    def start(self, call: int, spec: CallSpec) -> None:
        self._unsent.append((call, spec))

    def flush(self, *, short: bool) -> None:
        if not self._unsent:
            return
        unsent, self._unsent = self._unsent, []
        on_their_way = len(self._lots) + len(unsent)
        together = min(_TOGETHER, math.ceil(on_their_way / (_AHEAD * self._threads)))
        lots = _make_lots(unsent, together if short else 1, short=short)
        for lot in lots:
            self._lots |= dict.fromkeys(lot.calls, lot)
        self._loop.call_soon_threadsafe(self._send, lots)

    def drop(self, call: int) -> None:
        lot = self._lots.pop(call, None)
        if lot is not None:
            self._loop.call_soon_threadsafe(self._forsake, lot, call)

    def close(self) -> None:
        self._closing = True
        with contextlib.suppress(RuntimeError):  # its loop has ended meanwhile
            self._loop.call_soon_threadsafe(self._closed.set)
        self._thread.join()
        return_cluster(self._cluster)

    # -- in the loop

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._closed = asyncio.Event()
        self._client: Any = None
        place = Path(self._setting.staging) / f".{self._topic}"
        try:
            try:
                await self._open(place)
            except BaseException as error:  # told to whoever opens it
                self._opened.set_exception(error)
                return
            self._opened.set_result(None)
            await self._watch()
        finally:
            await self._end()
            place.unlink(missing_ok=True)

    async def _open(self, place: Path) -> None:
        self._probe = Probe(str(place), secrets.token_hex(16))
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(self._probe.token)
        except OSError as error:
            raise SessionError(
                f"the results' folder can't be written: {error.strerror}", where=str(place.parent)
            ) from None
        self._client = await self._cluster.connect()
        self._client.subscribe_topic(self._topic, self._hear_event)
        link = self._cluster.notice(self._client)
        if link:
            self._hear(Logged(0, _INFO, "orch_nb.dask", link, time.time()))
        await self._count()

    async def _count(self) -> None:
        threads = sum((await self._client.nthreads()).values())
        # A cluster that adapts grows with what waits: enough for all its workers has to.
        self._threads = max(1, threads, self._cluster.may_become())

    async def _watch(self) -> None:
        """Until the end: count the cluster's threads, and see whether it is there."""
        counted, status = time.monotonic(), "running"
        while not self._closed.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), _LOOK_SECONDS)
            before, status = status, self._client.status
            if status == "closed" and not self._closing:
                self._hear(Gone("the Dask scheduler is gone"))
                return
            if status == "running" and before != status:  # it is another scheduler
                self._client.subscribe_topic(self._topic, self._hear_event)
            if status == "running" and time.monotonic() - counted > _COUNT_SECONDS:
                counted = time.monotonic()
                with contextlib.suppress(OSError):  # the next look tells
                    await self._count()

    async def _end(self) -> None:
        if self._client is None:
            return
        for lot in set(self._lots.values()):
            self._let_go(lot)
        with contextlib.suppress(Exception):  # the scheduler may be what is gone
            async with asyncio.timeout(_GOODBYE_SECONDS):
                await asyncio.gather(*self._tidying, return_exceptions=True)
                self._client.unsubscribe_topic(self._topic)
                await self._client.run_on_scheduler(forget_topic(self._topic))
                if not self._cluster.is_own:
                    await self._client.run(end_run, self._setting.run.get("id"), on_error="ignore")
        with contextlib.suppress(Exception):
            await self._client.close(timeout=_GOODBYE_SECONDS)

    def _send(self, lots: Sequence[_Lot]) -> None:
        for lot in lots:
            lot.task = self._loop.create_task(self._run(lot))

    async def _run(self, lot: _Lot) -> None:
        """Have the cluster run a lot, and tell what came of it."""
        try:
            reply = await self._ask_until_told(lot)
        except SessionError as error:  # it can never run there
            outcome = CallOutcome(error=describe_error(error))
            reply = CallsReply("", [(number, outcome) for number in lot.calls])
        except Exception as error:  # of the cluster: KilledWorker, CommClosedError …
            if self._closing or self._client.status == "closed":
                return  # whoever watches tells
            lines = str(error).strip().splitlines() or [type(error).__name__]
            words = f"it was lost on the Dask cluster: {lines[0][:300]}"
            reply = CallsReply("", [(number, crashed_outcome(words)) for number in lot.calls])
        for digest, data in (reply.blobs or {}).items():
            put_blob(Path(self._setting.staging), digest, data)
        self._hear_logs(reply.logs)
        for number, outcome in reply.outcomes:
            if self._lots.pop(number, None) is not None:
                self._hear(Ended(number, outcome))

    async def _ask_until_told(self, lot: _Lot) -> CallsReply:
        """The reply; a lot that the cluster lost with what was sent for it is sent again."""
        for attempt in range(_TRIES):
            try:
                reply = await self._ask(lot)
                if reply.carry:
                    self._carries = True
                    reply = await self._ask(lot)
                return reply
            except (CancelledError, OSError):  # OSError: while its reply was fetched
                if attempt == _TRIES - 1:
                    raise
                await asyncio.sleep(_LOOK_SECONDS)  # the client may not have noticed yet
                while self._client.status == "connecting":  # to a scheduler that was restarted
                    await asyncio.sleep(_LOOK_SECONDS)
        raise RuntimeError("unreachable")

    async def _ask(self, lot: _Lot) -> CallsReply:
        setting, specs = self._setting, list(lot.calls.values())
        request: Any = CallsRequest(
            topic=self._topic,
            calls=list(lot.calls.items()),
            folder=setting.folder,
            path=setting.path,
            environment=setting.environment,
            run=setting.run,
            probe=self._probe,
            tell=not lot.short,
            modules=setting.modules() if self._carries else None,
            cells=setting.cells,
        )
        if lot.size > _LARGE:
            request = await self._client.scatter(request, hash=False)
        carried = None
        if self._carries:
            large = {kept.digest for spec in specs for kept in spec.inputs if kept.frame is None}
            if setting.cells is not None:
                large.add(setting.cells.digest)
            carried = [(digest, await self._scatter(digest)) for digest in sorted(large)]
        resources = await needed_resources(self._client, specs[0].resources, specs[0].task)
        lot.future = self._client.submit(
            run_calls,
            request,
            carried,
            key=f"{self._flow}/{specs[0].task}-{secrets.token_hex(8)}",
            pure=False,
            priority=specs[0].priority,
            resources=resources,
        )
        reply: CallsReply = await lot.future
        return reply

    async def _scatter(self, digest: str) -> Any:
        path = blob_path(Path(self._setting.staging), digest)
        data = await asyncio.to_thread(path.read_bytes)
        return await self._client.scatter(data, hash=False)

    def _forsake(self, lot: _Lot, call: int) -> None:
        """One of a lot's calls is not wanted any more; nobody waits for a lot without calls."""
        lot.calls.pop(call, None)
        if not lot.calls:
            self._let_go(lot)

    def _let_go(self, lot: _Lot) -> None:
        if lot.task is not None:
            lot.task.cancel()
        if lot.future is not None:
            gone = asyncio.ensure_future(self._client.cancel([lot.future], asynchronous=True))
            self._tidying.add(gone)
            gone.add_done_callback(self._tidying.discard)

    def _hear_event(self, event: tuple[float, Mapping[str, Any]]) -> None:
        told = event[1]
        for number in told.get("began", ()):
            if number in self._lots:
                self._hear(Began(number, f"dask: {told['worker']}"))
        self._hear_logs(told.get("logs", ()))

    def _hear_logs(self, logs: Sequence[Sequence[Any]]) -> None:
        for log in logs:
            if log[0] in self._lots:
                self._hear(Logged(*log))


def _make_lots(calls: Sequence[tuple[int, CallSpec]], together: int, *, short: bool) -> list[_Lot]:
    """Calls of one task side by side, as many as may travel together."""
    lots: list[_Lot] = []
    last: CallSpec | None = None
    for number, spec in calls:
        alike = last is not None and _kind_of(spec) == _kind_of(last)
        if not alike or len(lots[-1].calls) >= together:
            lots.append(_Lot({}, short))
        lots[-1].calls[number] = spec
        last = spec
    return lots


def _kind_of(spec: CallSpec) -> tuple[object, ...]:
    return spec.function, spec.priority, spec.resources
