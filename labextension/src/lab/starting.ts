/** Run as flow: asks for parameters and the runner, and starts the run. */

import { Dialog, Notification } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';

import { call, optionSchemas } from './api';
import { ask } from './asking';
import type { Doors } from './doors';
import { make } from './dom';
import { makeForm } from './form';
import { contentOf } from './notebooks';
import { parameterForm } from './parameters';
import type { GraphAnswer, RunRecord } from './records';

const RUNNER = ['runner', 'max_workers'];

/** The graph of the notebook as it is in the page; throws where there is none to run. */
export async function graphNow(panel: NotebookPanel, doors: Doors): Promise<GraphAnswer> {
  const open = doors.flows.of(panel);
  if (open === undefined) throw new Error(doors.trans.__('the notebook is not open any more'));
  return open.flow.now();
}

export async function runAsFlow(panel: NotebookPanel, doors: Doors): Promise<void> {
  const { trans } = doors;
  const [{ flow }, graph] = await Promise.all([optionSchemas(), graphNow(panel, doors)]);
  const parameters = parameterForm(graph.parameters);
  const fields = Object.entries(flow.properties).filter(([name]) => RUNNER.includes(name));
  const options = makeForm({ properties: Object.fromEntries(fields) }, RUNNER, {}, '');
  const tasks = graph.words.filter((words) => words.task).length;
  const errors = graph.problems.filter((problem) => problem.severity === 'error');
  const node = make(
    'div',
    { class: 'onb-lab-dialog' },
    make('p', {}, countWords(tasks, graph.words.length, trans)),
    ...errors.map((problem) =>
      make('p', { class: 'onb-lab-problem' }, `${problem.where}: ${problem.message}`),
    ),
    parameters.node,
    options.node,
  );
  const path = panel.context.localPath;
  const run = await ask(
    {
      title: trans.__('Run as flow'),
      node,
      buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Run') })],
    },
    () =>
      call<RunRecord>('POST', '/runs', {
        path,
        content: contentOf(panel),
        texts: parameters.texts(),
        options: options.values(),
      }),
  );
  if (run !== null) tellStarted(run, path, doors);
}

/** `3 tasks of 5 cells`. */
export function countWords(tasks: number, cells: number, trans: TranslationBundle): string {
  return trans._n('%1 task of %2 cells', '%1 tasks of %2 cells', tasks, cells);
}

function tellStarted(run: RunRecord, path: string, doors: Doors): void {
  const { trans } = doors;
  doors.outputs.follow(run.id, path);
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
}
