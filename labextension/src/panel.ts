/** The module that a kernel sends once: what each panel's small widget calls. */

import { withNotebook } from './around';
import { mount } from './mount';
import type { Message } from './schema';
import { upgradeStills } from './upgrade';
import { wire, type WidgetModel, type Wired } from './wiring';

export { RunModel } from './model/run';
export { mount } from './mount';

interface Attached {
  readonly wired: Wired;
  readonly stop: () => void;
}

const attached = new Map<string, Attached>();

/** Begins to follow a widget's run; messages go to the function returned. */
export function attach(widget: WidgetModel): (message: Message) => void {
  const key = widget.get('key');
  detach(key);
  const wired = wire(widget);
  attached.set(key, { wired, stop: upgradeStills(wired) });
  return (message) => {
    wired.take(message);
  };
}

/** Ends that. */
export function detach(key: string): void {
  attached.get(key)?.stop();
  attached.delete(key);
}

/** Shows a widget's run in a node; returns what takes it away. */
export function show(widget: WidgetModel, node: HTMLElement): () => void {
  const key = widget.get('key');
  if (!attached.has(key)) attach(widget);
  const found = attached.get(key);
  if (found === undefined) return () => undefined;
  const { model, host } = found.wired;
  return mount(node, model, withNotebook(host, node, model));
}
