"""Whether a path lies on a network file system, by the kernel's table of mounts.

SQLite's write-ahead log needs shared memory between its users and does not notice when a
network file system gives each host its own.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

_NETWORK = frozenset(
    {
        "9p",
        "afs",
        "beegfs",
        "ceph",
        "cifs",
        "coda",
        "glusterfs",
        "gpfs",
        "lustre",
        "ncpfs",
        "nfs",
        "nfs4",
        "ocfs2",
        "orangefs",
        "panfs",
        "smb3",
        "smbfs",
        "virtiofs",
        "wekafs",
    }
)
_NETWORK_FUSE = re.compile(r"fuse\.(?:.*(?:ssh|s3|gcs|rclone|gluster|ceph|blob|juice|goofys))")
_TABLE = Path("/proc/self/mounts")
_ESCAPE = re.compile(r"\\([0-7]{3})")


def network_mount(path: Path, table: Path = _TABLE) -> str | None:
    """``"nfs4 at /home"`` when ``path`` is on a network file system, else None.

    Where there is no table of mounts (macOS), the answer is None.
    """
    try:
        lines = table.read_text("utf-8", "surrogateescape").splitlines()
    except OSError:
        return None
    resolved = os.path.realpath(path)
    best, kind = "", ""
    for line in lines:
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        point = _ESCAPE.sub(lambda code: chr(int(code.group(1), 8)), fields[1])
        # Later lines are mounted over earlier ones at the same point.
        if len(point) >= len(best) and _lies_under(resolved, point):
            best, kind = point, fields[2]
    if kind in _NETWORK or _NETWORK_FUSE.match(kind):
        return f"{kind} at {best}"
    return None


def _lies_under(path: str, point: str) -> bool:
    return path == point or path.startswith(point.rstrip("/") + "/")
