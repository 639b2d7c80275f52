"""The IPython shell of a worker: ipykernel's where it is to be had, with a kernel without sockets.

Differences between versions of IPython and ipykernel are dealt with here and nowhere else.
"""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from orch_nb.execution.leftovers import end_script_loop
from orch_nb.execution.outputs import Json, Output

# kind, content, id of the request it belongs to, binary buffers
Deliver = Callable[[str, dict[str, Json], str | None, Sequence[Any]], None]

_INLINE_BACKEND = "module://matplotlib_inline.backend_inline"
_CELLS_FOLDER = "ipykernel_0"


class CellFiles:
    """Names the file that a cell is compiled as, the same in every process.

    A kernel's names hold its process id. Functions keep the name and find their source by it, also
    in a fork, on a worker of a cluster, and when a later run takes them up.
    """

    def __init__(self, name_of: Callable[[str, str, int], str]) -> None:
        self._name_of = name_of
        self.named: list[str] = []  # since the list was cleared; the cell itself comes first

    def __call__(self, raw: str, code: str, number: int) -> str:
        """Return the name for the cell ``raw``."""
        name = self._name_of(raw, code, number)
        name = name.replace(f"ipykernel_{os.getpid()}", _CELLS_FOLDER)
        self.named.append(name)
        return name


def describe_language() -> dict[str, Json]:
    """What an IPython kernel tells of its language, and a notebook keeps as language_info."""
    return {
        "codemirror_mode": {"name": "ipython", "version": sys.version_info.major},
        "file_extension": ".py",
        "mimetype": "text/x-python",
        "name": "python",
        "nbconvert_exporter": "python",
        "pygments_lexer": f"ipython{sys.version_info.major}",
        "version": ".".join(map(str, sys.version_info[:3])),
    }


@dataclass(frozen=True)
class KernelShell:
    """An IPython shell, the kernel it believes in (None in a browser), and how to undo both."""

    shell: Any
    kernel: Any
    files: CellFiles

    def start_request(self, request: str) -> None:
        """Make messages sent from now on belong to ``request``."""
        parent = {
            "header": {"msg_id": request, "msg_type": "execute_request", "session": "orch_nb"},
            "msg_id": request,
            "msg_type": "execute_request",
            "parent_header": {},
            "metadata": {},
            "content": {},
            "buffers": [],
        }
        self.files.named.clear()
        if self.kernel is not None:
            self.kernel.set_parent([], parent)
            self.shell.set_parent(parent)

    def take_payloads(self) -> list[Json]:
        """Return what the cell asked of a front-end (the pager, `exit`), and forget it."""
        manager = self.shell.payload_manager
        payloads = list(manager.read_payload())
        manager.clear_payload()
        return payloads

    def end_script_loop(self) -> None:
        """End the thread that `%%bash` and its kind leave behind."""
        end_script_loop(self.shell.magics_manager.registry.get("ScriptMagics"))

    def sync_output_widget(self, model: str, outputs: list[Output]) -> None:
        """Tell an Output widget what it shows, as the front-end that captured it would."""
        manager = getattr(self.kernel, "comm_manager", None)
        if manager is None or model not in manager.comms:
            return
        data = {"method": "update", "state": {"outputs": outputs}, "buffer_paths": []}
        content = {"comm_id": model, "data": data}
        message = {"content": content, "metadata": {}, "buffers": [], "parent_header": {}}
        manager.comm_msg(None, None, message)

    def close(self) -> None:
        """Undo what creating the shell did to the process."""
        self.end_script_loop()
        self.shell.restore_sys_module_state()
        type(self.shell).clear_instance()
        if self.kernel is not None:
            for comm in list(self.kernel.comm_manager.comms.values()):
                self.kernel.comm_manager.unregister_comm(comm)
            type(self.kernel).clear_instance()


def create_kernel_shell(deliver: Deliver) -> KernelShell:
    """Create the process's shell; what it publishes goes to ``deliver``.

    Without ipykernel (in a browser) it is IPython's plain shell with the same messages.
    """
    config = _user_config()
    config.HistoryManager.enabled = False
    config.HistoryManager.hist_file = ":memory:"
    # tqdm and others look for this section to tell a kernel from a terminal
    config.IPKernelApp.kernel_class = "orch_nb"
    os.environ.setdefault("MPLBACKEND", _INLINE_BACKEND)
    _find_modules_in_working_folder()
    kernel = None
    if importlib.util.find_spec("ipykernel") is None:
        from orch_nb.execution.plain import create_plain_shell

        shell: Any = create_plain_shell(config, deliver)
    else:
        shell, kernel = _create_ipykernel_shell(config, deliver)
    shell.user_ns_hidden.update(shell.user_ns)
    files = CellFiles(shell.compile.get_code_name)
    shell.compile.get_code_name = files
    return KernelShell(shell, kernel, files)


