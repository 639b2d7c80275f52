"""What the pane of one row shows: its source, outputs and error, its inputs, and why it waited."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orch_nb.amounts import format_size
from orch_nb.app.plain import plain_line, plain_text
from orch_nb.app.view_calls import row_key
from orch_nb.app.view_schema import Detail, OutputWords, Value
from orch_nb.graph.model import FlowGraph
from orch_nb.model import TaskRun
from orch_nb.store import ResultRecord, open_store

_MOST_OUTPUTS = 40
_MOST_VALUES = 60


def read_detail(
    run: str, cell: int, row: int, graph: FlowGraph | None = None, call: str | None = None
) -> Detail:
    """The detail of a run's cell as the store and the graph tell it.

    ``row`` is the index that the view knows the row by; ``call`` the id of the task run, for one
    of the cell's calls. What is not on record stays empty.
    """
    detail = empty_detail(row)
    if graph is not None:
        add_graph(detail, graph, cell)
    with open_store() as store:
        run_id = store.get_run(run).id
        tasks = {row_key(task): task for task in store.task_runs(run_id)}
        task = tasks.get((cell, call))
        if task is None:
            return detail
        texts = store.sources([task.source_hash])
        cells = {found.id: key[0] for key, found in tasks.items() if key[1] is None}
        results = {cells.get(r.task_run_id, 0): r for r in store.results(run_id)}
    detail["source"] = plain_text(texts.get(task.source_hash, detail["source"]))
    if call is None and cell in results:
        _add_result(detail, results[cell])
    for value in detail["inputs"]:
        if value["cell"] in results:
            value["note"] = _kinds(results[value["cell"]]).get(value["name"], "")
    detail["traceback"] = detail["traceback"] or _short_error(task)
    return detail


def empty_detail(row: int) -> Detail:
    """A detail that tells nothing yet."""
    return {
        "row": row,
        "source": "",
        "traceback": "",
        "outputs": [],
        "inputs": [],
        "values": [],
        "why": [],
    }


def add_graph(detail: Detail, graph: FlowGraph, cell: int) -> None:
    """Put in what the graph says of a cell: its source, its inputs, and why it waits."""
    try:
        node = graph.node(cell)
    except KeyError:
        return
    detail["source"] = plain_text(node.cell.source)
    edges = [edge for edge in graph.edges if edge.target == cell]
    inputs = {(name, edge.source) for edge in edges for name in edge.names}
    detail["inputs"] = [
        {"name": plain_line(name, 80), "cell": source, "note": ""}
        for name, source in sorted(inputs, key=lambda pair: (pair[1], pair[0]))[:_MOST_VALUES]
    ]
    detail["why"] = [plain_line(f"cell {edge.source}: {edge.reason}", 300) for edge in edges]
    if node.barrier:
        detail["why"].append(plain_line(f"a barrier: {node.barrier}", 300))
    detail["values"] = [_own(name) for name in sorted(node.binds)[:_MOST_VALUES]]


def output_words(outputs: list[Mapping[str, Any]]) -> list[OutputWords]:
    """Outputs, in nbformat's shape, as plain text; pictures and widgets by their kind."""
    return [
        _output(output) for output in outputs[:_MOST_OUTPUTS] if _output_kind(output) != "error"
    ]


def _add_result(detail: Detail, result: ResultRecord) -> None:
    outcome = result.outcome or {}
    detail["outputs"] = output_words(outcome.get("outputs", []))
    error = outcome.get("error")
    if error:
        detail["traceback"] = plain_text("\n".join(error.get("traceback", ())))
    kinds = _kinds(result)
    names = list(dict.fromkeys([*result.names, *kinds]))[:_MOST_VALUES]
    if not names:
        return
    detail["values"] = [{**_own(name), "note": kinds.get(name, "")} for name in names]
    kept = f"{format_size(result.size)} kept" if result.kept else f"not kept: {result.reason}"
    detail["values"].append({"name": "", "cell": 0, "note": plain_line(kept, 120)})


def _kinds(result: ResultRecord) -> dict[str, str]:
    """What the cell's values were, in words, by name."""
    found = (result.outcome or {}).get("kinds", {})
    return {plain_line(name, 80): plain_line(words, 80) for name, words in found.items()}


def _own(name: str) -> Value:
    return {"name": plain_line(name, 80), "cell": 0, "note": ""}


def _output_kind(output: Mapping[str, Any]) -> str:
    return str(output.get("output_type", ""))


def _output(output: Mapping[str, Any]) -> OutputWords:
    if _output_kind(output) == "stream":
        kind = "stderr" if output.get("name") == "stderr" else "stdout"
        return {"kind": kind, "text": plain_text(_joined(output.get("text", "")))}
    data = output.get("data", {})
    if "text/plain" in data:
        return {"kind": "result", "text": plain_text(_joined(data["text/plain"]))}
    return {"kind": "other", "text": plain_line(", ".join(sorted(data)) or "nothing", 200)}


def _joined(text: Any) -> str:
    return "".join(text) if isinstance(text, list) else str(text)


def _short_error(task: TaskRun) -> str:
    if not task.error_name:
        return plain_text(task.state_message)
    return plain_text(f"{task.error_name}: {task.error_value or ''}")
