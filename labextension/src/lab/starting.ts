/** Run as flow: asks for parameters, starts the run, and puts its outputs into the cells. */

import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { ICodeCellModel } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import { call, type CellOutputs, type OptionSchema, type RunRecord } from './api';
import { make } from './dom';
import { makeForm } from './form';
import { cellById, contentOf, readGraph } from './notebooks';
import type { Doors } from './run-view';

/** A text field for each parameter: the server reads the texts by the parameters' types. */
export function parameterForm(parameters: readonly Record<string, unknown>[]) {
  const inputs = new Map<string, HTMLInputElement>();
  const node = make('div', { class: 'onb-lab-form' });
  for (const parameter of parameters) {
    const name = String(parameter.name);
    const type = typeof parameter.type === 'string' ? parameter.type : '';
    const input = make('input', {
      type: 'text',
      name,
      // the text as it stands in the notebook
      placeholder: typeof parameter.default === 'string' ? parameter.default : '',
    });
    inputs.set(name, input);
    node.append(
      make('label', { class: 'onb-lab-field' }, make('span', {}, `${name} ${type}`.trim()), input),
    );
  }
  const texts = () =>
    Object.fromEntries(
      [...inputs].map(([name, input]) => [name, input.value] as const).filter(([, text]) => text),
    );
  return { node, texts };
}

export async function runAsFlow(
  panel: NotebookPanel,
  doors: Doors,
  trans: TranslationBundle,
): Promise<void> {
  const [{ flow }, graph] = await Promise.all([
    call<{ flow: OptionSchema }>('GET', '/options/schema'),
    readGraph(panel),
  ]);
  const errors = graph.problems.filter((problem) => problem.severity === 'error');
  const parameters = parameterForm(graph.parameters);
  const runner = Object.fromEntries(
    Object.entries(flow.properties).filter(([name]) => ['runner', 'workers'].includes(name)),
  );
  const options = makeForm({ properties: runner }, ['runner', 'workers'], {});
  const tasks = graph.words.filter((words) => words.task).length;
  const node = make(
    'div',
    { class: 'onb-lab-dialog' },
    make('p', {}, trans.__('%1 tasks of %2 cells', tasks, graph.words.length)),
    ...errors.map((problem) => make('p', { class: 'onb-lab-problem' }, problem.message)),
    parameters.node,
    options.node,
  );
  const { button } = await showDialog({
    title: trans.__('Run as flow'),
    body: new Widget({ node }),
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Run') })],
  });
  if (!button.accept) return;
  const run = await call<RunRecord>('POST', '/runs', {
    path: panel.context.path,
    content: contentOf(panel),
    texts: parameters.texts(),
    options: options.values(),
  });
  Notification.info(trans.__('%1 is running', run.name), {
    autoClose: 5000,
    actions: [
      {
        label: trans.__('Open run'),
        callback: () => {
          doors.openRun(run.id);
        },
      },
    ],
  });
  const leave = doors.stream.listen((told) => {
    if (told.type !== 'change' || told.run !== run.id || told.task !== null) return;
    if (!ENDS.has(told.new)) return;
    leave();
    void bringOutputs(panel, run.id).catch((error: unknown) => {
      Notification.error((error as Error).message);
    });
  });
}

const ENDS = new Set(['Completed', 'Failed', 'TimedOut', 'Crashed', 'Cancelled']);

/** As Run All would have left the cells; cells that did not run keep what they had. */
async function bringOutputs(panel: NotebookPanel, run: string): Promise<void> {
  const { cells } = await call<{ cells: CellOutputs[] }>('GET', `/runs/${run}/outputs`);
  if (panel.isDisposed) return;
  for (const one of cells) {
    if (one.execution_count === null) continue;
    const model = cellById(panel, one.cell_id)?.model;
    if (model?.type !== 'code') continue;
    const code = model as ICodeCellModel;
    code.outputs.fromJSON(one.outputs as never);
    code.executionCount = one.execution_count;
  }
}
