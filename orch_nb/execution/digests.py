"""The digest of byte strings, and of a type's name."""

from __future__ import annotations

import struct

import xxhash


def type_name(cls: type) -> bytes:
    """A type's module and name."""
    return f"{cls.__module__}.{cls.__qualname__}".encode()


def hash_parts(*parts: bytes | memoryview) -> bytes:
    """The digest of parts of which each has a length of its own: 16 bytes."""
    digest = xxhash.xxh3_128()
    for part in parts:
        size = part.nbytes if isinstance(part, memoryview) else len(part)
        digest.update(struct.pack("<q", size))
        digest.update(part)
    return digest.digest()
