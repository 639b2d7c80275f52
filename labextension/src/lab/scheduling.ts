/** The form of a schedule: the sentence and the next times come from the server. */

import { Dialog, Notification, showDialog } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import { call, type DeploymentRecord } from './api';
import { make } from './dom';
import { readGraph } from './notebooks';
import { parameterForm } from './starting';

interface Preview {
  schedules: { sentence: string }[];
  next_times: string[];
}
const PAUSE = 250; // milliseconds of quiet before the server is asked
const DAYS: readonly (readonly [string, string])[] = [
  ['1-5', 'Weekdays'],
  ['*', 'Every day'],
  ['1', 'Mondays'],
  ['0,6', 'Weekends'],
];

export async function scheduleNotebook(
  panel: NotebookPanel,
  trans: TranslationBundle,
): Promise<void> {
  const [graph, daemon] = await Promise.all([
    readGraph(panel),
    call<{ sentence: string; hint: string }>('GET', '/daemon'),
  ]);
  const name = make('input', { type: 'text', name: 'name' });
  name.value = panel.context.path.replace(/\.ipynb$/, '');
  const way = (value: string) => {
    const radio = make('input', { type: 'radio', name: 'when', value, 'aria-label': value });
    radio.checked = value === 'days';
    return radio;
  };
  const [byDays, byCron, byEvery] = [way('days'), way('cron'), way('every')];
  const days = choice('days', DAYS);
  const at = make('input', { type: 'time', name: 'at', value: '06:00' });
  const cron = make('input', { type: 'text', name: 'cron', value: '0 6 * * 1-5' });
  const every = make('input', { type: 'text', name: 'every', value: '15 min' });
  const zone = make('input', { type: 'text', name: 'zone' });
  zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const missed = choice('missed', [
    ['latest', 'run once, latest'],
    ['skip', 'skip'],
    ['all', 'all'],
  ]);
  const overlap = choice('overlap', [
    ['queue', 'wait'],
    ['skip', 'skip'],
    ['cancel-running', 'cancel the one that runs'],
    ['allow', 'run both'],
  ]);
  const tell = make('input', { type: 'text', name: 'tell', placeholder: trans.__('address') });
  const sentence = make('p', { class: 'onb-lab-sentence', 'aria-live': 'polite' });
  const parameters = parameterForm(graph.parameters);
  const row = (words: string, ...parts: (Node | string)[]) =>
    make('div', { class: 'onb-lab-field' }, make('span', {}, words), ...parts);
  const node = make(
    'div',
    { class: 'onb-lab-dialog' },
    row(trans.__('Name'), name),
    row(trans.__('When'), byDays, days, trans.__('at'), at),
    row('', byCron, trans.__('Cron'), cron),
    row('', byEvery, trans.__('Every'), every),
    row(trans.__('Zone'), zone),
    sentence,
    row(trans.__('With'), parameters.node),
    row(trans.__('Missed'), missed),
    row(trans.__('Overlap'), overlap),
    row(trans.__('Tell of failures'), tell),
    make('p', { class: 'onb-lab-dim' }, [daemon.sentence, daemon.hint].filter(Boolean).join(' · ')),
  );
  const given = () => {
    if (byCron.checked) return { cron: cron.value, zone: zone.value };
    if (byEvery.checked) return { every: every.value, zone: zone.value };
    const [hour, minute] = at.value.split(':').map(Number);
    return { cron: `${minute ?? 0} ${hour ?? 0} * * ${days.value}`, zone: zone.value };
  };
  async function preview(): Promise<void> {
    try {
      const found = await call<Preview>('POST', '/schedules/preview', { schedules: [given()] });
      const times = found.next_times.slice(0, 3).map((time) => new Date(time).toLocaleString());
      const words = found.schedules[0]?.sentence ?? '';
      sentence.textContent = `${words}. ${trans.__('Next:')} ${times.join(' · ')}`;
    } catch (error) {
      sentence.textContent = (error as Error).message;
    }
  }
  let timer = 0;
  node.addEventListener('input', (event) => {
    const { target } = event;
    if (target === cron) byCron.checked = true;
    if (target === every) byEvery.checked = true;
    if (target === at || target === days) byDays.checked = true;
    clearTimeout(timer);
    timer = window.setTimeout(() => void preview(), PAUSE);
  });
  void preview();
  const { button } = await showDialog({
    title: trans.__('Schedule'),
    body: new Widget({ node }),
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Schedule') })],
  });
  if (!button.accept) return;
  await panel.context.save(); // what is scheduled is a snapshot of the file
  const made = await call<DeploymentRecord>('POST', '/deployments', {
    name: name.value,
    path: panel.context.path,
    schedules: [given()],
    texts: parameters.texts(),
    policy: { catch_up: missed.value, overlap: overlap.value },
    ...(tell.value ? { notify: [{ target: tell.value }] } : {}),
  });
  Notification.success(trans.__('%1 is scheduled, version %2', made.name, made.version), {
    autoClose: 5000,
  });
}

function choice(name: string, choices: readonly (readonly [string, string])[]): HTMLSelectElement {
  const node = make('select', { name });
  for (const [value, words] of choices) node.append(make('option', { value }, words));
  return node;
}
