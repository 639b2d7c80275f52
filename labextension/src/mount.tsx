/** Mounts the panel into a node, for whoever has a model: the widget, JupyterLab, a page. */

import { signal } from '@preact/signals';
import { render } from 'preact';

import { Choices, type Keeper } from './model/choices';
import { NOBODY, type Host } from './model/host';
import type { RunModel } from './model/run';
import css from './style.css';
import { App } from './views/app';
import { SharedContext } from './views/context';

const TICK = 250; // milliseconds between redrawings of what grows by itself
const STYLE = 'orch-nb-style';

let mounted = 0;

/** Shows `model` in `node` until the function returned is called. */
export function mount(node: HTMLElement, model: RunModel, host: Host = NOBODY): () => void {
  addStyle(node);
  mounted += 1;
  const choices = new Choices(model.header.peek().id, sessionKeeper());
  const tick = signal(0);
  const shared = {
    model,
    host,
    choices,
    tick,
    said: signal(''),
    told: signal(''),
    prefix: `onb${mounted}`,
  };
  const root = document.createElement('div');
  root.className = 'onb';
  root.setAttribute('role', 'region');
  root.setAttribute('aria-label', `run ${model.header.peek().name}`);
  node.append(root);
  const timer = setInterval(() => {
    if (model.live.peek() && !document.hidden) tick.value += 1;
  }, TICK);
  render(
    <SharedContext value={shared}>
      <App />
    </SharedContext>,
    root,
  );
  // Jupyter would take arrows and letters for commands to its cells; Ctrl+S stays its own
  const keep = (event: KeyboardEvent) => {
    const plain = !event.ctrlKey && !event.metaKey && !event.altKey;
    const { target } = event; // the shortcuts' selectors match the focused element itself
    if (target instanceof Element && root.contains(target))
      target.toggleAttribute('data-lm-suppress-shortcuts', plain);
  };
  addEventListener('keydown', keep, true);
  return () => {
    removeEventListener('keydown', keep, true);
    clearInterval(timer);
    render(null, root);
    root.remove();
    choices.dispose();
  };
}

/** The style goes where the node is: the page's head, or its shadow root. */
function addStyle(node: HTMLElement): void {
  const root = node.getRootNode();
  const home = root instanceof ShadowRoot ? root : document.head;
  if (home.querySelector(`#${STYLE}`) !== null) return;
  const style = document.createElement('style');
  style.id = STYLE;
  style.textContent = css;
  home.append(style);
}

function sessionKeeper(): Keeper {
  return {
    read: (key) => {
      try {
        return sessionStorage.getItem(key);
      } catch {
        return null; // a page without storage
      }
    },
    write: (key, value) => {
      try {
        sessionStorage.setItem(key, value);
      } catch {
        // full, or forbidden: then a reload forgets
      }
    },
  };
}
