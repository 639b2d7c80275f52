"""A throw-away PostgreSQL server on the loopback address, and empty databases on it."""

from __future__ import annotations

import contextlib
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


def server_programs() -> Path | None:
    """The folder with initdb and pg_ctl; Debian keeps it off the PATH."""
    found = shutil.which("initdb")
    if found:
        return Path(found).parent
    installed = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    return installed[-1].parent if installed else None


@contextlib.contextmanager
def running_server(programs: Path) -> Iterator[str]:
    """Start a server that syncs nothing, and stop it; yields its URL."""
    with tempfile.TemporaryDirectory(prefix="orch-pg-", ignore_cleanup_errors=True) as folder:
        identity: dict[str, Any] = {"cwd": folder}
        if os.geteuid() == 0:  # the server refuses to run as root
            account = pwd.getpwnam("postgres")
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
