"""Messages with bytes beside them, between a driver and the workers that run functions.

A message is the length of its JSON header (4 bytes, big endian), the header, and the frames, whose
lengths the header tells. No pickle is read to read a message.
"""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Mapping, Sequence
from typing import Any

_LENGTH = struct.Struct(">I")
_to_json = json.JSONEncoder(separators=(",", ":")).encode
_from_json = json.loads

Framed = tuple[dict[str, Any], list[bytes]]


def pack(header: Mapping[str, Any], frames: Sequence[bytes] = ()) -> bytes:
    """One message as bytes."""
    head = _to_json({**header, "frames": [len(frame) for frame in frames]}).encode()
    return b"".join([_LENGTH.pack(len(head)), head, *frames])


class FrameReader:
    """Takes bytes as they come, gives the whole messages among them."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._needed = 0

    def feed(self, data: bytes) -> list[Framed]:
        """Add ``data``; return the messages that are complete now."""
        buffer = self._buffer
        buffer += data
        found: list[Framed] = []
        start = 0
        while len(buffer) >= max(start + _LENGTH.size, self._needed):
            (length,) = _LENGTH.unpack_from(buffer, start)
            begin = start + _LENGTH.size + length
            if len(buffer) < begin:
                break
            header = _from_json(bytes(buffer[start + _LENGTH.size : begin]))
            end = begin + sum(header["frames"])
            if len(buffer) < end:
                self._needed = end - start  # a large frame is not looked at with every piece
                break
            self._needed = 0
            frames = []
            for size in header["frames"]:
                frames.append(bytes(buffer[begin : begin + size]))
                begin += size
            found.append((header, frames))
            start = end
        if start:
            del buffer[:start]
        return found


def receive(sock: socket.socket, reader: FrameReader, ready: list[Framed]) -> Framed | None:
    """The next message of a blocking socket, or None when its other end is closed."""
    while not ready:
        data = sock.recv(1 << 18)
        if not data:
            return None
        ready.extend(reader.feed(data))
    return ready.pop(0)
