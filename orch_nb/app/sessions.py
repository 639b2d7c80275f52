"""The processes that a run needs, started early so that they come up while the rest is read."""

from __future__ import annotations

from typing import Any

from orch_nb.runners.kernelspecs import KernelChoice, KernelMode


class Session:
    """The processes for one run; nothing is started before ``start`` or ``runner``."""

    def __init__(self, kernel: KernelChoice, folder: str) -> None:
        self.kernel = kernel
        self._folder = folder
        self._template: Any = None

    def start(self) -> None:
        """Have the processes come up, without waiting for them."""
        if self._template is None and self.kernel.mode is not KernelMode.FOREIGN:
            from orch_nb.runners.local import Template

            self._template = Template(self.kernel.python, self._folder, self.kernel.env)

    def runner(self) -> Any:
        """A runner for the whole run, or for what is left of it."""
        self.start()
        if self._template is not None:
            from orch_nb.runners.local import LocalRunner

            return LocalRunner(self._template)
        from orch_nb.runners.kernel import KernelRunner

        return KernelRunner(self.kernel)

    def close(self) -> None:
        """End what was started; a second time nothing happens."""
        if self._template is not None:
            self._template.close()
