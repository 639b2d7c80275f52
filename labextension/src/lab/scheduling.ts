/** The form of a schedule; of one that is there, with what it has. */

import { Dialog, Notification } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';

import { call } from './api';
import { ask } from './asking';
import type { Doors } from './doors';
import { choice, field, make } from './dom';
import { parameterForm } from './parameters';
import type {
  DaemonRecord,
  DeploymentDetails,
  DeploymentRecord,
  GraphAnswer,
  RunRecord,
} from './records';
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
  const known = deployments.find((one) => one.path === path);
  const old =
    known === undefined
      ? null
      : await call<DeploymentDetails>('GET', `/deployments/${encodeURIComponent(known.name)}`);
  const form = scheduleForm(graph, old, path, deployments, doors);
  form.node.append(warning(daemon, doors));
  const done = await ask<() => void>(
    {
      title: trans.__('Schedule'),
      node: form.node,
      buttons: [
        Dialog.cancelButton(),
        Dialog.createButton({ label: trans.__('Try it once'), actions: ['try'], accept: true }),
        Dialog.okButton({
          label: old === null ? trans.__('Schedule') : trans.__('Deploy v%1', old.version + 1),
        }),
      ],
      focus: 'input[name="at"]',
    },
    async (button) => {
      await panel.context.save(); // what is scheduled is a snapshot of the file
      if (button.actions.includes('try')) {
        const run = await call<RunRecord>('POST', '/runs', { path, texts: form.texts() });
        return () => {
          doors.openRun(run.id);
        };
      }
      const made = await form.deploy();
      const words = trans.__('%1 is scheduled, version %2', made.name, made.version);
      return () => Notification.success(words, { autoClose: 5000 });
    },
  );
  done?.();
}

interface ScheduleForm {
  readonly node: HTMLElement;
  texts(): Record<string, string>;
  deploy(): Promise<DeploymentRecord>;
}

function scheduleForm(
  graph: GraphAnswer,
  old: DeploymentDetails | null,
  path: string,
  deployments: readonly DeploymentRecord[],
  { trans }: Doors,
): ScheduleForm {
  const name = make('input', { type: 'text', name: 'name', 'aria-label': trans.__('name') });
  name.value = old?.name ?? path.replace(/\.ipynb$/, '');
  const when = whenPart(trans, old);
  const given = (old?.parameters ?? []).map(([one, value]) => [one, textOf(value)] as const);
  const parameters = parameterForm(graph.parameters, new Map(given));
  const missed = choice('missed', trans.__('missed'), [
    ['latest', trans.__('run once, latest')],
    ['skip', trans.__('skip')],
    ['all', trans.__('all, at most')],
  ]);
  missed.value = old?.policy.catch_up ?? 'latest';
  const most = make('input', { type: 'number', name: 'most', min: '1' });
  most.value = String(old?.policy.max_catch_up ?? 24);
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
  overlap.value = old?.policy.overlap ?? 'queue';
  const tell = tellPart(trans, () => name.value, old?.rules);
  const version = make('span');
  const sayVersion = () => {
    const same = deployments.find((one) => one.name === name.value);
    const number = (same?.version ?? 0) + 1;
    const folder = path.includes('/') ? path.slice(0, path.lastIndexOf('/') + 1) : './';
    const words = trans.__('version %1, as saved now, in %2 (files land there)', number, folder);
    version.textContent =
      same === undefined ? words : `${trans.__('schedule runs v%1', same.version)}; ${words}`;
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
  );

  const deploy = () => {
    const schedule = when.schedule();
    const rules = tell.rules();
    const body = {
      ...(schedule === null ? {} : { schedules: [schedule] }),
      texts: parameters.texts(),
      policy: {
        catch_up: missed.value,
        overlap: overlap.value,
        ...(missed.value === 'all' ? { max_catch_up: Number(most.value) } : {}),
      },
      ...(rules === null ? {} : { notify: rules }),
    };
    if (old !== null && old.name === name.value) {
      // what the form does not show stays as it is
      const place = `/deployments/${encodeURIComponent(old.name)}/redeploy`;
      return call<DeploymentRecord>('POST', place, body);
    }
    return call<DeploymentRecord>('POST', '/deployments', { name: name.value, path, ...body });
  };
  return { node, texts: () => parameters.texts(), deploy };
}

/** A value that was given, as somebody would type it. */
function textOf(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'True' : 'False';
  return typeof value === 'string' ? value : JSON.stringify(value);
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
