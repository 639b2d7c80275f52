"""The daemon that servers start: a scheduler and a worker, while there is a server or for good.

Started by ``orch_nb.app.resident`` as ``python -m orch_nb.service.resident``.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

from orch_nb.app.resident import DaemonLease, ServerWatch, Wish, read_wish
from orch_nb.errors import OrchError
from orch_nb.service.daemon import Service, ServiceOptions
from orch_nb.store import Store, open_store

_LOOK = 2.0  # seconds between looks at the servers
_GRACE = 10.0  # seconds without a server: a restart is no end

_log = logging.getLogger(__name__)


def main() -> int:
    """Work until nobody wants it, then until the runs in hand have ended."""
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s"
    )
    with open_store() as store:
        lease = DaemonLease(store)
        if not lease.take():
            return 0
        try:
            service = Service(ServiceOptions(port=None))
            stop = threading.Event()
            watch = threading.Thread(target=_watch, args=(store, lease, stop), name="orch_nb watch")
            watch.start()
            try:
                service.run()
            finally:
                stop.set()
                watch.join()
        finally:
            lease.give_back()
    return 0


def _watch(store: Store, lease: DaemonLease, stop: threading.Event) -> None:
    """Ask this process to end when it is not wanted any more; go on showing that it lives."""
    servers = ServerWatch(store)
    alone = 0.0
    told = False
    while not stop.wait(_LOOK):
        try:
            there, wish = servers.any_there(), read_wish(store)
            mine = lease.renew()
        except OrchError:
            _log.exception("the store could not be asked")
            continue
        alone = 0.0 if there or wish is Wish.STAY else alone + _LOOK
        if not told and (alone >= _GRACE or wish is Wish.OFF or not mine):
            told = True
            _log.info("not wanted any more")
            os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
