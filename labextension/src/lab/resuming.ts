/** Resuming: the plan is shown before anything runs; what is done is not done again. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';

import { call, wordsOf } from './api';
import type { Doors } from './doors';
import { make } from './dom';
import type { Plan, RunRecord } from './records';
import { showDuration } from '../model/words';

/** Shows what a resume would run and reuse, and starts it; null when it was not wanted. */
export async function resumeRun(run: RunRecord, doors: Doors): Promise<RunRecord | null> {
  const { trans } = doors;
  // what is resumed is the file, so that what was mended in the page belongs into it
  const panel = run.path === null ? undefined : doors.flows.at(run.path)?.flow.panel;
  if (panel?.context.model.dirty) await panel.context.save();
  const plan = await call<Plan>('GET', `/runs/${run.id}/plan`);
  const { button } = await showDialog({
    title: trans.__('Resume %1', run.name),
    body: new Widget({ node: planTable(plan, doors) }),
    buttons: [
      Dialog.cancelButton(),
      Dialog.okButton({
        label: trans.__('Resume: %1 run, %2 reused', plan.runs, plan.reused),
        accept: true,
      }),
    ],
  });
  return button.accept ? startAgain(run, 'resume', {}) : null;
}

/** Runs these tasks again, and what depends on them. */
export function retryTasks(run: RunRecord, tasks: readonly string[]): Promise<RunRecord> {
  return startAgain(run, 'retry', { tasks });
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
      await startAgain(run, 'resume', {});
      done += 1;
    } catch (error) {
      refused.push(`${run.name}: ${wordsOf(error)}`);
    }
  }
  say([trans.__('%1 of %2 go on', done, runs.length), ...refused.slice(0, 3)].join('; '));
}

function startAgain(
  run: RunRecord,
  how: 'resume' | 'retry',
  body: Record<string, unknown>,
): Promise<RunRecord> {
  return call<RunRecord>('POST', `/runs/${run.id}/${how}`, body);
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
