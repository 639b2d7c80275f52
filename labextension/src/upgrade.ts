/**
 * Makes the still picture of a run, which a notebook keeps as HTML, live again while the page has
 * the run's model: the saved document stays static, and what is on the screen keeps its buttons.
 */

import { withNotebook } from './around';
import { mount } from './mount';
import type { Wired } from './wiring';

const STILL = 'onb-still';
const PAUSE = 150; // milliseconds that a page's changes are gathered

/** Watches the page for stills of the run; returns what ends that. */
export function upgradeStills(wired: Wired): () => void {
  const name = `onb-id-${wired.model.header.peek().id}`;
  const live = new Map<Element, () => void>();
  let timer = 0;

  function look(): void {
    timer = 0;
    for (const [still, dispose] of live) {
      if (!still.isConnected) {
        dispose();
        live.delete(still);
      }
    }
    for (const still of document.getElementsByClassName(name)) {
      if (live.has(still) || !still.classList.contains(STILL)) continue;
      const node = document.createElement('div');
      still.after(node);
      const { model, host } = wired;
      const dispose = mount(node, model, withNotebook(host, node, model));
      still.setAttribute('hidden', '');
      live.set(still, () => {
        dispose();
        node.remove();
        still.removeAttribute('hidden');
      });
    }
  }

  const watcher = new MutationObserver(() => {
    if (timer === 0) timer = window.setTimeout(look, PAUSE);
  });
  watcher.observe(document.body, { childList: true, subtree: true });
  look();
  return () => {
    watcher.disconnect();
    clearTimeout(timer);
    for (const dispose of live.values()) dispose();
    live.clear();
  };
}
