/**
 * Flows that a cell asks for in the kernel: they take the notebook as it is in the page, saved or
 * not, and their outputs come into its cells, as Run All's would.
 */

import type { Cell, ICodeCellModel } from '@jupyterlab/cells';
import { NotebookActions, type Notebook, type NotebookPanel } from '@jupyterlab/notebook';
import type { IOutputModel } from '@jupyterlab/rendermime';

import type { Doors } from './doors';
import { RUN_MIME } from './mime';
import { contentOf } from './notebooks';

const ASKS = /^\s*%%?flow\b/m;

export function addLiveCells(doors: Doors): void {
  NotebookActions.executionScheduled.connect((_, { notebook, cell }) => {
    const panel = doors.flows.holding(notebook);
    if (panel === undefined || cell.model.type !== 'code') return;
    if (!ASKS.test(cell.model.sharedModel.getSource())) return;
    tellPage(panel, cell);
    bringOutputs(panel, notebook, cell, doors);
  });
}

/** Just ahead of the cell's own request, on the same channel: so it is there when the cell runs. */
function tellPage(panel: NotebookPanel, cell: Cell): void {
  const told = asciiOf({ cell_id: cell.model.id, document: contentOf(panel) });
  panel.sessionContext.session?.kernel?.requestExecute(
    {
      code: `__import__("orch_nb.magics.page", fromlist=["take"]).take(${JSON.stringify(told)})`,
      silent: true,
      store_history: false,
      allow_stdin: false,
      stop_on_error: false, // a kernel without orch_nb: the cell itself says so
    },
    true,
  );
}

/** JSON of plain ASCII: a string of it is the same in JavaScript and in Python. */
function asciiOf(value: unknown): string {
  return JSON.stringify(value).replace(
    /[\u007f-\uffff]/g,
    (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

/** The cell shows which run it has begun; from then on that run's outputs are followed. */
function bringOutputs(panel: NotebookPanel, notebook: Notebook, cell: Cell, doors: Doors): void {
  const { outputs, id } = cell.model as ICodeCellModel;
  const look = () => {
    for (let place = 0; place < outputs.length; place++) {
      const run = runOf(outputs.get(place));
      if (run !== '') doors.outputs.follow(run, panel.context.localPath, id);
    }
  };
  const done = (_: unknown, ended: { notebook: Notebook; cell: Cell }) => {
    if (ended.notebook !== notebook || ended.cell !== cell) return;
    NotebookActions.executed.disconnect(done);
    outputs.changed.disconnect(look);
  };
  outputs.changed.connect(look);
  NotebookActions.executed.connect(done);
}

function runOf(output: IOutputModel): string {
  const data = output.data[RUN_MIME] as { id?: string } | undefined;
  return data?.id ?? '';
}
