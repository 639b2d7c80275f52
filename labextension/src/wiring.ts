/** Joins a widget's model, as anywidget gives it, to a run's model and its views. */

import { MessageHost } from './model/host';
import { RunModel } from './model/run';
import type { Ask, Message, Snapshot } from './schema';

/** The part of anywidget's model that is used. */
export interface WidgetModel {
  get(name: 'snapshot'): Snapshot;
  get(name: 'key'): string;
  set(name: 'snapshot', value: Snapshot): void;
  send(content: Ask): void;
}

export interface Wired {
  readonly model: RunModel;
  readonly host: MessageHost;
  readonly take: (message: Message) => void;
}

/** One run of one widget, however many views it has. */
export function wire(widget: WidgetModel): Wired {
  const model = new RunModel(widget.get('snapshot'), () => performance.now() / 1000);
  const host = new MessageHost(
    (ask) => {
      try {
        widget.send(ask);
      } catch {
        // the kernel is gone: nobody answers, and that is seen by whoever asks
      }
    },
    (work, milliseconds) => setTimeout(work, milliseconds),
  );
  let catching = false;

  async function catchUp(): Promise<void> {
    if (catching) return;
    catching = true;
    const { snapshot } = await host.ask('snapshot');
    catching = false;
    if (snapshot !== undefined) take(snapshot);
  }

  function take(message: Message): void {
    if (message.type === 'answer') {
      host.take(message);
      return;
    }
    if (!model.take(message)) void catchUp();
    // kept in the page's copy only, so that a notebook saved with its widgets has the end
    else if (!model.live.peek()) widget.set('snapshot', model.snapshot());
  }

  void catchUp(); // whatever was sent before this page listened; and whether somebody answers
  return { model, host, take };
}
