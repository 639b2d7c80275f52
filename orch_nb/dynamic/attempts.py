"""One attempt of a call in this very process, for values that can't be shipped."""

from __future__ import annotations

import pickle
import time
from pathlib import Path
from typing import Any

from orch_nb.dynamic.arguments import Arguments, put_in
from orch_nb.dynamic.calls import Call
from orch_nb.dynamic.mail import FlowCancelled
from orch_nb.execution.calls import CallOutcome, call_function, describe_error, keep_value


def attempt_here(call: Call, staging: Path) -> tuple[CallOutcome, Any, BaseException | None]:
    """Run the call in this thread: its outcome, and the value or the error itself.

    Raises only what ends the flow: KeyboardInterrupt.
    """
    begin = time.perf_counter()
    arguments = call.arguments
    if call.shipped is not None and not arguments.futures:
        arguments = Arguments(*pickle.loads(call.shipped))  # our own, from just before
    try:
        args, kwargs = put_in(arguments)
        value = call_function(call.work.function, args, kwargs)
    except (KeyboardInterrupt, FlowCancelled):
        raise
    except BaseException as error:
        seconds = time.perf_counter() - begin
        return CallOutcome(error=describe_error(error), seconds=seconds), None, error
    seconds = time.perf_counter() - begin
    try:
        kept = keep_value(value, staging)
    except Exception as error:  # a value that can't be kept is still a value
        words = f"{type(value).__qualname__} can't be kept: {error}"[:200]
        call.value = value
        return CallOutcome(unshippable=words, seconds=seconds), value, None
    return CallOutcome(kept, seconds=seconds), value, None
