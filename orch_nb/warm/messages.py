"""What a command, the daemon and its processes say to each other: one message after the other.

Both ends are the same interpreter and the same user's, so that `marshal` serves, which is there
without an import that a command would wait for. Descriptors go along with a message.
"""

from __future__ import annotations

import marshal
import socket
import struct
from collections.abc import Mapping, Sequence

TYPE_CHECKING = False  # as type checkers take it: a warm command waits for no import of typing
if TYPE_CHECKING:
    from typing import Any

MOST_DESCRIPTORS = 250  # with one message; the kernel's limit is 253

Message = dict[str, "Any"]

_LENGTH = struct.Struct(">I")
_READ = 1 << 18


class Line:
    """One end of a connection. Blocks or not, as its socket does."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.descriptors: list[int] = []  # that have come and nobody took yet
        self._buffer = b""

    def send(self, message: Mapping[str, Any], descriptors: Sequence[int] = ()) -> None:
        """Send a message. Raises OSError when the other end is gone or takes nothing more."""
        body = marshal.dumps(dict(message))
        data = _LENGTH.pack(len(body)) + body
        if descriptors:
            sent = socket.send_fds(self.sock, [data], list(descriptors))
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
        data, found, _flags, _address = socket.recv_fds(
            self.sock, _READ, MOST_DESCRIPTORS, socket.MSG_CMSG_CLOEXEC
        )
        self.descriptors.extend(found)
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
            socket.close(descriptor)

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


def peer_user(sock: socket.socket) -> int:
    """The user id of the process at the other end of a local socket."""
    size = struct.calcsize("3i")
    credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    user: int = struct.unpack("3i", credentials)[1]
    return user
