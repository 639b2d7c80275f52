/** Run as flow: asks for parameters and the runner, and starts the run. */

import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { Widget } from '@lumino/widgets';

import { call, optionSchemas } from './api';
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
    make('p', {}, trans.__('%1 tasks of %2 cells', tasks, graph.words.length)),
    ...errors.map((problem) =>
      make('p', { class: 'onb-lab-problem' }, `${problem.where}: ${problem.message}`),
    ),
    parameters.node,
    options.node,
  );
  const { button } = await showDialog({
    title: trans.__('Run as flow'),
    body: new Widget({ node }),
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Run') })],
  });
  if (!button.accept) return;
  const path = panel.context.localPath;
  const run = await call<RunRecord>('POST', '/runs', {
    path,
    content: contentOf(panel),
    texts: parameters.texts(),
    options: options.values(),
  });
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
