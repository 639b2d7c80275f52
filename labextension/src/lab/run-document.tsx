/** A run as a document in the main area: its views, and above them what stands around the run. */

import { Clipboard, MainAreaWidget } from '@jupyterlab/apputils';
import { useSignal, useSignalEffect, type Signal } from '@preact/signals';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Panel } from '@lumino/widgets';

import { call, query, wordsOf } from './api';
import { DoorsContext, useDoors } from './context';
import type { Doors } from './doors';
import { linkTo } from './links';
import { PreactWidget } from './preact-widget';
import type { Difference, RunRecord } from './records';
import { RunView, type Shown } from './run-view';
import { secondsOf, showTime } from './times';
import { colourOf, lookOf } from '../model/states';
import { showClock, showDuration } from '../model/words';

const LAST = 10; // runs in the little chart
const PUNCTUAL = 15; // seconds after which a start is late
const COMPARED = 'orch_nb.compared.';

/** The run's views below what stands around it. */
export class RunPanel extends Panel {
  constructor(readonly view: RunView) {
    super();
    this.addClass('onb-lab-document');
  }
}

export type RunDocument = MainAreaWidget<RunPanel>;

export function runDocument(run: string, doors: Doors): RunDocument {
  const view = new RunView(run, doors);
  const content = new RunPanel(view);
  content.addWidget(
    new PreactWidget(
      <DoorsContext value={doors}>
        <Around shown={view.shown} />
      </DoorsContext>,
    ),
  );
  content.addWidget(view);
  const widget = new MainAreaWidget({ content });
  widget.id = documentId(run);
  widget.title.label = doors.trans.__('Run');
  widget.toolbar.hide();
  widget.title.closable = true;
  view.shown.subscribe((shown) => {
    if (shown) widget.title.label = `${shown.run.flow} · ${shown.run.name}`;
  });
  return widget;
}

export function documentId(run: string): string {
  return `orch-nb-run-${run}`;
}

function Around({ shown }: { shown: Signal<Shown | null> }) {
  const value = shown.value;
  // a run that was resumed has another model: what was read of the one before is old
  return value && <Bar shown={value} key={`${value.run.id} ${value.run.attempt}`} />;
}

function Bar({ shown }: { shown: Shown }) {
  const { trans, openGrid } = useDoors();
  const { run, deployed } = shown;
  const others = useSignal<readonly RunRecord[]>([]);
  const compared = useSignal(sessionStorage.getItem(COMPARED + run.id) ?? '');
  const told = useSignal('');
  useSignalEffect(() => {
    // with its end there is one more to compare with
    const { state } = shown.model.header.value;
    const asked = run.path === null ? { flow: run.flow } : { path: run.path };
    void lastRuns(asked, state).then((runs) => (others.value = runs));
  });
  useSignalEffect(() => {
    sessionStorage.setItem(COMPARED + run.id, compared.value);
  });
  return (
    <section class="onb-lab-around" aria-label={trans.__('around this run')}>
      <div class="onb-lab-tools">
        {deployed && <span>{whenWords(shown, trans)}</span>}
        {run.attempt > 1 && <span>{trans.__('attempt %1', run.attempt)}</span>}
        <LastRuns runs={others.value} current={run.id} />
        <span class="onb-space" />
        <select
          aria-label={trans.__('compare with')}
          value={compared.value}
          onChange={(event) => {
            compared.value = event.currentTarget.value;
          }}
        >
          <option value="">{trans.__('Compare with …')}</option>
          {others.value
            .filter((one) => one.id !== run.id)
            .map((one) => (
              <option key={one.id} value={one.id}>
                {`${one.name} · ${lookOf(one.state_name).word}`}
              </option>
            ))}
        </select>
        <button
          type="button"
          class="onb-lab-button"
          onClick={() => {
            Clipboard.copyToSystem(linkTo(run.id));
            told.value = trans.__('The link is copied');
          }}
        >
          {trans.__('Copy link')}
        </button>
        <button
          type="button"
          class="onb-lab-button"
          onClick={() => {
            openGrid(run.path === null ? { flow: run.flow } : { path: run.path });
          }}
        >
          {trans.__('Runs × tasks')}
        </button>
        <span role="status" class="onb-lab-dim">
          {told.value}
        </span>
      </div>
      {compared.value !== '' && <Compared run={run} other={compared.value} />}
    </section>
  );
}

