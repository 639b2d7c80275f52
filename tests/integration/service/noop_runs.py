"""The runner's seam for tests: runs that are done at once, in the worker's own process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime

from orch_nb.states import StateName
from orch_nb.store import Store, Transaction, new_holder
from orch_nb.store.queueing import TakenRun, hand_over


class EndedProcess:
    """A process that has ended by the time anybody looks."""

    def __init__(self, code: int = 0) -> None:
        self._code = code

    def poll(self) -> int | None:
        return self._code

    def stop(self, *, kill: bool) -> None:
        """Nothing is left to be stopped."""

    def last_words(self) -> str:
        return ""


class NoopLauncher:
    """Does each run at once: hand-over, Running, Completed."""

    def __init__(self, store: Store, did: Callable[[str], None] = lambda run_id: None) -> None:
        self._store = store
        self._did = did

    def launch(self, taken: TakenRun) -> EndedProcess:
        run, holder = taken.run, new_holder()
        self._store.write(lambda t: hand_over(t, run.id, run.epoch, holder))
        running = replace(run, state_name=StateName.RUNNING, start_time=datetime.now(UTC))
        self._store.write(lambda t: t.set_flow_state(running, expected=run.state_name, by="noop"))
        self._did(run.id)
        done = replace(running, state_name=StateName.COMPLETED, end_time=datetime.now(UTC))

        def end(transaction: Transaction) -> None:
            transaction.set_flow_state(done, expected=running.state_name, by="noop")
            transaction.release(run.id, run.epoch)

        self._store.write(end)
        return EndedProcess()

    def prepare(self) -> None:
        """Nothing comes up early."""

    def close(self) -> None:
        """Nothing is kept."""
