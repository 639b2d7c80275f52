"""The JupyterLab extension: its graph as one types, its list of runs, Lab's start, its size.

``python -m tests.benchmarks.lab`` prints a line for each promise and exits with 1 if one is broken.
Lab's start takes a tenth more or less each time: medians of many are compared, of the time until it
can be used; the page's own work is told beside it.
"""

from __future__ import annotations

import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.acceptance.ui.lab import BUILT, PATIENCE, Lab, LabPage
from tests.acceptance.ui.test_lab_large import CELLS, many_cells
from tests.acceptance.ui.test_lab_runs import RUNS, fill_history

KEYSTROKES, STARTS = 15, 16
PAUSE = 100  # milliseconds: what the setting graphPause begins with
MOST = {
    f"graph of {CELLS} cells after a pause, median": (150, "ms"),
    f"longest task while {RUNS} runs scroll": (50, "ms"),
    "Lab's start: longer by": (50, "ms"),
    "bundle": (400_000, "B"),
}
_FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
_WATCH_ROW = """() => {
  const row = document.querySelectorAll('.onb-lab-cell')[250];
  window.drawn = 0;
  new MutationObserver(() => { window.drawn = performance.now(); })
    .observe(row, { subtree: true, childList: true, characterData: true });
  addEventListener('keydown', () => { window.pressed = performance.now(); }, true);
}"""
_SCROLL = """async () => {
  const long = [];
  const watch = new PerformanceObserver((list) =>
    list.getEntries().forEach((entry) => long.push(entry.duration)));
  watch.observe({ entryTypes: ['longtask'] });
  const node = document.querySelector('.onb-lab-virtual');
  const frame = () => new Promise(requestAnimationFrame);
  for (const step of [90, -700, 2400, -160]) {
    for (let n = 0; n < 150; n++) { node.scrollTop += step; await frame(); }
  }
  await new Promise((resolve) => setTimeout(resolve, 200));
  watch.disconnect();
  return Math.max(0, ...long);
}"""


def graph_after_pause(page: LabPage) -> list[float]:
    """Milliseconds from the end of a keystroke's pause until the rail shows what it changed."""
    page.open("large.ipynb", many_cells(CELLS))
    rows = page.show("Flow").locator(".onb-lab-cell")
    expect(rows).to_have_count(CELLS, timeout=PATIENCE)
    rows.nth(250).click()
    active = page.page.locator(".jp-Notebook .jp-CodeCell.jp-mod-active .cm-content")
    active.click()
    page.page.keyboard.press("Control+a")
    page.page.keyboard.insert_text("fresh = x7 + x")
    page.page.wait_for_timeout(3000)
    page.page.evaluate(_WATCH_ROW)
    found = []
    for number in range(KEYSTROKES):
        page.page.evaluate("window.drawn = 0")
        if number % 2:
            page.page.keyboard.press("Backspace")
        else:
            page.page.keyboard.type("3")  # x is nobody's, x3 is
        page.page.wait_for_function("window.drawn > 0")
        found.append(page.page.evaluate("window.drawn - window.pressed") - PAUSE)
        page.page.wait_for_timeout(300)
    return found


def scrolling(page: LabPage, lab: Lab) -> float:
    """The longest task in milliseconds while the whole list of runs is gone through."""
    page.page.goto(lab.home_address("many"))
    side = page.show("Runs")
    count = side.locator(".onb-lab-count")
    end = time.monotonic() + 60
    while count.inner_text() != f"{RUNS} runs" and time.monotonic() < end:
        side.locator(".onb-lab-virtual").evaluate("n => { n.scrollTop = n.scrollHeight; }")
        page.page.wait_for_timeout(200)
    expect(count).to_have_text(f"{RUNS} runs")
    page.page.wait_for_timeout(2000)
    side.locator(".onb-lab-virtual").evaluate("n => { n.scrollTop = 0; }")
    return float(page.page.evaluate(_SCROLL))


def start(browser: Browser, lab: Lab) -> tuple[float, float]:
    """Milliseconds from the request of Lab until it can be used, and how many of them the page
    was at work: the others are the server's and the machine's."""
    context = browser.new_context()
    page: Page = context.new_page()
    session = context.new_cdp_session(page)
    session.send("Performance.enable")
    page.goto(lab.home_address("start"), wait_until="commit")
    page.wait_for_selector(".jp-LauncherCard", timeout=PATIENCE)
    took = float(page.evaluate("performance.now()"))
    told = session.send("Performance.getMetrics")["metrics"]
    work = next(one["value"] for one in told if one["name"] == "TaskDuration")
    context.close()
    return took, 1000 * work


def measure(browser: Browser, folder: Path) -> dict[str, float]:
    """All of it."""
    for name in ("with", "without"):
        (folder / name).mkdir()
    with Lab(folder / "with") as lab, Lab(folder / "without", bare=True) as plain:
        fill_history(lab.home, lab.root / "old.ipynb", RUNS)
        page = LabPage(browser.new_context(viewport={"width": 1400, "height": 900}).new_page(), lab)
        waits = graph_after_pause(page)
        longest = scrolling(page, lab)
        page.page.context.close()
        for one in (plain, lab):
            start(browser, one)  # the servers' caches are warm from here on
        pairs = [(start(browser, lab), start(browser, plain)) for _ in range(STARTS)]
    medians = [
        [statistics.median(one[place] for one in side) for side in zip(*pairs, strict=True)]
        for place in (0, 1)
    ]
    for what, (ours, theirs) in zip(("until it can be used", "of work"), medians, strict=True):
        print(f"Lab's start, {what}: {ours:.0f} ms with the extension, {theirs:.0f} ms without")
    print(f"graph: fastest {min(waits):.0f} ms, slowest {max(waits):.0f} ms")
    more = medians[0][0] - medians[0][1]
    size = sum(path.stat().st_size for path in (BUILT / "static").glob("*.js"))
    return dict(zip(MOST, (statistics.median(waits), longest, more, size), strict=True))


def main() -> int:
    """Measure in Chromium, and compare with the promises."""
    chromium = next(filter(None, map(shutil.which, ("chromium", "google-chrome"))), None)
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
        browser = playwright.chromium.launch(executable_path=chromium, args=_FLAGS)
        found = measure(browser, Path(folder))
        browser.close()
    broken = 0
    for name, value in found.items():
        most, unit = MOST[name]
        broken += value > most
        print(f"{name:<46} {value:>9.0f} {unit:<2}  at most {most}{' BROKEN' * (value > most)}")
    return int(broken > 0)


if __name__ == "__main__":
    sys.exit(main())
