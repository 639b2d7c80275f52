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

export class OutputBringer {
  /** The notebooks' paths of the runs that were started in this page, by the runs' ids. */
  private readonly paths: Map<string, string>;
  private readonly timers = new Map<string, number>();

  constructor(
    stream: Stream,
    private readonly find: (path: string) => NotebookPanel | undefined,
  ) {
    this.paths = new Map(restore());
    stream.listen((told) => {
      if (told.type === 'again') for (const run of this.paths.keys()) this.later(run);
      if (told.type !== 'change' || !this.paths.has(told.run)) return;
      if (!isLive(told.new) || lookOf(told.new).phase === 'done') this.later(told.run);
    });
  }

  /** From now on the outputs of this run go into the notebook at this path, when it is open. */
  follow(run: string, path: string): void {
    this.paths.delete(run);
    this.paths.set(run, path);
    for (const oldest of [...this.paths.keys()].slice(0, -MOST)) this.paths.delete(oldest);
    keep([...this.paths]);
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
    const panel = this.find(this.paths.get(run) ?? '');
    if (panel === undefined) return;
    try {
      const { cells } = await call<{ cells: CellOutputs[] }>('GET', `/runs/${run}/outputs`);
      if (!panel.isDisposed) for (const cell of cells) fill(panel, cell);
    } catch {
      // the server is away: it is asked again when it is back
    }
  }
}

/** Cells that have not run keep what they had. */
function fill(panel: NotebookPanel, told: CellOutputs): void {
  if (told.execution_count === null || isLive(told.state)) return;
  const model = cellById(panel, told.cell_id)?.model;
  if (model?.type !== 'code') return;
  const code = model as ICodeCellModel;
  // the same again would make the notebook dirty, and images blink
  if (JSON.stringify(code.outputs.toJSON()) !== JSON.stringify(told.outputs))
    code.outputs.fromJSON(told.outputs as never);
  if (code.executionCount !== told.execution_count) code.executionCount = told.execution_count;
}

function restore(): [string, string][] {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? '[]') as [string, string][];
  } catch {
    return []; // of another version, or a page without storage
  }
}

function keep(paths: [string, string][]): void {
  try {
    sessionStorage.setItem(KEY, JSON.stringify(paths));
  } catch {
    // a reload forgets
  }
}
