"""The panel with 1,000 tasks: first paint, the browser's longest task, and what goes on the wire.

``python -m tests.benchmarks.panel`` prints a line for each promise and exits with 1 if one is
broken. The events, the batches and the views are the real ones; only the run is made up.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from dataclasses import replace
from typing import Any

from playwright.sync_api import Page, sync_playwright

from orch_nb.app.view_stream import ViewStream
from orch_nb.app.viewing import RunView, advance, first_view, snapshot
from orch_nb.panel.bundle import BUILT
from orch_nb.states import StateName
from tests.unit.panel.samples import BEGAN, ended, ended_run, later, run_changed, running, started

TASKS, SECONDS = 1000, 5.0
MOST = {
    "first paint": (300, "ms"),
    "longest task": (100, "ms"),
    "messages a second": (20, ""),
    "bytes a change of state": (200, "B"),
    "module": (60_000, "B"),
}
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_PAGE = """<!doctype html><meta charset="utf-8"><body><main id="here"></main>
<script type="module">
import { RunModel, mount } from "/views.js";
const long = [];
new PerformanceObserver((list) => list.getEntries().forEach((e) => long.push(e.duration)))
  .observe({ entryTypes: ["longtask"] });
window.show = (snapshot) => new Promise((resolve) => {
  const began = performance.now();
  window.model = new RunModel(snapshot, () => performance.now() / 1000);
  mount(document.getElementById("here"), window.model);
  requestAnimationFrame(() => setTimeout(() => resolve(performance.now() - began)));
});
window.take = (message) => window.model.take(message);
window.forget = () => { long.length = 0; };
window.longest = () => Math.max(0, ...long);
window.ready = true;
</script>"""


def messages() -> tuple[RunView, list[tuple[float, Any]]]:
    """The first view, and each message with the second at which it goes."""
    event = started(TASKS, expected={})
    view = first = first_view(event)
    sent: list[tuple[float, Any]] = []
    now = [BEGAN.timestamp()]
    stream = ViewStream(view, lambda message: sent.append((now[0], message)), lambda: now[0])
    for step in range(int(SECONDS * 200)):
        at = step / 200
        now[0] = later(at).timestamp()
        for task in event.tasks[step * TASKS // 1000 : (step + 1) * TASKS // 1000]:
            view = advance(view, running(task, at))
        behind = step - 20
        if behind >= 0:
            view = _end(view, event.tasks[behind], at)
        stream.flush(view)
    for task in event.tasks[-20:]:
        view = _end(view, task, SECONDS)
    view = advance(view, run_changed(event, StateName.RUNNING))
    view = advance(view, replace(run_changed(event, StateName.FAILED), run=ended_run(event, 5.0)))
    now[0] += 1
    stream.flush(view)
    return first, [(at - BEGAN.timestamp(), message) for at, message in sent]


def _end(view: RunView, task: Any, at: float) -> RunView:
    fails = task.cell_number % 50 == 0
    error = {"error_name": "ValueError", "error_value": "negative weight", "error_line": 3}
    fields = {"state_name": StateName.FAILED, **error} if fails else {}
    return advance(view, ended(task, at - 0.1, at, **fields))


def measure(page: Page) -> dict[str, float]:
    """Play the run in real time."""
    first, sent = messages()
    page.wait_for_function("window.ready")
    paint = page.evaluate("window.show", snapshot(first, 0, BEGAN.timestamp()))
    page.evaluate("window.forget()")
    began = time.monotonic()
    for at, message in sent:
        time.sleep(max(0.0, began + min(at, SECONDS + 0.2) - time.monotonic()))
        page.evaluate("(message) => { setTimeout(() => window.take(message)); }", message)
    page.wait_for_selector(f"text={TASKS - TASKS // 50} completed")  # it was really drawn
    sizes = [
        len(json.dumps(change, separators=(",", ":")))
        for _, message in sent
        for change in message.get("rows", [])
    ]
    # a row that ran and ended between two messages changed its state twice
    busiest = max(sum(second <= at < second + 1 for at, _ in sent) for second in range(6))
    return {
        "first paint": paint,
        "longest task": page.evaluate("window.longest()"),
        "messages a second": busiest,
        "bytes a change of state": max(sizes),
        "module": BUILT.stat().st_size,
    }


def main() -> int:
    """Measure in Chromium, and compare with the promises."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=_FLAGS)
        page = browser.new_page(viewport={"width": 1000, "height": 700})
        page.route(
            "http://panel.test/**",
            lambda route: (
                route.fulfill(path=BUILT, content_type="text/javascript")
                if route.request.url.endswith("views.js")
                else route.fulfill(body=_PAGE, content_type="text/html")
            ),
        )
        page.goto("http://panel.test/")
        found = measure(page)
        browser.close()
    broken = 0
    for name, value in found.items():
        most, unit = MOST[name]
        broken += value > most
        print(f"{name:<24} {value:>9.0f} {unit:<2}  at most {most}{' BROKEN' * (value > most)}")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
