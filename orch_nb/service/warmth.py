"""While a service runs, the warm daemon stays: runs that are started by hand begin at once."""

from __future__ import annotations

import contextlib
from datetime import datetime

from orch_nb.warm import identity
from orch_nb.warm.client import connect
from orch_nb.warm.messages import Line
from orch_nb.warm.starting import start_daemon

_EVERY = 5.0  # seconds between looks; a daemon that was retired is followed by another
_PATIENCE = 1.0


class Warmth:
    """A line to the daemon, which stays for as long as it is open."""

    def __init__(self) -> None:
        self._line: Line | None = None

    def step(self, now: datetime, monotonic: float) -> float:
        """See that there is a daemon; seconds until the next look."""
        if identity.is_wanted() and not self._is_kept():
            address = f"{identity.address(identity.standing())}.sock"
            self._line = connect(address, _PATIENCE)
            if self._line is None:
                start_daemon()
            else:
                with contextlib.suppress(OSError):
                    self._line.send({"what": "keep"})
        return _EVERY

    def close(self) -> None:
        """Let it go: it leaves when it has been idle for long enough."""
        if self._line is not None:
            self._line.close()
            self._line = None

    def _is_kept(self) -> bool:
        if self._line is None:
            return False
        self._line.sock.setblocking(False)
        try:
            alive = self._line.read()
        except BlockingIOError:
            return True
        except OSError:
            alive = False
        if not alive:
            self.close()
        return alive
