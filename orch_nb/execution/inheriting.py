"""What a fork of a warm template takes over from the command that it serves, and what it renews."""

from __future__ import annotations

import os
import resource
import sys
from collections.abc import Mapping
from typing import Any


def describe_self(folder: str) -> dict[str, Any]:
    """What ``take_over`` is to be told: environment, umask and soft limits of this process."""
    umask = os.umask(0)
    os.umask(umask)
    return {
        "environment": dict(os.environ),
        "umask": umask,
        "limits": {
            name: resource.getrlimit(getattr(resource, name))[0]
            for name in dir(resource)
            if name.startswith("RLIMIT_")
        },
        "folder": folder,
    }


def take_over(told: Mapping[str, Any], born_with: Mapping[str, str]) -> None:
    """Be as a process that the command would have started itself.

    ``born_with`` is the environment that the template was started with: what it has set since
    belongs to the shell and stays.
    """
    own = {name: text for name, text in os.environ.items() if born_with.get(name) != text}
    wanted = {**told["environment"], **own}
    for name in os.environ.keys() - wanted.keys():
        del os.environ[name]
    os.environ.update(wanted)
    os.umask(told["umask"])
    for name, soft in told["limits"].items():
        limit = getattr(resource, name)
        resource.setrlimit(limit, (soft, resource.getrlimit(limit)[1]))
    os.chdir(told["folder"])
    _renew_randomness()


def _renew_randomness() -> None:
    """No two runs draw the same: Python does this for its own generator in every fork."""
    numpy_random = sys.modules.get("numpy.random")
    if numpy_random is not None:
        numpy_random.seed()
    processes = sys.modules.get("multiprocessing.process")
    if processes is not None:
        processes.current_process().authkey = os.urandom(32)
