"""A result is used only if it is signed, there, and whole; and nothing is unpickled to find out."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch_nb.model import FlowRunId, TaskRunId
from orch_nb.results.blob import Manifest, blob_path, write_blob
from orch_nb.results.checking import check_result
from orch_nb.results.location import Folder, Location, open_location
from orch_nb.results.signing import KeyRing, Signature
from orch_nb.store import ResultRecord

KEYS = KeyRing.of(b"0123456789abcdef")


class Bomb:
    """What it is unpickled to would be seen."""

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, ("exploded",)


@dataclass
class Kept:
    """A result at its place, and another machine's way to it."""

    record: ResultRecord
    location: Location
    stored: Path | None  # the file, where the place is a folder

    def check(self, keyring: KeyRing = KEYS) -> str:
        return check_result(self.record, keyring, self.location)


def record_of(manifest: Manifest, signature: Signature | None) -> ResultRecord:
    return ResultRecord(
        FlowRunId("f" * 32),
        TaskRunId("a" * 32),
        ("x",),
        kept=True,
        digest=manifest.digest,
        manifest=manifest.to_json(),
        size=manifest.size,
        signature=None if signature is None else signature.value,
        key_id=None if signature is None else signature.key_id,
    )


@pytest.fixture(params=["folder", "file", "memory"])
def kept(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Kept:
    monkeypatch.chdir(tmp_path)
    place = {
        "folder": str(tmp_path / "results"),
        "file": f"file://{tmp_path}/results",
        "memory": f"memory://{uuid4().hex}/results",
    }[request.param]
    worker = open_location(place, tmp_path / "worker")
    manifest = write_blob(worker.staging, pickle.dumps(Bomb()), [b"large" * 100])
    worker.keep(manifest.digest)
    here = open_location(place, tmp_path / "here")
    stored = blob_path(here.staging, manifest.digest) if isinstance(here, Folder) else None
    return Kept(record_of(manifest, KEYS.sign(manifest)), here, stored)


def rewrite(kept: Kept, change: Callable[[bytes], bytes]) -> None:
    """Change the stored blob itself."""
    digest = kept.record.digest or ""
    if kept.stored is not None:
        kept.stored.write_bytes(change(kept.stored.read_bytes()))
        return
    files, path = kept.location._files, kept.location._path(digest)  # type: ignore[attr-defined]
    files.pipe_file(path, change(files.cat_file(path)))


def test_a_sound_result_can_be_used_and_is_not_unpickled(kept: Kept, tmp_path: Path) -> None:
    assert kept.check() == ""
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("position", [64, 80, -1, -499])
def test_a_flipped_bit_is_noticed(kept: Kept, position: int) -> None:
    def flip(data: bytes) -> bytes:
        changed = bytearray(data)
        changed[position] ^= 1
        return bytes(changed)

    rewrite(kept, flip)
    assert kept.check().startswith("a kept value is damaged: ")


@pytest.mark.parametrize("length", [0, 63, 64, 100, -1])
def test_a_truncated_file_is_noticed(kept: Kept, length: int) -> None:
    rewrite(kept, lambda data: data[:length])
    assert kept.check().startswith("a kept value is damaged: it has ")


def test_a_missing_file_is_noticed(kept: Kept) -> None:
    kept.location.delete(kept.record.digest or "")
    assert kept.check() == "a kept value is missing"


def test_another_stores_key_is_refused(kept: Kept) -> None:
    other = KeyRing.of(b"fedcba9876543210")
    assert kept.check(other) == "a kept value is not signed by this store"


def test_a_signature_that_was_taken_away_is_noticed(kept: Kept) -> None:
    for change in ({"signature": None}, {"key_id": None}, {"signature": None, "key_id": None}):
        kept.record = replace(kept.record, **change)  # type: ignore[arg-type]
        assert kept.check() == "a kept value is not signed"


@pytest.mark.parametrize(
    "change", [{"signature": "0" * 64}, {"signature": "ü"}, {"key_id": "nobody"}]
)
def test_a_forged_signature_is_noticed(kept: Kept, change: dict[str, str]) -> None:
    kept.record = replace(kept.record, **change)  # type: ignore[arg-type]
    assert kept.check() == "a kept value is not signed by this store"


def test_another_results_manifest_is_noticed(kept: Kept, tmp_path: Path) -> None:
    other = write_blob(tmp_path / "other", b"other", [])
    kept.record = replace(kept.record, manifest=other.to_json())
    assert kept.check() == "a kept value's record is damaged"
    kept.record = replace(kept.record, digest=other.digest)
    assert kept.check() == "a kept value is not signed by this store"


def test_an_unsigned_result_is_not_even_fetched(kept: Kept, tmp_path: Path) -> None:
    kept.record = replace(kept.record, signature=None)
    assert kept.check()
    assert not (tmp_path / "here").exists()


def test_what_was_not_kept_says_why(kept: Kept) -> None:
    kept.record = replace(kept.record, kept=False, reason="'lock' (Lock) can't be pickled")
    assert kept.check() == "'lock' (Lock) can't be pickled"


def test_a_damaged_copy_of_a_remote_result_is_fetched_again(tmp_path: Path) -> None:
    location = open_location(f"memory://{uuid4().hex}", tmp_path / "cache")
    manifest = write_blob(location.staging, b"frame", [b"buffer"])
    location.keep(manifest.digest)
    blob_path(location.staging, manifest.digest).write_bytes(b"rubbish")
    record = record_of(manifest, KEYS.sign(manifest))
    assert check_result(record, KEYS, location) == ""


def test_a_place_that_can_not_be_reached_is_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    location = open_location(f"memory://{uuid4().hex}", tmp_path / "cache")
    manifest = write_blob(tmp_path / "there", b"frame", [])
    record = record_of(manifest, KEYS.sign(manifest))

    def refuse(*arguments: object, **options: object) -> None:
        raise PermissionError("the bucket is closed")

    monkeypatch.setattr(location._files, "get_file", refuse)  # type: ignore[attr-defined]
    reason = "the results' location can't be used: the bucket is closed"
    assert check_result(record, KEYS, location) == reason


@settings(deadline=None, max_examples=200)
@given(
    st.dictionaries(
        st.sampled_from(["digest", "pickle_sha256", "pickle_length", "buffers", "size"]),
        st.none() | st.integers() | st.text("0af", max_size=64) | st.lists(st.integers()),
    )
)
def test_any_manifest_gives_a_reason(changes: dict[str, object]) -> None:
    honest = Manifest("a" * 64, "b" * 64, 5, (), 69)
    record = record_of(honest, KEYS.sign(honest))
    manifest = {**honest.to_json(), **changes}
    location = Folder(Path("/nowhere/at/all"))
    assert check_result(replace(record, manifest=manifest), KEYS, location)
