/** What the last run made of a notebook's cells, live while it runs; and the runs before it. */

import { signal, type Signal } from '@preact/signals';
import type { NotebookPanel } from '@jupyterlab/notebook';

import { call, query } from './api';
import type { Grid, RunRecord, TaskRecord } from './records';
import type { Change, Stream } from './stream';

const QUIET = 150; // milliseconds that news are gathered
const SHOWN = 10; // runs in a history

export class LastRuns {
  /** The tasks of the last run, by their cells' ids. */
  readonly tasks: Signal<ReadonlyMap<string, TaskRecord>> = signal(new Map());
  readonly run: Signal<RunRecord | null> = signal(null);
  private timer = 0;
  private reads = 0;
  private past: { run: string; grid: Promise<Grid> } | null = null;

  constructor(
    private readonly panel: NotebookPanel,
    stream: Stream,
  ) {
    const stop = stream.listen((told) => {
      if (told.type === 'again') this.later(0);
      else if (told.type === 'change') this.hear(told);
    });
    panel.disposed.connect(() => {
      stop();
      clearTimeout(this.timer);
    });
    panel.context.pathChanged.connect(() => {
      this.later(0);
    });
    void panel.context.ready.then(() => {
      this.later(0);
    });
  }

  /** The last runs against this notebook's cells; asked for when somebody wants to see it. */
  history(): Promise<Grid> {
    const run = `${this.run.peek()?.id ?? ''} ${this.run.peek()?.state_name ?? ''}`;
    if (this.past?.run !== run) {
      const asked = query({ path: this.panel.context.localPath, limit: SHOWN });
      this.past = { run, grid: call<Grid>('GET', `/grid${asked}`) };
    }
    return this.past.grid;
  }

  private hear(told: Change): void {
    const mine = told.run === this.run.peek()?.id;
    if (mine && told.cell_id !== null) {
      const old = this.tasks.peek().get(told.cell_id);
      if (old === undefined) this.later(QUIET);
      else {
        const changed = { ...old, state_name: told.new, attempt: told.attempt, seconds: null };
        this.tasks.value = new Map(this.tasks.peek()).set(told.cell_id, changed);
        this.later(QUIET * 4); // its seconds
      }
    } else if (mine || told.notebook.endsWith(nameOf(this.panel.context.localPath)))
      this.later(QUIET);
  }

  private later(milliseconds: number): void {
    if (this.timer !== 0) return;
    this.timer = window.setTimeout(() => {
      this.timer = 0;
      void this.read();
    }, milliseconds);
  }

  private async read(): Promise<void> {
    if (this.panel.isDisposed) return;
    const number = ++this.reads;
    try {
      const asked = query({ path: this.panel.context.localPath, limit: 1 });
      const { runs } = await call<{ runs: RunRecord[] }>('GET', `/runs${asked}`);
      const run = runs[0] ?? null;
      const { tasks } = run
        ? await call<{ tasks: TaskRecord[] }>('GET', `/runs/${run.id}/tasks`)
        : { tasks: [] };
      if (number !== this.reads) return; // a newer answer is on its way
      this.run.value = run;
      this.tasks.value = new Map(tasks.map((task) => [task.cell_id, task]));
    } catch {
      this.run.value = null; // the server is away: better nothing than something old
      this.tasks.value = new Map();
    }
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf('/') + 1);
}
