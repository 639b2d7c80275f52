/** The form of a schedule. */

import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import { Widget } from '@lumino/widgets';

import { call } from './api';
import type { Doors } from './doors';
import { choice, field, make } from './dom';
import { parameterForm } from './parameters';
import type { DaemonRecord, DeploymentRecord, RunRecord } from './records';
import { tellPart } from './schedule-tell';
import { whenPart } from './schedule-when';
import { graphNow } from './starting';

const ADVICE = 'orch-nb start';

export async function scheduleNotebook(panel: NotebookPanel, doors: Doors): Promise<void> {
  const { trans } = doors;
  const path = panel.context.localPath;
  const [graph, daemon, { deployments }] = await Promise.all([
    graphNow(panel, doors),
    call<DaemonRecord>('GET', '/daemon'),
    call<{ deployments: DeploymentRecord[] }>('GET', '/deployments'),
  ]);
  const old = deployments.find((one) => one.path === path);
  const name = make('input', { type: 'text', name: 'name', 'aria-label': trans.__('name') });
  name.value = old?.name ?? path.replace(/\.ipynb$/, '');
  const when = whenPart(trans);
  const parameters = parameterForm(graph.parameters);
  const missed = choice('missed', trans.__('missed'), [
    ['latest', trans.__('run once, latest')],
    ['skip', trans.__('skip')],
    ['all', trans.__('all, at most')],
  ]);
  const most = make('input', { type: 'number', name: 'most', value: '24', min: '1' });
  most.setAttribute('aria-label', trans.__('at most'));
  const limit = () => {
    most.disabled = missed.value !== 'all';
  };
  missed.addEventListener('change', limit);
  limit();
  const overlap = choice('overlap', trans.__('overlap'), [
    ['queue', trans.__('wait')],
    ['skip', trans.__('skip')],
    ['cancel-running', trans.__('cancel the one that runs')],
    ['allow', trans.__('run both')],
  ]);
  const tell = tellPart(trans, () => name.value);
  const version = make('span');
  const sayVersion = () => {
    const same = deployments.find((one) => one.name === name.value);
    const number = (same?.version ?? 0) + 1;
    const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/') + 1) : './';
    version.textContent = trans.__(
      'version %1, as saved now, in %2 (files land there)',
      number,
      folder,
    );
  };
  name.addEventListener('input', sayVersion);
  sayVersion();
  const node = make(
    'div',
    { class: 'onb-lab-dialog' },
    field(trans.__('Name'), name),
    ...when.nodes,
    ...(graph.parameters.length > 0 ? [field(trans.__('With'), parameters.node)] : []),
    field(trans.__('Missed'), missed, most),
    field(trans.__('Overlap'), overlap),
    tell.node,
    field(trans.__('Runs'), version),
    warning(daemon, doors),
  );
  const { button } = await showDialog({
    title: trans.__('Schedule'),
    body: new Widget({ node }),
    buttons: [
      Dialog.cancelButton(),
      Dialog.createButton({ label: trans.__('Try it once'), actions: ['try'], accept: true }),
      Dialog.okButton({ label: trans.__('Schedule') }),
    ],
    focusNodeSelector: 'input[name="at"]',
  });
  if (!button.accept) return;
  await panel.context.save(); // what is scheduled is a snapshot of the file
  if (button.actions.includes('try')) {
    const run = await call<RunRecord>('POST', '/runs', { path, texts: parameters.texts() });
    doors.openRun(run.id);
    return;
  }
  const made = await call<DeploymentRecord>('POST', '/deployments', {
    name: name.value,
    path,
    schedules: [when.schedule()],
    texts: parameters.texts(),
    policy: {
      catch_up: missed.value,
      overlap: overlap.value,
      ...(missed.value === 'all' ? { max_catch_up: Number(most.value) } : {}),
    },
    notify: tell.rules(),
  });
  Notification.success(trans.__('%1 is scheduled, version %2', made.name, made.version), {
    autoClose: 5000,
  });
}

/** Whether schedules will run, and how to keep them running, in plain words. */
function warning(daemon: DaemonRecord, { trans }: Doors): HTMLElement {
  const words =
    daemon.active.length === 0 && !daemon.runs
      ? trans.__('Schedules run while this Jupyter server is up')
      : daemon.sentence;
  const lasting = daemon.runs && !(daemon.own && daemon.wish === 'servers');
  return make(
    'div',
    { class: 'onb-lab-note' },
    `${lasting ? '' : '⚠ '}${words}`,
    lasting
      ? null
      : make(
          'details',
          {},
          make('summary', {}, trans.__('How to keep it running')),
          trans.__('In the Flows panel, under Schedules: “Keep it running”. Or as a service:'),
          make('code', {}, ` ${ADVICE}`),
        ),
  );
}
