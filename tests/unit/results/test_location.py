"""Locations: the same promises from a local folder and from one that fsspec reaches."""

from __future__ import annotations

import sys
from pathlib import Path
from uuid import uuid4

import pytest

from orch_nb.errors import ResultError
from orch_nb.results.blob import read_blob, write_blob
from orch_nb.results.location import Folder, KeptBlob, Location, RemoteFolder, open_location
from orch_nb.results.retention import choose_evictions


@pytest.fixture(params=["folder", "memory"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> Location:
    if request.param == "folder":
        return open_location(str(tmp_path / "results"), tmp_path / "cache")
    return open_location(f"memory://{uuid4().hex}/results", tmp_path / "cache")


def test_a_blob_is_kept_fetched_listed_and_deleted(location: Location) -> None:
    manifest = write_blob(location.staging, b"frame", [b"buffer"])
    location.keep(manifest.digest)
    assert location.exists(manifest.digest)
    frame, (buffer,) = read_blob(location.fetch(manifest.digest), manifest, check_buffers=True)
    assert (bytes(frame), bytes(buffer)) == (b"frame", b"buffer")
    (listed,) = location.list()
    assert (listed.digest, listed.size) == (manifest.digest, manifest.size)
    assert listed.modified > 1e9
    location.delete(manifest.digest)
    location.delete(manifest.digest)
    assert not location.exists(manifest.digest)
    assert list(location.list()) == []
    with pytest.raises(ResultError, match="missing"):
        location.fetch(manifest.digest)


def test_keeping_what_was_not_written_is_an_error(location: Location) -> None:
    with pytest.raises(ResultError, match="missing"):
        location.keep("f" * 64)


def test_a_remote_blob_is_downloaded_where_there_is_no_copy(tmp_path: Path) -> None:
    url = f"memory://{uuid4().hex}"
    here, there = open_location(url, tmp_path / "here"), open_location(url, tmp_path / "there")
    manifest = write_blob(here.staging, b"frame", [])
    here.keep(manifest.digest)
    path = there.fetch(manifest.digest)
    assert path.is_relative_to(tmp_path / "there")
    assert bytes(read_blob(path, manifest)[0]) == b"frame"
    assert list(path.parent.iterdir()) == [path]


def test_the_kind_of_location_goes_by_its_address(tmp_path: Path) -> None:
    assert open_location("results", tmp_path) == Folder(Path("results"))
    assert open_location("file:///srv/results", tmp_path) == Folder(Path("/srv/results"))
    assert isinstance(open_location("memory://x", tmp_path), RemoteFolder)


@pytest.mark.parametrize("url", ["nonsense://x", "s3://bucket/x"])
def test_a_location_that_can_not_be_used_is_told_in_words(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(ResultError):
        open_location(url, tmp_path)


def blob(digest: str, size: int, modified: float) -> KeptBlob:
    return KeptBlob(digest, size, modified)


def test_the_least_recently_used_go_first_until_the_rest_fits() -> None:
    blobs = [blob("a", 10, 1.0), blob("b", 10, 2.0), blob("c", 10, 3.0), blob("d", 10, 4.0)]
    assert choose_evictions(blobs, {}, cap=40) == []
    assert choose_evictions(blobs, {}, cap=25) == blobs[:2]
    assert choose_evictions(blobs, {"a": 9.0}, cap=25) == blobs[1:3]
    assert choose_evictions(blobs, {}, cap=25, pinned={"a", "b"}) == blobs[2:]
    assert choose_evictions(blobs, {}, cap=0, pinned={"a"}) == blobs[1:]
    assert choose_evictions([], {}, cap=0) == []
