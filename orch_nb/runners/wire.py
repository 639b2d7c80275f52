"""The driver's end of a socket to a worker, inside an event loop; never blocks."""

from __future__ import annotations

import asyncio
import collections
import itertools
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
        self._full = False  # the socket takes no more for now
        sock.setblocking(False)
        loop.add_reader(sock, self._read)

    def send(self, message: Mapping[str, Any], descriptor: int | None = None) -> None:
        """Queue a message, with a file descriptor if given (it is closed once sent)."""
        if not self._open:
            _close_descriptor(descriptor)
            return
        self._outgoing.append((memoryview(encode(message)), descriptor))
        self._write()

    def send_soon(self, message: Mapping[str, Any]) -> None:
        """Queue a message that need not go at once: it goes together with others."""
        if self._open:
            if not self._outgoing:
                self._loop.call_soon(self._write)
            self._outgoing.append((memoryview(encode(message)), None))

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
        while self._outgoing and self._open:
            self._join_first()
            data, descriptor = self._outgoing[0]
            try:
                if descriptor is None:
                    sent = self._sock.send(data)
                else:
                    sent = socket.send_fds(self._sock, [data], [descriptor])
            except BlockingIOError:
                self._loop.add_writer(self._sock, self._write)
                self._full = True
                return
            except OSError:
                self._outgoing.popleft()  # the other end is gone; the reader will notice
                _close_descriptor(descriptor)
                continue
            _close_descriptor(descriptor)
            self._outgoing.popleft()
            if sent < len(data):
                self._outgoing.appendleft((data[sent:], None))
        if self._full and self._open:
            self._loop.remove_writer(self._sock)
            self._full = False

    def _join_first(self) -> None:
        """Make one piece of all that comes first and takes no descriptor along."""
        pieces = list(itertools.takewhile(lambda one: one[1] is None, self._outgoing))
        if len(pieces) > 1:
            for _ in pieces:
                self._outgoing.popleft()
            joined = b"".join(data for data, _ in pieces)
            self._outgoing.appendleft((memoryview(joined), None))


def _close_descriptor(descriptor: int | None) -> None:
    if descriptor is not None:
        socket.close(descriptor)
