"""Go on with a recorded flow of functions from outside of the program that it is part of."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from typing import Any

from orch_nb.app.abandoned import settle_run
from orch_nb.app.function_runs import FUNCTION, check_ended
from orch_nb.dynamic.functions import IMPORTED_MAIN
from orch_nb.errors import InputError
from orch_nb.model import FlowRun
from orch_nb.store import open_store


def is_function_flow(called: str) -> bool:
    """Whether the run of that name or id is one of a flow of functions, and of no notebook."""
    with open_store() as store:
        return bool(store.get_run(called).request.get("kind") == FUNCTION)


def resume_functions(called: str) -> FlowRun:
    """Go on with a recorded flow of functions, whose module is imported for it; the run as it has
    ended. What its body raises is told in the run's state.

    Raises InputError where that can't be done from outside of the program that it is part of.
    """
    with open_store() as store:
        run = settle_run(store, store.get_run(called))
    check_ended(run)
    begin = run.attempt
    try:
        _call_again(run)
    except Exception:
        with open_store() as store:
            ended = store.get_run(run.id)
        if ended.attempt == begin:
            raise  # it never began
        return ended
    with open_store() as store:
        return store.get_run(run.id)


def _call_again(run: FlowRun) -> Any:
    request = run.request
    arguments = request.get("arguments")
    hint = f"in Python:  {request.get('name')}.resume({run.name!r}, …)  with its arguments"
    if arguments is None:
        raise InputError(f"the arguments of run {run.name} are no plain values", hint=hint)
    found: Any = _import(run, hint)
    for part in str(request["name"]).split("."):
        found = getattr(found, part, None)
    if not hasattr(found, "resume"):
        words = f"{request['module']} has no flow {request['name']!r} any more"
        raise InputError(words, where=run.notebook, hint=hint)
    return found.resume(run.name, **arguments)


def _import(run: FlowRun, hint: str) -> Any:
    module, path = str(run.request["module"]), Path(run.notebook)
    cwd = str(run.request.get("cwd") or "")
    for folder in (cwd, str(path.parent) if path.suffix == ".py" else ""):
        if folder and folder not in sys.path:
            sys.path.insert(0, folder)
    if cwd and Path(cwd).is_dir():
        os.chdir(cwd)
    if module != "__main__":
        try:
            return importlib.import_module(module)
        except ImportError as error:
            raise InputError(f"{module} can't be imported: {error}", hint=hint) from None
    if path.suffix != ".py" or not path.is_file():
        raise InputError(f"run {run.name} was started in no file that is there now", hint=hint)
    import cloudpickle

    spec = importlib.util.spec_from_file_location(IMPORTED_MAIN, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} can't be imported", hint=hint)
    made = importlib.util.module_from_spec(spec)
    sys.modules[IMPORTED_MAIN] = made
    cloudpickle.register_pickle_by_value(made)  # a worker can't import it by that name
    spec.loader.exec_module(made)
    return made
