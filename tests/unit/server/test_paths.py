"""Where paths of the contents API may lead."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orch_nb.errors import InputError, NotFoundError
from orch_nb.server.paths import Root

PARTS = st.sampled_from(
    ["..", ".", "a", "link", "", "b c", "...", "~", "C:", "%2e%2e", "\\..", "é"]
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(parts=st.lists(PARTS, max_size=6), absolute=st.booleans())
def test_no_path_leads_out(tmp_path: Path, parts: list[str], absolute: bool) -> None:
    base = tmp_path / "root"
    if not base.exists():
        (base / "a").mkdir(parents=True)
        (base / "link").symlink_to(tmp_path)
    path = "/".join(parts)
    try:
        place = Root(base).local("/" + path if absolute else path)
    except (InputError, NotFoundError):
        return
    assert place.resolve().is_relative_to(base.resolve())


def test_a_root_that_is_a_link_itself_is_fine(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "root").symlink_to("real")
    root = Root(tmp_path / "root")
    assert root.local("x.ipynb") == tmp_path / "root" / "x.ipynb"
    assert root.shown(str(tmp_path / "root" / "d" / "x.ipynb")) == "d/x.ipynb"
    assert root.shown("/elsewhere/x.ipynb") is None
    assert root.shown("s3://bucket/x.ipynb") is None


def test_contents_that_are_elsewhere_get_a_folder_of_their_own(orch_home: Path) -> None:
    place = Root(None).local("team/x.ipynb")
    assert PurePosixPath(place) == PurePosixPath(orch_home / "remote" / "team" / "x.ipynb")
    assert place.parent.is_dir()
    with pytest.raises(InputError, match="on this machine's disk"):
        Root(None).needs_disk("a schedule")
