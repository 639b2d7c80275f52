"""What a command, the daemon and its processes say to each other: one message after the other.

Both ends are the same interpreter and the same user's, so that `marshal` serves, which is there
without an import that a command would wait for. Descriptors go along with a message.
"""

from __future__ import annotations

import _socket  # what `socket` wraps: that, with `enum` and `selectors`, is a third of the wait
import marshal
import os
import struct

TYPE_CHECKING = False  # as type checkers take it: a warm command waits for no import of typing
if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence
    from typing import Any

MOST_DESCRIPTORS = 250  # with one message; the kernel's limit is 253

Message = dict[str, "Any"]

_LENGTH = struct.Struct(">I")
_READ = 1 << 18
_DESCRIPTOR = struct.calcsize("i")


class Line:
    """One end of a connection. Blocks or not, as its socket does."""

    def __init__(self, sock: _socket.socket | socket.socket) -> None:
        self.sock = sock
        self.descriptors: list[int] = []  # that have come and nobody took yet
        self._buffer = b""

    def send(self, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Send a message. Raises OSError when the other end is gone or takes nothing more."""
        body = marshal.dumps(dict(message))
        data = _LENGTH.pack(len(body)) + body
        if descriptors:
            packed = struct.pack(f"{len(descriptors)}i", *descriptors)
            rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, packed)]
            sent = self.sock.sendmsg([data], rights)
            data = data[sent:]
        if data:
            self.sock.sendall(data)

    def receive(self) -> Message | None:
        """Wait for the next message; None at the end. Raises OSError, TimeoutError among them."""
        while (message := self._take()) is None:
            if not self.read():
                return None
        return message

    def read(self) -> bool:
        """Read what there is, for `messages` to tell; False at the end."""
        room = _socket.CMSG_SPACE(MOST_DESCRIPTORS * _DESCRIPTOR)
        data, found, _flags, _address = self.sock.recvmsg(_READ, room, _socket.MSG_CMSG_CLOEXEC)
        for _level, kind, packed in found:
            if kind == _socket.SCM_RIGHTS:
                count = len(packed) // _DESCRIPTOR
                self.descriptors.extend(struct.unpack(f"{count}i", packed[: count * _DESCRIPTOR]))
        self._buffer += data
        return bool(data)

    def messages(self) -> list[Message]:
        """The messages that have come as a whole. Raises ValueError for what is none."""
        found = []
        while (message := self._take()) is not None:
            found.append(message)
        return found

    def take_descriptors(self) -> list[int]:
        """Those that came along so far, in the order sent."""
        taken, self.descriptors = self.descriptors, []
        return taken

    def close(self) -> None:
        """Close the socket, and what nobody took."""
        self.sock.close()
        for descriptor in self.take_descriptors():
            os.close(descriptor)

    def _take(self) -> Message | None:
        if len(self._buffer) < _LENGTH.size:
            return None
        end = _LENGTH.size + _LENGTH.unpack_from(self._buffer)[0]
        if len(self._buffer) < end:
            return None
        body, self._buffer = self._buffer[_LENGTH.size : end], self._buffer[end:]
        message = marshal.loads(body)
        if not isinstance(message, dict):
            raise ValueError("a message is a dict")
        return message


def peer_of(sock: _socket.socket | socket.socket) -> tuple[int, int]:
    """The process at the other end of a local socket, and the user whose it is."""
    size = struct.calcsize("3i")
    credentials = sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, size)
    process, user, _group = struct.unpack("3i", credentials)
    return process, user
