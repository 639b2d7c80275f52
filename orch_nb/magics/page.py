"""What JupyterLab's page tells a kernel before a cell that asks for a flow: the notebook as it
stands there, saved or not."""

from __future__ import annotations

import json

from orch_nb.magics.session import session_of

_MOST = 20  # cells whose page is kept until they run; those that were aborted never do


def take(text: str) -> None:
    """Keep a page for the cell that runs next: ``{"cell_id": …, "document": notebook}`` as JSON.

    Called by the extension's own silent request, which reaches the kernel ahead of the cell's; in
    a kernel that has not loaded orch_nb nothing happens.
    """
    from IPython import get_ipython

    shell = get_ipython()
    session = None if shell is None else session_of(shell)
    if session is None:
        return
    told = json.loads(text)
    session.pages[str(told["cell_id"])] = told["document"]
    for oldest in list(session.pages)[:-_MOST]:
        del session.pages[oldest]
