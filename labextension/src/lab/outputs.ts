/** Puts the outputs of runs into their notebooks' cells, as Run All would; also after a resume. */

import type { ICodeCellModel } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';

import { call } from './api';
import { cellById } from './notebooks';
import type { CellOutputs } from './records';
import type { Stream } from './stream';
import { isLive, lookOf } from '../model/states';

const QUIET = 400; // milliseconds that news are gathered
const KEY = 'orch_nb.followed';
const MOST = 20; // runs that are remembered

interface Followed {
  readonly path: string;
  /** The id of the cell that asked for the run in the kernel: what it shows is its own. */
  readonly asker: string;
  /** Whether there is more to come. */
  open: boolean;
  /** What was put into each cell: it is put there once, and what a person does after it stays. */
  readonly brought: Map<string, string>;
}

export class OutputBringer {
  /** The runs that were started in this page. */
  private readonly runs: Map<string, Followed>;
  private readonly timers = new Map<string, number>();

  constructor(
    stream: Stream,
    private readonly find: (path: string) => NotebookPanel | undefined,
  ) {
    this.runs = restore();
    stream.listen((told) => {
      if (told.type === 'again') {
        for (const [run, { open }] of this.runs) if (open) this.later(run);
      }
      const followed = told.type === 'change' && this.runs.get(told.run);
      if (!followed) return;
      if (told.task === null && isLive(told.new)) this.mark(followed, true);
      else if (!isLive(told.new) || lookOf(told.new).phase === 'done') this.later(told.run);
    });
  }

  /** From now on the outputs of this run go into the notebook at this path, when it is open. */
  follow(run: string, path: string, asker = ''): void {
    if (this.runs.has(run)) return;
    this.runs.set(run, { path, asker, open: true, brought: new Map() });
    for (const oldest of [...this.runs.keys()].slice(0, -MOST)) this.runs.delete(oldest);
    keep(this.runs);
    this.later(run); // it may have done something before it was followed
  }

  private mark(followed: Followed, open: boolean): void {
    followed.open = open;
    keep(this.runs);
  }

  private later(run: string): void {
    if (this.timers.has(run)) return;
    const work = () => {
      this.timers.delete(run);
      void this.bring(run);
    };
    this.timers.set(run, window.setTimeout(work, QUIET));
  }

  private async bring(run: string): Promise<void> {
    const followed = this.runs.get(run);
    const panel = followed && this.find(followed.path);
    if (followed === undefined || panel === undefined) return;
    try {
      const { cells, ended } = await call<{ cells: CellOutputs[]; ended: boolean }>(
        'GET',
        `/runs/${run}/outputs`,
      );
      if (panel.isDisposed) return;
      for (const cell of cells)
        if (cell.cell_id !== followed.asker) fill(panel, cell, followed.brought);
      if (ended) this.mark(followed, false);
    } catch {
      // the server is away: it is asked again when it is back
    }
  }
}

/** Cells that have not run keep what they had. */
function fill(panel: NotebookPanel, told: CellOutputs, brought: Map<string, string>): void {
  if (told.execution_count === null || isLive(told.state)) return;
  const model = cellById(panel, told.cell_id)?.model;
  if (model?.type !== 'code') return;
  const code = model as ICodeCellModel;
  const text = JSON.stringify([told.execution_count, told.outputs]);
  if (brought.get(told.cell_id) === text) return;
  brought.set(told.cell_id, text);
  code.outputs.fromJSON(told.outputs as never);
  code.executionCount = told.execution_count;
}

type Kept = [string, string, boolean, string][];

function restore(): Map<string, Followed> {
  try {
    const kept = JSON.parse(sessionStorage.getItem(KEY) ?? '[]') as Kept;
    return new Map(
      kept.map(([run, path, open, asker]) => [run, { path, asker, open, brought: new Map() }]),
    );
  } catch {
    return new Map(); // of another version, or a page without storage
  }
}

function keep(runs: ReadonlyMap<string, Followed>): void {
  try {
    const kept: Kept = [...runs].map(([run, { path, open, asker }]) => [run, path, open, asker]);
    sessionStorage.setItem(KEY, JSON.stringify(kept));
  } catch {
    // a reload forgets
  }
}
