"""Which daemon serves a command: one that was born as the command was, in all that can't be given.

A daemon hands a command its working folder, environment, descriptors, umask and soft limits. The
interpreter, what shapes it from its first moment, and what the system ties to a process (groups,
capabilities, control group, namespaces, cores, hard limits) it can't: those are the daemon's name.
"""

from __future__ import annotations

import os
import resource
import stat
import sys
import zlib

SWITCH = "ORCH_NB_WARM"
_OFF = frozenset({"0", "off", "no", "false"})
# Read by the interpreter, the C library or the driver's own imports.
_BORN_WITH = ("PYTHON", "LD_", "LC_", "MALLOC_", "GLIBC_", "SQLALCHEMY_")
_BORN_WITH_NAMES = frozenset({"LANG", "LANGUAGE", "TZ", "HOME"})
_USER = ("Uid", "Gid", "Groups", "Cap", "NoNewPrivs", "Seccomp")
_STATUS = (*_USER, "Cpus_allowed", "Mems_allowed", "SigIgn", "SigBlk")
_NAMESPACES = ("cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts")
_FILES = ("cgroup", "oom_score_adj", "attr/current")


_switched_off = False


def switch_off() -> None:
    """This process neither uses nor starts a daemon."""
    global _switched_off
    _switched_off = True


def is_wanted() -> bool:
    """Whether this system can keep processes warm, and the user has not switched it off."""
    said = os.environ.get(SWITCH, "").lower()
    return (
        not _switched_off
        and sys.platform == "linux"
        and said not in _OFF
        and hasattr(os, "pidfd_open")
    )


def standing() -> bytes:
    """What a process can't be given by another; equal for a command and the daemon it may ask."""
    flags = [(n, getattr(sys.flags, n)) for n in dir(sys.flags) if _is_flag(n)]
    variables = sorted(
        pair
        for pair in os.environ.items()
        if pair[0].startswith(_BORN_WITH) or pair[0] in _BORN_WITH_NAMES
    )
    interpreter = (sys.executable, sys.prefix, sys.version, sys.warnoptions, sys._xoptions)
    limits = [(name, resource.getrlimit(getattr(resource, name))[1]) for name in limit_names()]
    system = [_read(name) for name in _FILES], [_namespace(name) for name in _NAMESPACES]
    born = _status(), os.getpriority(os.PRIO_PROCESS, 0), os.sched_getscheduler(0)
    parts = (interpreter, flags, variables, limits, system, born, os.path.dirname(__file__))  # noqa: PTH120  # pathlib would be waited for
    return repr(parts).encode("utf-8", "surrogateescape")


def limit_names() -> list[str]:
    """The names of the resource limits of this system."""
    return sorted(name for name in dir(resource) if name.startswith("RLIMIT_"))


def private_folder() -> str:
    """The folder for sockets that only this user can enter; it need not be there yet."""
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    if runtime and is_private(runtime):
        return f"{runtime}/orch_nb"
    return f"/tmp/orch_nb-{os.getuid()}"  # a fixed name: whose it is, is looked at


def is_private(folder: str) -> bool:
    """Whether that is a folder of this user's, and nobody else can enter it."""
    try:
        found = os.lstat(folder)
    except OSError:
        return False
    mine = found.st_uid == os.getuid() and stat.S_ISDIR(found.st_mode)
    return mine and not found.st_mode & 0o077


def address(born: bytes) -> str:
    """The path of the daemon's socket, without its suffix, for what ``standing`` told."""
    name = f"{zlib.crc32(born):08x}{zlib.adler32(born):08x}"
    return f"{private_folder()}/{name}"


def _is_flag(name: str) -> bool:
    # the daemon and its processes are always started with a safe path
    return not name.startswith(("_", "n_")) and name not in {"safe_path", "count", "index"}


def _status() -> str:
    lines = _read("status").split("\n")
    return "\n".join(line for line in lines if line.startswith(_STATUS))


def _read(name: str) -> str:
    try:
        with open(f"/proc/self/{name}", errors="replace") as file:  # noqa: PTH123  # as above
            return file.read()
    except OSError:
        return ""


def _namespace(name: str) -> str:
    try:
        return os.readlink(f"/proc/self/ns/{name}")  # noqa: PTH115  # as above
    except OSError:
        return ""
