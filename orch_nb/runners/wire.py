"""The driver's end of a socket to a worker, inside an event loop; never blocks."""

from __future__ import annotations

import asyncio
import collections
import logging
import socket
from collections.abc import Callable, Mapping
from typing import Any

from orch_nb.execution.job import Decoder, Message, encode

_log = logging.getLogger(__name__)


class Wire:
    """Sends and receives messages; ``heard`` gets each one, ``closed`` the end, once."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        sock: socket.socket,
        heard: Callable[[Message], None],
        closed: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._sock = sock
        self._heard = heard
        self._closed = closed
        self._decoder = Decoder()
        self._outgoing: collections.deque[tuple[memoryview, int | None]] = collections.deque()
        self._open = True
        sock.setblocking(False)
        loop.add_reader(sock, self._read)

    def send(self, message: Mapping[str, Any], descriptor: int | None = None) -> None:
        """Queue a message, with a file descriptor if given (it is closed once sent)."""
        if not self._open:
            _close_descriptor(descriptor)
            return
        self._outgoing.append((memoryview(encode(message)), descriptor))
        self._write()

    def hand_over(self, heard: Callable[[Message], None], closed: Callable[[], None]) -> None:
        """Tell others from now on."""
        self._heard, self._closed = heard, closed

    def close(self) -> None:
        """Close without telling ``closed``."""
        if self._open:
            self._open = False
            self._loop.remove_reader(self._sock)
            self._loop.remove_writer(self._sock)
            self._sock.close()
            for _, descriptor in self._outgoing:
                _close_descriptor(descriptor)

    def _read(self) -> None:
        try:
            data = self._sock.recv(1 << 18)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            self._closed()
            return
        try:
            for message in self._decoder.feed(data):
                if self._open:
                    self._heard(message)
        except Exception:  # a worker of another version may say anything; nobody may wait for it
            _log.exception("a worker's message can't be understood")
            self.close()
            self._closed()

    def _write(self) -> None:
        while self._outgoing:
            data, descriptor = self._outgoing[0]
            try:
                if descriptor is None:
                    sent = self._sock.send(data)
                else:
                    sent = socket.send_fds(self._sock, [data], [descriptor])
            except BlockingIOError:
                self._loop.add_writer(self._sock, self._write)
                return
            except OSError:
                self._outgoing.popleft()  # the other end is gone; the reader will notice
                _close_descriptor(descriptor)
                continue
            _close_descriptor(descriptor)
            self._outgoing.popleft()
            if sent < len(data):
                self._outgoing.appendleft((data[sent:], None))
        self._loop.remove_writer(self._sock)


def _close_descriptor(descriptor: int | None) -> None:
    if descriptor is not None:
        socket.close(descriptor)
