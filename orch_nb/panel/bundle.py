"""The built views that a kernel sends to its pages: found, or honestly missing."""

from __future__ import annotations

import functools
from pathlib import Path

BUILT = Path(__file__).parent / "built" / "views.js"

# What each widget carries: it fetches the views' source from the one widget that holds it. The
# module is made once a page, whatever number of panels there are.
LOADER = """
const loaded = (globalThis[Symbol.for("orch_nb.views")] ??= new Map());

async function holder(model) {
  for (let tries = 0; ; tries += 1) {
    try {
      return await model.widget_manager.get_model(model.get("views"));
    } catch (error) {
      if (tries > 40) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function load(model) {
  const digest = model.get("digest");
  if (!loaded.has(digest)) {
    loaded.set(digest, holder(model).then(async (found) => {
      const blob = new Blob([found.get("source")], { type: "text/javascript" });
      const address = URL.createObjectURL(blob);
      try {
        return await import(address);
      } finally {
        URL.revokeObjectURL(address);
      }
    }));
  }
  return loaded.get(digest);
}

export default {
  async initialize({ model }) {
    const waiting = [];
    let take = (message) => waiting.push(message);
    model.on("msg:custom", (message) => take(message));
    const views = await load(model);
    take = views.attach(model);
    for (const message of waiting) take(message);
    return () => views.detach(model.get("key"));
  },
  async render({ model, el }) {
    const views = await load(model);
    return views.show(model, el);
  },
};
"""


@functools.cache
def views_source() -> str | None:
    """The views as one ES module; None where they were not built."""
    try:
        return BUILT.read_text(encoding="utf-8")
    except OSError:
        return None
