"""Signatures: what this store did not sign is refused."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from pathlib import Path

import pytest

from orch_nb.errors import ResultError, StoreError
from orch_nb.results.blob import BufferEntry, Manifest
from orch_nb.results.signing import (
    KeyRing,
    Signature,
    file_keyring,
    given_keyring,
    rotate_file,
)

MANIFEST = Manifest(
    digest="a" * 64,
    pickle_sha256="b" * 64,
    pickle_length=5,
    buffers=(BufferEntry("c" * 32, 128, 7), BufferEntry("d" * 32, 192, 8)),
    size=200,
)


def test_what_was_signed_verifies() -> None:
    ring = KeyRing.create()
    ring.verify(MANIFEST, ring.sign(MANIFEST))


CHANGED = {
    "digest": "e" * 64,
    "pickle_sha256": "e" * 64,
    "pickle_length": 6,
    "buffers": MANIFEST.buffers[::-1],
    "size": 201,
}


@pytest.mark.parametrize("name", [field.name for field in fields(Manifest)])
def test_no_field_can_be_changed(name: str) -> None:
    ring = KeyRing.create()
    signature = ring.sign(MANIFEST)
    with pytest.raises(ResultError, match="not signed by this store"):
        ring.verify(replace(MANIFEST, **{name: CHANGED[name]}), signature)


@pytest.mark.parametrize(
    "change",
    [{"value": ""}, {"value": "é"}, {"value": "\ud800"}, {"value": "0" * 64}, {"key_id": "x"}],
)
def test_a_forged_signature_is_refused(change: dict[str, str]) -> None:
    ring = KeyRing.create()
    with pytest.raises(ResultError, match="not signed by this store"):
        ring.verify(MANIFEST, replace(ring.sign(MANIFEST), **change))


def test_no_signature_is_refused() -> None:
    with pytest.raises(ResultError, match="not signed"):
        KeyRing.create().verify(MANIFEST, None)


def test_another_stores_signature_is_refused_even_under_our_keys_id() -> None:
    ours, theirs = KeyRing.create(), KeyRing.create()
    with pytest.raises(ResultError):
        ours.verify(MANIFEST, theirs.sign(MANIFEST))
    with pytest.raises(ResultError):
        ours.verify(MANIFEST, Signature(ours.current, theirs.sign(MANIFEST).value))


def test_after_a_rotation_the_new_key_signs_and_the_old_still_verifies() -> None:
    old = KeyRing.create()
    new = old.rotated()
    new.verify(MANIFEST, old.sign(MANIFEST))
    assert new.sign(MANIFEST).key_id != old.current
    with pytest.raises(ResultError):
        old.verify(MANIFEST, new.sign(MANIFEST))
    assert KeyRing.from_json(new.to_json()) == new


def test_secrets_are_not_shown() -> None:
    ring = KeyRing.create()
    assert ring.keys[ring.current].hex() not in repr(ring)
    assert str(ring.keys[ring.current]) not in repr(ring)


def test_a_key_file_is_made_once_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "store.key"
    barrier = threading.Barrier(8)

    def ask(_: int) -> KeyRing:
        barrier.wait()
        return file_keyring(path)

    with ThreadPoolExecutor(8) as pool:
        rings = list(pool.map(ask, range(8)))
    assert all(ring == rings[0] for ring in rings)
    assert path.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_a_rotated_file_keeps_its_older_keys(tmp_path: Path) -> None:
    path = tmp_path / "store.key"
    old = file_keyring(path)
    new = rotate_file(path)
    assert file_keyring(path) == new
    new.verify(MANIFEST, old.sign(MANIFEST))
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "store.key"
    file_keyring(path)
    path.chmod(0o644)
    with pytest.raises(StoreError, match="read by others") as caught:
        file_keyring(path)
    assert caught.value.hint == f"chmod 600 {path}"


@pytest.mark.parametrize(
    "content",
    ["", "{}", "[]", '{"current": "a", "keys": {}}', '{"current": "a", "keys": {"a": "00"}}'],
)
def test_a_damaged_key_file_is_told_in_words(tmp_path: Path, content: str) -> None:
    path = tmp_path / "store.key"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(StoreError, match="key is damaged"):
        file_keyring(path)


def test_a_key_can_be_given_in_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ORCH_NB_KEY", raising=False)
    assert given_keyring() is None
    monkeypatch.setenv("ORCH_NB_KEY", "first secret of many bytes, second secret of many bytes")
    ring = given_keyring()
    assert ring is not None
    assert len(ring.keys) == 2
    older = given_keyring("second secret of many bytes")
    assert older is not None
    ring.verify(MANIFEST, older.sign(MANIFEST))
    with pytest.raises(StoreError, match="shorter than 16 bytes"):
        given_keyring("short")
