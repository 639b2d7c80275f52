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

function follow(widget: WidgetModel): Attached {
  const key = widget.get('key');
  detach(key);
  const wired = wire(widget);
  const id = wired.model.header.peek().id;
  // a run that went on in another kernel is shown as that one tells it
  for (const other of attached.values()) {
    if (other.wired.model.header.peek().id === id) other.stop();
  }
  const found = { wired, stop: upgradeStills(wired) };
  attached.set(key, found);
  return found;
}

/** Begins to follow a widget's run; messages go to the function returned. */
export function attach(widget: WidgetModel): (message: Message) => void {
  return follow(widget).wired.take;
}

/** Ends that. */
export function detach(key: string): void {
  attached.get(key)?.stop();
  attached.delete(key);
}

/** Shows a widget's run in a node; returns what takes it away. */
export function show(widget: WidgetModel, node: HTMLElement): () => void {
  const { model, host } = (attached.get(widget.get('key')) ?? follow(widget)).wired;
  return mount(node, model, withNotebook(host, node, model));
}