def _user_config() -> Any:
    """Return what the user's IPython configuration files say for kernels.

    A file that fails is passed over with a warning, as a kernel does.
    """
    from IPython.core.application import ENV_CONFIG_DIRS, SYSTEM_CONFIG_DIRS
    from IPython.paths import get_ipython_dir
    from traitlets.config import Config
    from traitlets.config.loader import load_pyconfig_files

    config = Config()
    profile = str(Path(get_ipython_dir(), "profile_default"))
    for folder in (*SYSTEM_CONFIG_DIRS, *reversed(ENV_CONFIG_DIRS), profile):
        for name in ("ipython_config.py", "ipython_kernel_config.py"):
            try:
                config.merge(load_pyconfig_files([name], folder))
            except Exception as error:  # the file is a program of the user's
                warnings.warn(f"{Path(folder, name)} is ignored: {error!r}", stacklevel=2)
    return config


def _create_ipykernel_shell(config: Any, deliver: Deliver) -> tuple[Any, Any]:
    from ipykernel.compiler import XCachingCompiler
    from ipykernel.eventloops import enable_gui
    from ipykernel.kernelbase import Kernel
    from ipykernel.zmqshell import ZMQInteractiveShell
    from jupyter_client.session import Session

    session = Session(key=b"")
    session.send = partial(_send, session, deliver)
    kernel = Kernel.instance(session=session)
    shell = ZMQInteractiveShell.instance(
        config=config, kernel=kernel, compiler_class=XCachingCompiler
    )
    shell.displayhook.session = session
    shell.displayhook.topic = b"execute_result"
    shell.display_pub.session = session
    shell.enable_gui = partial(_enable_gui, shell, kernel, enable_gui)
    kernel.shell = shell
    kernel.comm_manager = _comm_manager(kernel)
    return shell, kernel


def _comm_manager(kernel: Any) -> Any:
    from ipykernel import version_info

    if version_info < (6, 18):  # its comms are its own
        from ipykernel.comm import CommManager

        return CommManager(parent=kernel, kernel=kernel)
    import comm

    # importing this makes `comm` create ipykernel's comms, which go through the kernel
    import ipykernel.ipkernel  # noqa: F401

    return comm.get_comm_manager()


def _send(
    session: Any,
    deliver: Deliver,
    stream: Any,
    msg_or_type: Any,
    content: Any = None,
    parent: Any = None,
    ident: Any = None,
    buffers: Any = None,
    *rest: Any,
    **more: Any,
) -> Any:
    """Stand in for `Session.send`: nothing leaves the process."""
    if isinstance(msg_or_type, str):
        kind = msg_or_type
    else:
        kind = msg_or_type["header"]["msg_type"]
        content = msg_or_type["content"]
        parent = msg_or_type["parent_header"]
    header = (parent or {}).get("header", parent) or {}
    # packed and unpacked, so that content is what would have come out of a socket
    plain = session.unpack(session.pack(content or {}))
    deliver(kind, plain, header.get("msg_id"), buffers or ())
    return msg_or_type


def _enable_gui(
    shell: Any, kernel: Any, enable: Callable[..., None], gui: str | None = None
) -> None:
    from IPython.core.error import UsageError

    try:
        enable(gui, kernel=kernel)
    except ValueError as error:
        raise UsageError(str(error)) from error
    shell.active_eventloop = gui


def _find_modules_in_working_folder() -> None:
    # like a kernel: after the standard library, before installed packages
    if "" in sys.path or getattr(sys.flags, "safe_path", False):
        return
    for position, path in enumerate(sys.path):
        if Path(path).name in ("site-packages", "dist-packages"):
            sys.path.insert(position, "")
            return
    sys.path.insert(0, "")


def create_loop() -> asyncio.AbstractEventLoop:
    """Return an event loop that a fork may close without disturbing its parent's.

    epoll and kqueue are shared with a fork; poll is not. A loop logs how it was made, which a
    notebook that logs all there is must not see: its kernel has one already.
    """
    import selectors

    logger = logging.getLogger("asyncio")
    before, logger.disabled = logger.disabled, True
    try:
        if hasattr(selectors, "PollSelector"):
            return asyncio.SelectorEventLoop(selectors.PollSelector())
        return asyncio.new_event_loop()
    finally:
        logger.disabled = before
