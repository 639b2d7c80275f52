"""How much memory a process had at most while a cell ran."""

from __future__ import annotations

import os
import sys

_NOTHING_MUCH = 0.001  # seconds, in which no process grows by more than a few megabytes


class PeakMemory:
    """The process's peak resident memory between ``begin`` and ``tell``, in bytes. Of a cell that
    took next to no time it is what the process had before: to look would take a tenth of it."""

    def __init__(self) -> None:
        self._process = 0  # in which the rest was found out
        self._last = 0  # resident when it was last looked
        self._looked = True  # since the peak was last forgotten

    def begin(self) -> None:
        """A cell begins."""
        if self._process != os.getpid():
            self._process, self._last, self._looked = os.getpid(), 0, True
        if self._looked:
            self._looked = False
            _forget_peak()

    def tell(self, seconds: float) -> int:
        """What the cell that has ended, and took so long, needed at most."""
        if self._last and seconds < _NOTHING_MUCH:
            return self._last
        self._looked = True
        peak, self._last = _look()
        return peak


def _forget_peak() -> None:
    try:
        with open("/proc/self/clear_refs", "wb", buffering=0) as file:  # noqa: PTH123  # every cell waits
            file.write(b"5")
    except OSError:  # not Linux: the peak is that of the process so far
        return


def _look() -> tuple[int, int]:
    """The peak since it was forgotten, and what is resident now."""
    try:
        with open("/proc/self/status", "rb", buffering=0) as file:  # noqa: PTH123  # as above
            _, _, rest = file.read(4096).partition(b"\nVmHWM:")
        peak, _, now = rest.partition(b"\nVmRSS:")
        return int(peak.split(maxsplit=1)[0]) * 1024, int(now.split(maxsplit=1)[0]) * 1024
    except (OSError, ValueError, IndexError):
        pass
    import resource

    peak_so_far = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    bytes_so_far = peak_so_far if sys.platform == "darwin" else peak_so_far * 1024
    return bytes_so_far, bytes_so_far
