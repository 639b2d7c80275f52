/** Resuming: the plan is shown before anything runs; what is done is not done again. */

import { Dialog } from '@jupyterlab/apputils';

import { call, wordsOf } from './api';
import { ask } from './asking';
import type { Doors } from './doors';
import { make } from './dom';
import type { Plan, RunRecord } from './records';
import { showDuration } from '../model/words';

/** Shows what a resume would run and reuse, then does it by `start`; null when not wanted. */
export async function resumeRun<T>(
  run: RunRecord,
  doors: Doors,
  start: () => Promise<T>,
): Promise<T | null> {
  const { trans } = doors;
  // what is resumed is the file, so that what was mended in the page belongs into it
  const panel = run.path === null ? undefined : doors.flows.at(run.path)?.flow.panel;
  if (panel?.context.model.dirty) await panel.context.save();
  const plan = await call<Plan>('GET', `/runs/${run.id}/plan`);
  const label = trans.__('Resume: %1 run, %2 reused', plan.runs, plan.reused);
  return ask(
    {
      title: trans.__('Resume %1', run.name),
      node: planTable(plan, doors),
      buttons: [Dialog.cancelButton(), Dialog.okButton({ label })],
    },
    start,
  );
}

/** Resumes runs one after another; says what became of them. */
export async function resumeMany(
  runs: readonly RunRecord[],
  doors: Doors,
  say: (words: string) => void,
): Promise<void> {
  const { trans } = doors;
  let done = 0;
  const refused: string[] = [];
  for (const run of runs) {
    say(trans.__('Resuming %1 …', run.name));
    try {
      await startAgain(run, []);
      done += 1;
    } catch (error) {
      refused.push(`${run.name}: ${wordsOf(error)}`);
    }
  }
  say([trans.__('%1 of %2 go on', done, runs.length), ...refused.slice(0, 3)].join('; '));
}

/** Goes on with a run in a process of its own; with tasks, those and what depends on them again. */
export function startAgain(run: RunRecord, tasks: readonly string[]): Promise<RunRecord> {
  return tasks.length > 0
    ? call<RunRecord>('POST', `/runs/${run.id}/retry`, { tasks })
    : call<RunRecord>('POST', `/runs/${run.id}/resume`, {});
}

function planTable(plan: Plan, doors: Doors): HTMLElement {
  const { trans } = doors;
  const rows = plan.cells
    .filter((cell) => cell.task || cell.use !== 'reuse')
    .map((cell) =>
      make(
        'tr',
        { class: cell.use === 'reuse' ? 'onb-lab-dim' : '' },
        make('td', {}, cell.use === 'reuse' ? trans.__('reuse') : trans.__('run')),
        make('td', { class: 'onb-lab-name' }, cell.name),
        make('td', {}, cell.seconds === null ? '' : showDuration(cell.seconds)),
        make('td', {}, cell.reason),
      ),
    );
  return make(
    'div',
    { class: 'onb-lab-dialog' },
    make('table', { class: 'onb-lab-table' }, make('tbody', {}, ...rows)),
    ...plan.notices.map((words) => make('p', { class: 'onb-lab-dim' }, words)),
  );
}
