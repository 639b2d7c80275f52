"""Signatures of manifests: only what this store's drivers made is ever unpickled.

A key ring holds the store's keys. The current one signs; the older ones still verify, so that a
key can be replaced. Only drivers hold it, workers never.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from orch_nb.errors import ResultError, StoreError
from orch_nb.results.blob import Manifest

_PURPOSE = b"orch_nb manifest 1\0"  # a signature made for this can't pass for another
_SHORTEST_SECRET = 16  # bytes


@dataclass(frozen=True, slots=True)
class Signature:
    """An HMAC-SHA256 in hexadecimal, and the id of the key that made it."""

    key_id: str
    value: str


@dataclass(frozen=True, slots=True)
class KeyRing:
    """A store's signing keys by id; ``current`` signs."""

    current: str
    keys: Mapping[str, bytes] = field(repr=False)

    @classmethod
    def create(cls) -> Self:
        """A ring with one new key."""
        return cls.of(secrets.token_bytes(32))

    @classmethod
    def of(cls, *keys: bytes) -> Self:
        """A ring of given secrets, the current one first."""
        ids = [hashlib.sha256(b"orch_nb key id\0" + key).hexdigest()[:16] for key in keys]
        return cls(ids[0], dict(zip(ids, keys, strict=True)))

    def rotated(self) -> Self:
        """The ring with a new current key; what the others signed stays valid."""
        return type(self).of(secrets.token_bytes(32), *self.keys.values())

    def sign(self, manifest: Manifest) -> Signature:
        """The current key's signature."""
        return Signature(self.current, _hmac(self.keys[self.current], manifest))

    def verify(self, manifest: Manifest, signature: Signature | None) -> None:
        """Raise ResultError unless one of the keys made the signature."""
        if signature is None:
            raise ResultError("a kept value is not signed", hint="its task runs again")
        key = self.keys.get(signature.key_id)
        if key is None or not hmac.compare_digest(
            _hmac(key, manifest).encode(), signature.value.encode("utf-8", "replace")
        ):
            raise ResultError(
                "a kept value is not signed by this store", hint="its task runs again"
            )

    def to_json(self) -> str:
        """As text, secrets included."""
        return json.dumps(
            {"current": self.current, "keys": {k: v.hex() for k, v in self.keys.items()}}
        )

    @classmethod
    def from_json(cls, plain: str) -> Self:
        """Back from text; StoreError when it is none of ours."""
        try:
            stored = json.loads(plain)
            ring = cls(stored["current"], {k: bytes.fromhex(v) for k, v in stored["keys"].items()})
            weak = min(len(key) for key in ring.keys.values()) < _SHORTEST_SECRET
            if weak or ring.current not in ring.keys:
                raise ValueError
        except (ValueError, TypeError, KeyError, AttributeError):
            raise StoreError(
                "the store's signing key is damaged",
                hint="delete it: a new one is made, and kept values are made again",
            ) from None
        return ring


def given_keyring(given: str | None = None) -> KeyRing | None:
    """The ring of ``ORCH_NB_KEY`` (or ``given``): one secret of at least 16 bytes, or several
    separated by commas, the current one first. None when it is not set.
    """
    given = os.environ.get("ORCH_NB_KEY", "") if given is None else given
    keys = [part.strip().encode("utf-8", "surrogateescape") for part in given.split(",")]
    keys = [key for key in keys if key]
    if not keys:
        return None
    if min(map(len, keys)) < _SHORTEST_SECRET:
        raise StoreError(
            f"a key in ORCH_NB_KEY is shorter than {_SHORTEST_SECRET} bytes",
            hint="python -c 'import secrets; print(secrets.token_hex(32))' makes a good one",
        )
    return KeyRing.of(*keys)


def file_keyring(path: Path) -> KeyRing:
    """The ring in a file of mode 0600, made if it is not there (by one process only, however
    many ask). Raises StoreError when others can read the file, or it can't be made.
    """
    try:
        with contextlib.suppress(FileNotFoundError):
            return _load(path)
        _save(path, KeyRing.create(), replace=False)
        return _load(path)
    except OSError as error:
        raise StoreError(
            f"the store's signing key can't be used: {error.strerror}", where=str(path)
        ) from None


def rotate_file(path: Path) -> KeyRing:
    """Give the file a new current key; the old ones stay in it."""
    ring = file_keyring(path).rotated()
    _save(path, ring, replace=True)
    return ring


def _load(path: Path) -> KeyRing:
    with path.open(encoding="utf-8") as file:
        if os.fstat(file.fileno()).st_mode & 0o077:
            raise StoreError(
                "the store's signing key can be read by others",
                where=str(path),
                hint=f"chmod 600 {path}",
            )
        return KeyRing.from_json(file.read())


def _save(path: Path, ring: KeyRing, *, replace: bool) -> None:
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=".key-")  # made with mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(ring.to_json())
            file.flush()
            os.fsync(descriptor)
        if replace:
            Path(name).replace(path)
        else:
            with contextlib.suppress(FileExistsError):  # another process was faster
                os.link(name, path)
    finally:
        Path(name).unlink(missing_ok=True)


def _hmac(key: bytes, manifest: Manifest) -> str:
    plain = json.dumps(manifest.to_json(), sort_keys=True, separators=(",", ":"))
    return hmac.new(key, _PURPOSE + plain.encode(), hashlib.sha256).hexdigest()
