/** One open notebook as a flow: its graph and problems as it is edited, as signals. No DOM. */

import { signal, type Signal } from '@preact/signals';
import type { NotebookPanel } from '@jupyterlab/notebook';

import { call, wordsOf } from './api';
import { contentOf } from './notebooks';
import type { CellWords, GraphAnswer } from './records';

export class NotebookFlow {
  readonly graph: Signal<GraphAnswer | null> = signal(null);
  /** Why the graph could not be had; empty when it could. */
  readonly trouble: Signal<string> = signal('');
  /** The id of the cell that is active in the notebook. */
  readonly active: Signal<string> = signal('');
  /** When the answer that is shown came, in milliseconds of the page. */
  answered = 0;
  private timer = 0;
  private asking = false;
  private stale = false;
  private asked = '';

  /** `pause` gives the milliseconds that typing must pause. */
  constructor(
    readonly panel: NotebookPanel,
    private readonly pause: () => number,
  ) {
    panel.content.activeCellChanged.connect(this.follow);
    panel.disposed.connect(() => {
      clearTimeout(this.timer);
    });
    void panel.context.ready.then(() => {
      if (panel.isDisposed) return;
      panel.content.model?.contentChanged.connect(this.edited);
      this.follow();
      this.later(0);
    });
  }

  wordsOf(id: string): CellWords | undefined {
    return this.graph.value?.words.find((words) => words.id === id);
  }

  /** Ask the server anew, whether or not something was edited. */
  refresh(): void {
    this.asked = '';
    this.later(0);
  }

  /** The graph of what the page holds at this moment. Raises ApiError. */
  async now(): Promise<GraphAnswer> {
    await this.panel.context.ready;
    const graph = await call<GraphAnswer>('POST', '/graph', {
      path: this.panel.context.localPath,
      content: contentOf(this.panel),
    });
    this.graph.value = graph;
    return graph;
  }

  private readonly follow = (): void => {
    this.active.value = this.panel.content.activeCell?.model.id ?? '';
  };

  private readonly edited = (): void => {
    this.follow();
    this.later(this.pause());
  };

  private later(milliseconds: number): void {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.ask(), milliseconds);
  }

  private async ask(): Promise<void> {
    if (this.asking) {
      this.stale = true; // one question at a time; the newest follows
      return;
    }
    if (this.panel.isDisposed) return;
    const content = contentOf(this.panel);
    const path = this.panel.context.localPath;
    const wanted = JSON.stringify([path, content]);
    if (wanted === this.asked) return; // outputs and counts do not change a graph
    this.asking = true;
    try {
      const graph = await call<GraphAnswer>('POST', '/graph', { path, content });
      this.asked = wanted;
      this.trouble.value = '';
      this.answered = performance.now();
      this.graph.value = graph;
    } catch (error) {
      this.trouble.value = wordsOf(error);
    } finally {
      this.asking = false;
    }
    if (this.stale) {
      this.stale = false;
      this.later(0);
    }
  }
}
