"""Events of a running cell for whoever watches it, text bundled so that a flood stays small."""

from __future__ import annotations

from collections.abc import Callable

from orch_nb.execution.outputs import Json, Output, Sink

# A line of text is told at once while there are tokens; each event takes one, and they come back
# at this rate. Without tokens text waits for the next event that may go.
_BURST = 100.0
_PER_SECOND = 50.0


class LiveEvents:
    """Sends events to a sink, in order; without a sink does nothing."""

    def __init__(self, sink: Sink | None, clock: Callable[[], float]) -> None:
        self._sink = sink
        self._clock = clock
        self._text: list[tuple[str, str]] = []
        self._tokens = _BURST
        self._counted = clock()

    def stream(self, name: str, text: str) -> None:
        """Tell of ``text``, at the latest when its line has ended and the rate allows it."""
        if self._sink is None:
            return
        if self._text and self._text[-1][0] == name:
            self._text[-1] = (name, self._text[-1][1] + text)
        else:
            self._text.append((name, text))
        if text.endswith(("\n", "\r")) and self._may_send():
            self.flush()

    def flush(self) -> None:
        """Tell of the text that waits."""
        if self._sink is None:
            return
        waiting, self._text = self._text, []
        for name, text in waiting:
            self._sink({"type": "stream", "name": name, "text": text})

    def output(self, output: Output, display_id: str | None) -> None:
        """Tell of an added output."""
        if self._sink is not None:
            self.flush()
            self._sink({"type": "output", "output": output, "display_id": display_id})

    def update(self, display_id: str, data: Json, metadata: Json) -> None:
        """Tell of new content under a display id."""
        if self._sink is not None:
            self.flush()
            self._sink(
                {"type": "update", "display_id": display_id, "data": data, "metadata": metadata}
            )

    def clear(self) -> None:
        """Tell that the outputs so far are gone."""
        if self._sink is not None:
            self._text.clear()
            self._sink({"type": "clear"})

    def _may_send(self) -> bool:
        now = self._clock()
        self._tokens = min(_BURST, self._tokens + (now - self._counted) * _PER_SECOND)
        self._counted = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
