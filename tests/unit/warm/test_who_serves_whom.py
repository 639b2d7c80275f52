"""Which processes may serve which command."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from orch_nb.warm import identity
from orch_nb.warm.client import connect
from orch_nb.warm.early import runs_a_notebook
from orch_nb.warm.environment import fits
from orch_nb.warm.messages import Line


@pytest.mark.parametrize(
    ("name", "matters"),
    [
        ("PATH", True),
        ("OMP_NUM_THREADS", True),
        ("ORCH_NB_NO_FORK", True),
        ("ANYTHING_ELSE", True),
        ("PWD", False),
        ("TERM", False),
        ("SSH_CLIENT", False),
        ("ORCH_NB_HOME", False),
    ],
)
def test_a_template_serves_environments_that_differ_in_the_caller_s_own(
    name: str, matters: bool
) -> None:
    born = {"PATH": "/bin", "LANG": "C"}
    assert fits(born, dict(born))
    assert fits(born, {**born, name: "other"}) is not matters
    assert fits({**born, name: "other"}, born) is not matters


def test_what_shapes_the_interpreter_names_the_daemon(monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity.standing()
    assert identity.standing() == before
    monkeypatch.setenv("MY_OWN", "1")
    assert identity.standing() == before
    for name in ("PYTHONPATH", "LC_ALL", "LD_PRELOAD", "HOME", "TZ"):
        with monkeypatch.context() as patched:
            patched.setenv(name, "/another")
            assert identity.standing() != before
    monkeypatch.setattr("sys.warnoptions", ["error"])
    assert identity.standing() != before
    assert identity.address(before) != identity.address(identity.standing())


def test_a_folder_of_others_is_not_private(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    assert not identity.is_private(str(folder))
    folder.mkdir(mode=0o700)
    assert identity.is_private(str(folder))
    folder.chmod(0o710)
    assert not identity.is_private(str(folder))
    folder.chmod(0o700)
    link = tmp_path / "link"
    link.symlink_to(folder)  # whoever made the link could let it point elsewhere
    assert not identity.is_private(str(link))


def test_switched_off_it_is_not_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(identity.SWITCH, "1")
    assert identity.is_wanted()
    for said in ("0", "off", "No", "FALSE"):
        monkeypatch.setenv(identity.SWITCH, said)
        assert not identity.is_wanted()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("run sales.ipynb -o out.ipynb", True),
        ("run -p year 2025 sales.py", True),
        ("run --help sales.ipynb", False),
        ("runs sales.ipynb", False),
        ("run", False),
        ("", False),
    ],
)
def test_a_session_is_begun_early_for_a_run_alone(words: str, expected: bool) -> None:
    assert runs_a_notebook(words.split()) is expected


def test_messages_and_descriptors_cross_in_any_pieces() -> None:
    ours, theirs = socket.socketpair()
    first, second = Line(ours), Line(theirs)
    read, write = os.pipe()
    large = {"op": "run", "environment": {b"A": bytes(100_000)}, "limits": {"X": (1, -1)}}
    first.send(large, [read, write])
    first.send({"op": "go"})
    assert second.receive() == large
    taken = second.take_descriptors()
    assert len(taken) == 2
    os.write(taken[1], b"through")
    assert os.read(read, 7) == b"through"
    assert second.receive() == {"op": "go"}
    first.close()
    assert second.receive() is None
    second.close()
    for descriptor in (read, write, *taken):
        os.close(descriptor)


def test_what_is_no_message_is_refused() -> None:
    ours, theirs = socket.socketpair()
    line = Line(theirs)
    ours.sendall(b"\0\0\0\x04junk")
    line.read()
    with pytest.raises((ValueError, EOFError, TypeError)):
        line.messages()
    line.close()
    ours.close()


def test_nobody_there_is_no_error(tmp_path: Path) -> None:
    assert connect(str(tmp_path / "nobody.sock"), 1.0) is None
