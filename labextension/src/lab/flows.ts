/** The open notebooks' flows, and which one is looked at. */

import { signal, type Signal } from '@preact/signals';
import type { INotebookTracker, Notebook, NotebookPanel } from '@jupyterlab/notebook';

import { NotebookFlow } from './flow';
import { LastRuns } from './last-runs';
import type { Stream } from './stream';

export interface OpenFlow {
  readonly flow: NotebookFlow;
  readonly last: LastRuns;
}

export class Flows {
  readonly current: Signal<OpenFlow | null> = signal(null);
  private readonly known = new Map<NotebookPanel, OpenFlow>();
  private readonly workers: ((open: OpenFlow) => void)[] = [];

  constructor(
    private readonly tracker: INotebookTracker,
    stream: Stream,
    pause: () => number,
  ) {
    tracker.widgetAdded.connect((_, panel) => {
      const open = { flow: new NotebookFlow(panel, pause), last: new LastRuns(panel, stream) };
      this.known.set(panel, open);
      panel.disposed.connect(() => this.known.delete(panel));
      for (const work of this.workers) work(open);
      this.follow();
    });
    tracker.currentChanged.connect(this.follow);
    // a server that was away may know more now
    stream.listen((told) => {
      if (told.type === 'again') for (const { flow } of this.known.values()) flow.refresh();
    });
  }

  /** Does something with each notebook that is opened from now on. */
  each(work: (open: OpenFlow) => void): void {
    this.workers.push(work);
  }

  of(panel: NotebookPanel): OpenFlow | undefined {
    return this.known.get(panel);
  }

  /** The open notebook that a view of cells, or a node, is in. */
  holding(part: Notebook | Node): NotebookPanel | undefined {
    for (const panel of this.known.keys())
      if (part instanceof Node ? panel.node.contains(part) : panel.content === part) return panel;
    return undefined;
  }

  at(path: string): OpenFlow | undefined {
    for (const open of this.known.values())
      if (open.flow.panel.context.localPath === path) return open;
    return undefined;
  }

  private readonly follow = (): void => {
    const panel = this.tracker.currentWidget;
    this.current.value = (panel && this.known.get(panel)) ?? null;
  };
}
