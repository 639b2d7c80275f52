"""Tasks that ask a question before they run: pure."""

from __future__ import annotations

from orch_nb.engine.buffer import Buffer, Phase, Slot
from orch_nb.engine.messages import Command, Idle, Note, Question
from orch_nb.engine.plan import Plan
from orch_nb.states import StateName


class Pausing:
    """The questions of one run. A cell whose question is open is in phase PAUSED."""

    def __init__(self, plan: Plan, buffer: Buffer) -> None:
        self._plan = plan
        self._buffer = buffer
        self._answered: set[int] = set()
        self._idle = False  # and that was told

    def ask(self, slot: Slot) -> tuple[bool, list[Command]]:
        """Whether the cell must wait for an answer, and what is to be done."""
        question = self._plan.policy(slot.number).question
        if question is None or slot.number in self._answered:
            return False, []
        self._buffer.move(slot, Phase.PAUSED)
        note = Note(slot.number, StateName.PAUSED, question, slot.failures + 1)
        return True, [note, Question(slot.number)]

    def answered(self, slot: Slot) -> None:
        """The question was answered, maybe before it was asked."""
        self._answered.add(slot.number)
        if slot.phase is Phase.PAUSED:
            self._buffer.move(slot, Phase.WAITING)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is left to do but to wait for answers."""
        return self._buffer.is_paused and not self._buffer.is_busy

    @property
    def open_question(self) -> str:
        """The first question that waits for its answer."""
        slot = next(slot for slot in self._buffer.slots if slot.phase is Phase.PAUSED)
        return f"{slot.label} asks: {self._plan.policy(slot.number).question}"

    def rest(self) -> list[Command]:
        """Tell, once for each time, that nothing is left to do but to wait for answers."""
        told, self._idle = self._idle, self.is_idle
        return [Idle()] if self._idle and not told else []
