"""IPython's plain shell, publishing the same messages as a kernel: for places without ipykernel."""

from __future__ import annotations

import base64
import sys
from collections.abc import Mapping
from typing import Any

from IPython.core.displayhook import DisplayHook
from IPython.core.displaypub import DisplayPublisher
from IPython.core.interactiveshell import InteractiveShell
from traitlets import Any as AnyTrait
from traitlets import Type

from orch_nb.execution.outputs import Json


class MessagePublisher(DisplayPublisher):  # type: ignore[misc]
    """Sends what `display` and `clear_output` publish to ``deliver``."""

    deliver = AnyTrait()

    def publish(
        self,
        data: Mapping[str, Any],
        metadata: Mapping[str, Any] | None = None,
        *,
        transient: Mapping[str, Any] | None = None,
        update: bool = False,
        **_: Any,
    ) -> None:
        """Deliver a display, or with ``update`` new content for one."""
        _flush_streams()
        content = {
            "data": _plain(data),
            "metadata": dict(metadata or {}),
            "transient": dict(transient or {}),
        }
        self.deliver("update_display_data" if update else "display_data", content, None, ())

    def clear_output(self, wait: bool = False) -> None:
        """Deliver that the cell's outputs are to go."""
        _flush_streams()
        self.deliver("clear_output", {"wait": wait}, None, ())


class MessageHook(DisplayHook):  # type: ignore[misc]
    """Sends a cell's result to ``deliver``."""

    deliver = AnyTrait()

    def start_displayhook(self) -> None:
        """Begin a result."""
        self._content: dict[str, Json] = {}

    def write_output_prompt(self) -> None:
        """Note the prompt's number."""
        self._content["execution_count"] = self.prompt_count

    def write_format_data(
        self, format_dict: Mapping[str, Any], md_dict: Mapping[str, Any] | None = None
    ) -> None:
        """Note the result's representations."""
        self._content["data"] = _plain(format_dict)
        self._content["metadata"] = dict(md_dict or {})

    def finish_displayhook(self) -> None:
        """Deliver the result."""
        _flush_streams()
        if self._content.get("data"):
            self.deliver("execute_result", self._content, None, ())


class PlainShell(InteractiveShell):  # type: ignore[misc]
    """An InteractiveShell whose outputs are messages."""

    displayhook_class = Type(MessageHook)
    display_pub_class = Type(MessagePublisher)
    deliver = AnyTrait()
    kernel = None

    def init_virtualenv(self) -> None:
        """Do nothing: the interpreter is chosen by whoever started it."""

    def enable_gui(self, gui: str | None = None) -> None:
        """Note the name only: there is no event loop of a GUI here."""
        self.active_eventloop = gui

    def _showtraceback(self, etype: type, evalue: BaseException, stb: list[str]) -> None:
        _flush_streams()
        content = {"ename": etype.__name__, "evalue": str(evalue), "traceback": stb}
        self.deliver("error", content, None, ())
        self._last_traceback = stb


def create_plain_shell(config: Any, deliver: Any) -> PlainShell:
    """Return the process's shell."""
    shell = PlainShell.instance(config=config, deliver=deliver)
    shell.displayhook.deliver = deliver
    shell.display_pub.deliver = deliver
    return shell  # type: ignore[no-any-return]


def _flush_streams() -> None:
    # text written before belongs before, as a kernel has it
    sys.stdout.flush()
    sys.stderr.flush()


def _plain(bundle: Mapping[str, Any]) -> dict[str, Json]:
    return {
        kind: base64.b64encode(value).decode("ascii") if isinstance(value, bytes) else value
        for kind, value in bundle.items()
    }
