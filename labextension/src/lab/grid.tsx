/** Runs against tasks: which task failed when, at a glance. */

import { MainAreaWidget } from '@jupyterlab/apputils';
import { useSignal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

import { call, query, wordsOf } from './api';
import { DoorsContext, useDoors } from './context';
import type { Doors, RunWish } from './doors';
import { PreactWidget } from './preact-widget';
import type { Grid, TaskBrief } from './records';
import { secondsOf, showTime } from './times';
import { lookOf } from '../model/states';
import { showDuration } from '../model/words';
import { Mark } from '../views/mark';

const RUNS = 30;
const QUIET = 500; // milliseconds that news are gathered

export function gridDocument(wish: RunWish, doors: Doors): MainAreaWidget {
  const { trans } = doors;
  const content = new PreactWidget(
    <DoorsContext value={doors}>
      <GridView wish={wish} />
    </DoorsContext>,
  );
  content.addClass('onb-lab-document');
  const widget = new MainAreaWidget({ content });
  const what = wish.path ?? wish.flow ?? trans.__('all flows');
  widget.id = gridId(wish);
  widget.title.label = trans.__('Runs × tasks: %1', what);
  widget.toolbar.hide();
  widget.title.closable = true;
  return widget;
}

export function gridId(wish: RunWish): string {
  if (wish.path !== undefined) return `orch-nb-grid-path:${wish.path}`;
  return wish.flow === undefined ? 'orch-nb-grid-all' : `orch-nb-grid-flow:${wish.flow}`;
}

function GridView({ wish }: { wish: RunWish }) {
  const { trans, stream } = useDoors();
  const grid = useSignal<Grid | null>(null);
  const trouble = useSignal('');
  useEffect(() => {
    let timer = 0;
    const read = () => {
      call<Grid>('GET', `/grid${query({ ...wish, limit: RUNS })}`).then(
        (found) => {
          grid.value = found;
          trouble.value = '';
        },
        (error: unknown) => (trouble.value = wordsOf(error)),
      );
    };
    const stop = stream.listen((told) => {
      if (told.type === 'deployments') return;
      clearTimeout(timer);
      timer = window.setTimeout(read, QUIET);
    });
    read();
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, []);
  if (grid.value === null) return <p class="onb-lab-empty">{trouble.value}</p>;
  const { rows, runs } = grid.value;
  if (runs.length === 0) return <p class="onb-lab-empty">{trans.__('No runs yet.')}</p>;
  return (
    <div class="onb-lab-scroll" tabIndex={0} role="region" aria-label={trans.__('runs and tasks')}>
      <table class="onb-lab-grid">
        <thead>
          <tr>
            <th scope="col">{trans.__('Task')}</th>
            {runs.map((run) => (
              <th scope="col" key={run.id}>
                <RunHead run={run} />
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={row.cell_id}>
              <th scope="row">
                <span class="onb-lab-number">{row.cell}</span> <bdi>{row.name}</bdi>
              </th>
              {runs.map((run) => (
                <td key={run.id}>
                  <TaskCell run={run.id} row={row} rows={rows} task={row.runs[run.id]} />
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}

function RunHead({ run }: { run: Grid['runs'][number] }) {
  const { openRun } = useDoors();
  const seconds = secondsOf(run);
  const when = run.start_time ?? run.scheduled_time;
  const words = [
    `${run.flow} · ${run.name}`,
    lookOf(run.state_name).word,
    seconds === null ? '' : showDuration(seconds),
    when === null ? '' : showTime(when),
  ].filter(Boolean);
  return (
    <button
      type="button"
      class="onb-lab-square"
      aria-label={words.join(', ')}
      title={words.join('\n')}
      onClick={() => {
        openRun(run.id);
      }}
    >
      <Mark state={run.state_name} />
    </button>
  );
}

interface TaskCellProps {
  readonly run: string;
  readonly row: Grid['rows'][number];
  readonly rows: Grid['rows'];
  readonly task: TaskBrief | undefined;
}

function TaskCell({ run, row, rows, task }: TaskCellProps) {
  const { openRun } = useDoors();
  if (task === undefined) return null;
  const words = [
    row.name,
    lookOf(task.state).word,
    task.seconds === null ? '' : showDuration(task.seconds),
    task.attempt > 1 ? `${task.attempt}/${task.of}` : '',
    task.error ?? '',
  ].filter(Boolean);
  return (
    <button
      type="button"
      class="onb-lab-square"
      aria-label={words.join(', ')}
      title={words.join('\n')}
      onClick={() => {
        // the run's rows are its own cells, in the same order
        openRun(run, rows.filter((one) => one.runs[run]).indexOf(row));
      }}
    >
      <Mark state={task.state} />
    </button>
  );
}
