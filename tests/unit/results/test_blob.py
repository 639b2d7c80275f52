"""Blobs: what is read is what was written, and what is damaged is never handed out."""

from __future__ import annotations

import mmap
import os
import pickle
import resource
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orch_nb.errors import ResultError
from orch_nb.results.blob import (
    Buffer,
    BufferEntry,
    Manifest,
    blob_path,
    read_blob,
    remove_leftovers,
    write_blob,
)


def keep(folder: Path, value: object) -> tuple[Manifest, Path]:
    buffers: list[Buffer] = []
    frame = pickle.dumps(value, protocol=5, buffer_callback=buffers.append)
    manifest = write_blob(folder, frame, buffers)
    return manifest, blob_path(folder, manifest.digest)


def load(path: Path, manifest: Manifest) -> object:
    frame, buffers = read_blob(path, manifest, check_buffers=True)
    return pickle.loads(frame, buffers=buffers)


@settings(deadline=None, max_examples=60)
@given(frame=st.binary(max_size=300), buffers=st.lists(st.binary(max_size=200), max_size=6))
def test_bytes_come_back_aligned_and_writable(
    tmp_path_factory: pytest.TempPathFactory, frame: bytes, buffers: list[bytes]
) -> None:
    folder = tmp_path_factory.mktemp("blobs")
    manifest = write_blob(folder, frame, [memoryview(buffer) for buffer in buffers])
    path = blob_path(folder, manifest.digest)

    read_frame, read_buffers = read_blob(path, manifest, check_buffers=True)

    assert bytes(read_frame) == frame
    assert [bytes(view) for view in read_buffers] == buffers
    assert all(not view.readonly for view in read_buffers)
    assert all(entry.offset % 64 == 0 for entry in manifest.buffers)
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert path.stat().st_size == manifest.size


@pytest.mark.parametrize(
    "array",
    [
        np.arange(1000.0),
        np.asfortranarray(np.arange(12).reshape(3, 4)),
        np.arange(24).reshape(2, 3, 4)[:, ::2],
        np.zeros((0, 3)),
        np.array(["a", None], dtype=object),
        np.array(5),
    ],
    ids=["plain", "fortran", "scattered", "empty", "objects", "scalar"],
)
def test_arrays_come_back_equal_and_can_be_changed(tmp_path: Path, array: np.ndarray) -> None:
    manifest, path = keep(tmp_path, {"a": array})
    found = load(path, manifest)["a"]  # type: ignore[index]
    np.testing.assert_array_equal(found, array)
    assert found.dtype == array.dtype
    assert found.flags.writeable


def test_a_scattered_memoryview_is_gathered(tmp_path: Path) -> None:
    manifest = write_blob(tmp_path, b"", [memoryview(b"abcdef")[::2]])
    _, (view,) = read_blob(blob_path(tmp_path, manifest.digest), manifest, check_buffers=True)
    assert bytes(view) == b"ace"


def test_a_change_in_place_stays_private(tmp_path: Path) -> None:
    manifest, path = keep(tmp_path, np.arange(10_000))
    first, second = load(path, manifest), load(path, manifest)
    first[:] = -1  # type: ignore[index]
    np.testing.assert_array_equal(second, np.arange(10_000))
    np.testing.assert_array_equal(load(path, manifest), np.arange(10_000))


def test_a_value_outlives_its_file(tmp_path: Path) -> None:
    manifest, path = keep(tmp_path, np.arange(100_000))
    value = load(path, manifest)
    path.unlink()
    np.testing.assert_array_equal(value, np.arange(100_000))


def test_equal_values_share_a_file_and_leave_no_other(tmp_path: Path) -> None:
    assert keep(tmp_path, [1, 2]) == keep(tmp_path, [1, 2])
    keep(tmp_path, [3])
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 2


def test_every_damaged_byte_is_noticed(tmp_path: Path) -> None:
    manifest, path = keep(tmp_path, {"a": np.arange(8, dtype="u1"), "b": b"x" * 30})
    sound = path.read_bytes()
    covered = set(range(64, 64 + manifest.pickle_length))
    for entry in manifest.buffers:
        covered |= set(range(entry.offset, entry.offset + entry.length))
    for position in sorted(covered):
        path.write_bytes(sound[:position] + bytes([sound[position] ^ 1]) + sound[position + 1 :])
        with pytest.raises(ResultError, match="damaged"):
            read_blob(path, manifest, check_buffers=True)


def test_the_frame_is_checked_even_where_buffers_are_not(tmp_path: Path) -> None:
    manifest, path = keep(tmp_path, {"a": np.arange(8)})
    content = bytearray(path.read_bytes())
    content[70] ^= 1
    path.write_bytes(content)
    with pytest.raises(ResultError, match="digest"):
        read_blob(path, manifest)


@pytest.mark.parametrize("change", [b"", b"short"], ids=["emptied", "cut"])
def test_a_cut_file_is_damaged(tmp_path: Path, change: bytes) -> None:
    manifest, path = keep(tmp_path, list(range(100)))
    path.write_bytes(change)
    with pytest.raises(ResultError, match="damaged"):
        read_blob(path, manifest)


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path) -> None:
    manifest, path = keep(tmp_path, 1)
    path.unlink()
    with pytest.raises(ResultError, match="missing"):
        read_blob(path, manifest)


