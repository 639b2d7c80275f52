/** The schedules: what is deployed, whether it will run, what runs next, and what is late. */

import { useSignal, useSignalEffect } from '@preact/signals';
import type { Signal } from '@preact/signals';
import { useEffect } from 'preact/hooks';

import { call, query, wordsOf } from './api';
import { useDoors } from './context';
import type { DaemonRecord, DeploymentRecord, RunRecord } from './records';
import { scheduleNotebook } from './scheduling';
import { showTime } from './times';

const QUIET = 300; // milliseconds that news are gathered
const AGAIN = 3000; // milliseconds between looks while nobody runs what is scheduled
const LATE = 15_000; // milliseconds after which a run that has not started is late

interface Upcoming {
  scheduled_time: string;
  deployment: string;
}

interface Late {
  run: RunRecord;
  headline: string;
  reasons: string[];
  outlook: string;
}

interface Everything {
  deployments: DeploymentRecord[];
  upcoming: Upcoming[];
  daemon: DaemonRecord;
  late: Late[];
}

export function SchedulesTab() {
  const doors = useDoors();
  const { trans, stream, flows } = doors;
  const found = useSignal<Everything | null>(null);
  const trouble = useSignal('');
  const turn = useSignal(0);
  useSignalEffect(() => {
    if (turn.value < 0) return;
    readAll().then(
      (all) => {
        found.value = all;
        trouble.value = '';
      },
      (error: unknown) => {
        trouble.value = wordsOf(error);
      },
    );
  });
  useEffect(() => {
    let timer = 0;
    const stop = stream.listen(() => {
      clearTimeout(timer);
      timer = window.setTimeout(() => (turn.value += 1), QUIET);
    });
    return () => {
      clearTimeout(timer);
      stop();
    };
  }, [stream, turn]);
  useSignalEffect(() => {
    const daemon = found.value?.daemon;
    if (daemon === undefined || daemon.runs || daemon.active.length === 0) return;
    const timer = setTimeout(() => (turn.value += 1), AGAIN);
    return () => {
      clearTimeout(timer);
    };
  });
  const all = found.value;
  const current = flows.current.value;
  if (all === null) return <p class="onb-lab-empty">{trouble.value}</p>;
  return (
    <>
      <Daemon daemon={all.daemon} turn={turn} trouble={trouble} />
      {trouble.value !== '' && <p class="onb-lab-problem">{trouble.value}</p>}
      {all.late.map((late) => (
        <LateRun key={late.run.id} late={late} />
      ))}
      <div class="onb-lab-tools">
        <button
          type="button"
          class="onb-lab-button"
          disabled={current === null}
          onClick={() => {
            if (current === null) return;
            scheduleNotebook(current.flow.panel, doors).then(
              () => (turn.value += 1),
              (error: unknown) => (trouble.value = wordsOf(error)),
            );
          }}
        >
          {trans.__('Schedule this notebook…')}
        </button>
      </div>
      <ul class="onb-lab-list" aria-label={trans.__('schedules')}>
        {all.deployments.map((one) => (
          <Schedule key={one.name} one={one} turn={turn} trouble={trouble} />
        ))}
      </ul>
      {all.upcoming.length > 0 && (
        <>
          <h3>{trans.__('Upcoming')}</h3>
          <ul class="onb-lab-list" aria-label={trans.__('upcoming')}>
            {all.upcoming.map((one) => (
              <li class="onb-lab-line" key={`${one.deployment} ${one.scheduled_time}`}>
                <span class="onb-lab-took">{showTime(one.scheduled_time)}</span>
                <bdi class="onb-lab-name">{one.deployment}</bdi>
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}

async function readAll(): Promise<Everything> {
  const [{ deployments }, { upcoming }, daemon, { runs }] = await Promise.all([
    call<{ deployments: DeploymentRecord[] }>('GET', '/deployments'),
    call<{ upcoming: Upcoming[] }>('GET', `/upcoming${query({ limit: 10 })}`),
    call<DaemonRecord>('GET', '/daemon'),
    call<{ runs: RunRecord[] }>('GET', `/runs${query({ type: ['SCHEDULED'], limit: 50 })}`),
  ]);
  const late = await Promise.all(
    runs.filter(isLate).map(async (run) => ({
      run,
      ...(await call<Omit<Late, 'run'>>('GET', `/runs/${run.id}/why`)),
    })),
  );
  return { deployments, upcoming, daemon, late };
}

/** Whether it should have started; without a scheduler nobody has recorded it. */
function isLate(run: RunRecord): boolean {
  const due = run.scheduled_time;
  return run.state_name === 'Late' || (due !== null && Date.now() - Date.parse(due) > LATE);
}

interface Shared {
  readonly turn: Signal<number>;
  readonly trouble: Signal<string>;
}

/** Does something on the server, then reads everything anew. */
function act({ turn, trouble }: Shared, path: string, body?: unknown): void {
  call('POST', path, body)
    .catch((error: unknown) => (trouble.value = wordsOf(error)))
    .finally(() => (turn.value += 1));
}

/** Whether schedules will run, in plain words, and what can be done about it. */
function Daemon({ daemon, ...shared }: { daemon: DaemonRecord } & Shared) {
  const { trans } = useDoors();
  const wish = (words: string, value: string) => (
    <button
      type="button"
      class="onb-lab-button"
      onClick={() => {
        act(shared, '/daemon', { wish: value });
      }}
    >
      {words}
    </button>
  );
  const quiet = daemon.runs || daemon.active.length === 0;
  return (
    <div class={quiet ? 'onb-lab-note' : 'onb-lab-note onb-lab-problem'} role="status">
      <span>{daemon.sentence}</span>
      {daemon.wish === 'off' && wish(trans.__('Start it'), 'servers')}
      {daemon.own && daemon.wish === 'servers' && wish(trans.__('Keep it running'), 'stay')}
      {daemon.own && daemon.wish === 'stay' && (
        <>
          <span class="onb-lab-dim">{trans.__('also when Jupyter has stopped')}</span>
          {wish(trans.__('Only while Jupyter is up'), 'servers')}
        </>
      )}
    </div>
  );
}

function LateRun({ late }: { late: Late }) {
  const { openRun, trans } = useDoors();
  return (
    <div class="onb-lab-note onb-lab-problem">
      <strong>{late.headline}</strong>
      {late.reasons.map((words) => (
        <div key={words}>{words}</div>
      ))}
      <div class="onb-lab-dim">{late.outlook}</div>
      <button
        type="button"
        class="onb-lab-button"
        onClick={() => {
          openRun(late.run.id);
        }}
      >
        {trans.__('Open run')}
      </button>
    </div>
  );
}

function Schedule({ one, ...shared }: { one: DeploymentRecord } & Shared) {
  const { trans, openFile, openGrid } = useDoors();
  const place = `/deployments/${encodeURIComponent(one.name)}`;
  const button = (words: string, label: string, what: string, body?: unknown) => (
    <button
      type="button"
      class="onb-lab-button"
      aria-label={label}
      onClick={() => {
        act(shared, `${place}/${what}`, body);
      }}
    >
      {words}
    </button>
  );
  return (
    <li class="onb-lab-schedule">
      <strong>
        <bdi>{one.name}</bdi>
      </strong>
      <div>
        {one.paused ? trans.__('paused') : one.sentences.join('; ') || trans.__('no schedule')}
      </div>
      {one.changed ? (
        <div class="onb-lab-changed">
          {trans.__('schedule runs v%1', one.version)}
          {button(
            trans.__('Deploy v%1', one.version + 1),
            trans.__('deploy version %1 of %2', one.version + 1, one.name),
            'redeploy',
          )}
        </div>
      ) : (
        <div class="onb-lab-dim">{trans.__('version %1', one.version)}</div>
      )}
      {one.paused
        ? button(trans.__('Resume'), trans.__('resume %1', one.name), 'resume')
        : button(trans.__('Pause'), trans.__('pause %1', one.name), 'pause')}
      {button(trans.__('Run now'), trans.__('run %1 now', one.name), 'run', {})}
      {one.path !== null && (
        <>
          <button
            type="button"
            class="onb-lab-button"
            aria-label={trans.__('open the notebook of %1', one.name)}
            onClick={() => {
              openFile(one.path ?? '');
            }}
          >
            {trans.__('Notebook')}
          </button>
          <button
            type="button"
            class="onb-lab-button"
            aria-label={trans.__('the runs of %1', one.name)}
            onClick={() => {
              openGrid({ path: one.path ?? '' });
            }}
          >
            {trans.__('Runs')}
          </button>
        </>
      )}
    </li>
  );
}
