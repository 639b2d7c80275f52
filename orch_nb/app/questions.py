"""What tasks of a run ask before they run: asked in the store, answered from anywhere."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from orch_nb.durations import format_duration
from orch_nb.engine.messages import Answered, Event, Suspend, Unanswered
from orch_nb.engine.recording import Recording
from orch_nb.model import Cell, Json
from orch_nb.states import StateName
from orch_nb.store import Store
from orch_nb.store.questions import QuestionRecord, put_question, questions_of

_LOOK = 0.5  # seconds between looks for answers


class AskedQuestions:
    """See orch_nb.engine.driver.Questions.

    ``why_not_suspend`` says which value would be lost with the run's processes, empty if none; it
    may take its time, and is called in a thread.
    """

    def __init__(
        self, store: Store, recording: Recording, why_not_suspend: Callable[[], str]
    ) -> None:
        self._store = store
        self._recording = recording
        self._why_not_suspend = why_not_suspend
        self._answers: dict[int, Mapping[str, Json]] = {}
        self._open: dict[str, int] = {}  # task run id → cell
        self._tasks: set[asyncio.Task[Any]] = set()

    def open(self, feed: Callable[[Event], None]) -> None:
        self._feed = feed
        self._loop = asyncio.get_running_loop()
        self._take(self._read())

    def ask(self, cell: Cell) -> None:
        task, run = self._recording.tasks[cell.number], self._recording.run
        limit = cell.options.pause_timeout
        now = datetime.now(UTC)
        question = QuestionRecord(
            task.id,
            run.id,
            run.attempt,
            cell.options.pause or "",
            cell.options.input,
            deadline=None if limit is None else now + timedelta(seconds=limit),
        )
        self._open[task.id] = cell.number
        self._recording.flush()
        asked = self._recording.writer.submit(lambda t: put_question(t, question))
        self._start(self._wait(cell, asyncio.wrap_future(asked)))

    def idle(self) -> None:
        self._recording.flush()
        self._start(self._rest())

    def given(self, cell: int) -> Mapping[str, Json]:
        return self._answers.get(cell, {})

    def close(self) -> None:
        for task in self._tasks:
            task.cancel()

    def _start(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _wait(self, cell: Cell, asked: asyncio.Future[None]) -> None:
        """Look for the answer until it is there, or the time is over."""
        await asked
        task = self._recording.tasks[cell.number]
        while task.id in self._open:
            found = await asyncio.to_thread(self._read)
            self._take(found)
            record = next((one for one in found if one.task_run_id == task.id), None)
            if record is None or task.id not in self._open:
                return
            if record.deadline is not None and datetime.now(UTC) >= record.deadline:
                self._give_up(cell, record)
                return
            await asyncio.sleep(_LOOK)

    def _give_up(self, cell: Cell, record: QuestionRecord) -> None:
        self._awake()
        del self._open[record.task_run_id]
        if cell.options.unanswered == "continue":
            self._feed(Answered(cell.number))
            return
        limit = format_duration(cell.options.pause_timeout or 0)
        self._feed(Unanswered(cell.number, f"nobody answered '{record.question}' within {limit}"))

    async def _rest(self) -> None:
        """End the run's processes until somebody answers, if nothing is lost with them."""
        why = await asyncio.to_thread(self._why_not_suspend)
        if not self._open:
            return
        if why:
            if self._recording.run.state_name is not StateName.PAUSED:
                self._recording.set_run_state(StateName.PAUSED, why)
                self._recording.notice(f"the run's process waits for an answer: {why}")
        else:
            self._feed(Suspend())

    def _read(self) -> tuple[QuestionRecord, ...]:
        run = self._recording.run
        return questions_of(self._store, run.id, run.attempt)

    def _take(self, found: tuple[QuestionRecord, ...]) -> None:
        cells = {task.id: number for number, task in self._recording.tasks.items()}
        for record in found:
            number = cells.get(record.task_run_id)
            if record.answer is None or number is None or number in self._answers:
                continue
            self._answers[number] = record.answer
            self._open.pop(record.task_run_id, None)
            self._awake()
            self._feed(Answered(number))

    def _awake(self) -> None:
        if self._recording.run.state_name is StateName.PAUSED:
            self._recording.set_run_state(StateName.RUNNING)