async function lastRuns(
  asked: Record<string, string>,
  state: string,
): Promise<readonly RunRecord[]> {
  if (state === '') return [];
  try {
    const found = await call<{ runs: RunRecord[] }>(
      'GET',
      `/runs${query({ ...asked, limit: 30 })}`,
    );
    return found.runs;
  } catch {
    return []; // the run itself is shown all the same
  }
}

/** `scheduled Mon 06:00, on time`. */
function whenWords({ run, deployed }: Shown, trans: TranslationBundle): string {
  if (deployed === null) return '';
  const due = showTime(deployed.due);
  const words = trans.__('%1 version %2, %3', deployed.deployment, String(deployed.version), due);
  if (run.start_time === null) return words;
  const late = (Date.parse(run.start_time) - Date.parse(deployed.due)) / 1000;
  return `${words}, ${late > PUNCTUAL ? trans.__('%1 late', showClock(late)) : trans.__('on time')}`;
}

/** A bar for each of the last runs, as high as it took long; and what is typical. */
function LastRuns({ runs, current }: { runs: readonly RunRecord[]; current: string }) {
  const { trans, openRun } = useDoors();
  const shown = runs.slice(0, LAST).reverse();
  const seconds = shown.map((run) => secondsOf(run) ?? 0);
  const longest = Math.max(...seconds, 0.001);
  const good = runs
    .filter((run) => run.state_name === 'Completed')
    .map((run) => secondsOf(run) ?? 0)
    .sort((one, other) => one - other);
  const typical = good[Math.floor(good.length / 2)];
  if (shown.length === 0) return null; // they have not been told yet
  return (
    <>
      <span class="onb-lab-dim">{trans.__('last %1', shown.length)}</span>
      <span class="onb-lab-chart" role="group" aria-label={trans.__('the last runs')}>
        {shown.map((run, place) => {
          const took = showDuration(seconds[place] ?? 0);
          const words = `${run.name}: ${lookOf(run.state_name).word}, ${took}`;
          return (
            <button
              type="button"
              key={run.id}
              aria-label={words}
              title={words}
              aria-current={run.id === current}
              onClick={() => {
                openRun(run.id);
              }}
            >
              <span
                style={{
                  ...colourOf(run.state_name),
                  height: `${4 + (14 * (seconds[place] ?? 0)) / longest}px`,
                }}
              />
            </button>
          );
        })}
      </span>
      {typical !== undefined && (
        <span class="onb-lab-dim">{trans.__('typical %1', showDuration(typical))}</span>
      )}
    </>
  );
}

function Compared({ run, other }: { run: RunRecord; other: string }) {
  const { trans } = useDoors();
  const found = useSignal<readonly Difference[] | null>(null);
  const trouble = useSignal('');
  useSignalEffect(() => {
    call<{ differences: Difference[] }>('GET', `/runs/${run.id}/compare/${other}`).then(
      ({ differences }) => (found.value = differences),
      (error: unknown) => (trouble.value = wordsOf(error)),
    );
  });
  if (found.value === null) return <p class="onb-lab-dim">{trouble.value}</p>;
  if (found.value.length === 0) return <p>{trans.__('They do not differ.')}</p>;
  return (
    <div class="onb-lab-differences">
      <table class="onb-lab-table">
        <thead>
          <tr>
            <th>{trans.__('What')}</th>
            <th>{trans.__('Name')}</th>
            <th>{trans.__('Here')}</th>
            <th>{trans.__('There')}</th>
          </tr>
        </thead>
        <tbody>
          {found.value.map((one) => (
            <tr key={`${one.aspect} ${one.name}`}>
              <td>{one.aspect}</td>
              <td class="onb-lab-name">{one.name}</td>
              <td>{one.one}</td>
              <td>{one.other}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