def test_a_buffer_outside_of_the_file_is_refused(tmp_path: Path) -> None:
    manifest, path = keep(tmp_path, np.arange(100))
    (entry,) = manifest.buffers
    lying = replace(manifest, buffers=(replace(entry, offset=entry.offset + 64),))
    with pytest.raises(ResultError, match="outside"):
        read_blob(path, lying)
    with pytest.raises(ResultError, match="outside"):
        read_blob(path, replace(manifest, pickle_length=2**50))


def test_a_damaged_file_is_written_anew(tmp_path: Path) -> None:
    manifest, path = keep(tmp_path, np.arange(100))
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert keep(tmp_path, np.arange(100))[0] == manifest
    np.testing.assert_array_equal(load(path, manifest), np.arange(100))


@pytest.mark.parametrize(
    "plain",
    [
        {},
        {"digest": "../../etc/passwd"},
        {"digest": "A" * 64},
        {"size": -1},
        {"size": True},
        {"buffers": [["0" * 32, 0]]},
        {"buffers": [["0" * 32, -64, 64]]},
        {"buffers": 5},
    ],
)
def test_a_manifest_that_is_none_is_refused(tmp_path: Path, plain: dict[str, object]) -> None:
    sound = keep(tmp_path, 1)[0].to_json()
    with pytest.raises(ResultError, match="record is damaged"):
        Manifest.from_json((sound | plain) if plain else {})


def test_addresses_tell_where_one_buffer_ends_and_the_next_begins(tmp_path: Path) -> None:
    one = write_blob(tmp_path, b"p", [b"ab", b"c"])
    other = write_blob(tmp_path, b"p", [b"a", b"bc"])
    assert one.digest != other.digest
    assert one.buffers[0] == BufferEntry(one.buffers[0].xxh3, 128, 2)


def test_a_full_disk_is_told_in_words_and_leaves_nothing(tmp_path: Path) -> None:
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, limit[1]))
    try:
        with pytest.raises(ResultError, match="can't be kept") as caught:
            keep(tmp_path, np.arange(10_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert "free some space" in str(caught.value)
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []


@pytest.fixture
def small_disk(tmp_path: Path) -> Path:
    """A file system of one megabyte; skips where it can't be mounted."""
    mounted = tmp_path / "small"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mounted)]
    try:
        done = subprocess.run(command, capture_output=True)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip("only root may mount a small file system")
    yield mounted
    subprocess.run(["umount", "--lazy", str(mounted)], check=True)


def test_a_really_full_disk_keeps_what_it_had(small_disk: Path) -> None:
    manifest, path = keep(small_disk, np.arange(50_000))
    with pytest.raises(ResultError, match="No space left"):
        keep(small_disk, np.arange(200_000))
    assert [found for found in small_disk.rglob("*") if found.is_file()] == [path]
    np.testing.assert_array_equal(load(path, manifest), np.arange(50_000))


def test_an_unwritable_folder_is_told_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ResultError, match="can't be kept"):
        keep(tmp_path / "file", 1)


def test_what_a_killed_writer_left_is_removed_and_a_living_ones_is_not(tmp_path: Path) -> None:
    script = """
import os, sys, time
from pathlib import Path
from orch_nb.results import blob
with blob._partial_file(Path(sys.argv[1]) / "ab" / "abc.blob") as (partial, descriptor):
    print(partial, flush=True)
    time.sleep(60)
"""
    (tmp_path / "ab").mkdir()
    writer = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert writer.stdout is not None
    with writer.stdout:
        partial = Path(writer.stdout.readline().strip())
    assert remove_leftovers(tmp_path) == 0
    assert partial.exists()
    writer.kill()
    writer.wait()
    assert partial.exists()
    assert remove_leftovers(tmp_path) == 1
    assert not partial.exists()


def test_durable_syncs_the_file_and_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    monkeypatch.setattr(
        os, "fsync", lambda fd: synced.append(str(Path(f"/proc/self/fd/{fd}").readlink()))
    )
    write_blob(tmp_path, b"other frame", [])
    assert synced == []
    monkeypatch.setenv("ORCH_NB_DURABILITY", "full")
    manifest = write_blob(tmp_path, b"frame", [])
    folder = blob_path(tmp_path, manifest.digest).parent
    assert synced[0].startswith(str(folder) + "/")
    assert synced[1:] == [str(folder)]


def test_reading_large_arrays_copies_nothing(tmp_path: Path) -> None:
    manifest, path = keep(tmp_path, np.zeros(4_000_000))
    frame, (view,) = read_blob(path, manifest)
    assert isinstance(view.obj, mmap.mmap)
    array = pickle.loads(frame, buffers=[view])
    assert np.shares_memory(array, np.frombuffer(view))


def test_workers_need_no_database_to_write_blobs() -> None:
    code = "import sys, orch_nb.results.blob; print('sqlalchemy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
