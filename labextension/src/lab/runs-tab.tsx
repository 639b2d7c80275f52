/** The runs: filtered by state, flow, tag and time, searched, resumed together, opened. */

import { useSignal } from '@preact/signals';
import type { Signal } from '@preact/signals';

import { useDoors } from './context';
import type { RunRecord } from './records';
import { RESUMABLE, STATE_CHOICES, type RunList } from './run-list';
import { resumeMany } from './resuming';
import { agoOf, secondsOf } from './times';
import { VirtualList } from './virtual-list';
import { lookOf } from '../model/states';
import { showDuration } from '../model/words';
import { Mark } from '../views/mark';

const ROW = 44;

export function RunsTab({ list }: { list: RunList }) {
  const { trans } = useDoors();
  const runs = list.runs.value;
  return (
    <>
      <Filters list={list} />
      <Together list={list} />
      {list.trouble.value !== '' && <p class="onb-lab-problem">{list.trouble.value}</p>}
      <p class="onb-lab-dim onb-lab-count" role="status">
        {!list.done.value
          ? trans.__('%1+ runs', runs.length)
          : runs.length === 0
            ? trans.__('No runs')
            : trans._n('%1 run', '%1 runs', runs.length)}
      </p>
      <VirtualList
        label={trans.__('runs')}
        count={runs.length}
        height={ROW}
        row={(place) => <Row run={runs[place]} list={list} />}
        onNearEnd={() => void list.more()}
      />
    </>
  );
}

function Row({ run, list }: { run: RunRecord | undefined; list: RunList }) {
  const { openRun, trans } = useDoors();
  if (run === undefined) return null;
  const seconds = secondsOf(run);
  const word = lookOf(run.state_name).word;
  return (
    <div class="onb-lab-line">
      <input
        type="checkbox"
        disabled={!RESUMABLE.has(run.state_name)}
        checked={list.chosen.value.has(run.id)}
        aria-label={trans.__('choose %1', run.name)}
        onChange={(event) => {
          list.choose(run.id, event.currentTarget.checked);
        }}
      />
      <button
        type="button"
        class="onb-lab-row"
        title={run.state_message || `${run.flow} · ${run.name}`}
        onClick={() => {
          openRun(run.id);
        }}
      >
        <Mark state={run.state_name} />
        <span class="onb-lab-two">
          <bdi class="onb-lab-name onb-lab-cut">{`${run.flow} · ${run.name}`}</bdi>
          <span class="onb-lab-facts onb-lab-cut">
            {[word, seconds === null ? '' : showDuration(seconds), agoOf(run, trans)]
              .filter(Boolean)
              .join(' · ')}
          </span>
        </span>
      </button>
    </div>
  );
}

function Filters({ list }: { list: RunList }) {
  const { trans, openGrid } = useDoors();
  const states: Record<keyof typeof STATE_CHOICES, string> = {
    running: trans.__('Running'),
    waiting: trans.__('Waiting'),
    failed: trans.__('Failed'),
    completed: trans.__('Completed'),
    cancelled: trans.__('Cancelled'),
  };
  return (
    <div class="onb-lab-filters" role="search">
      <Text words={trans.__('search: run, flow or notebook')} value={list.search} />
      <select
        aria-label={trans.__('state')}
        value={list.state.value}
        onChange={(event) => {
          list.state.value = event.currentTarget.value as keyof typeof STATE_CHOICES;
        }}
      >
        <option value="">{trans.__('any state')}</option>
        {Object.entries(states).map(([value, words]) => (
          <option key={value} value={value}>
            {words}
          </option>
        ))}
      </select>
      <select
        aria-label={trans.__('time')}
        value={String(list.hours.value)}
        onChange={(event) => {
          list.hours.value = Number(event.currentTarget.value);
        }}
      >
        <option value="0">{trans.__('any time')}</option>
        <option value="1">{trans.__('last hour')}</option>
        <option value="24">{trans.__('last day')}</option>
        <option value="168">{trans.__('last week')}</option>
        <option value="720">{trans.__('last 30 days')}</option>
      </select>
      <Text words={trans.__('flow')} value={list.flow} />
      <Text words={trans.__('tag')} value={list.tag} />
      <button
        type="button"
        class="onb-lab-button"
        onClick={() => {
          openGrid(list.flow.value ? { flow: list.flow.value } : {});
        }}
      >
        {trans.__('Grid')}
      </button>
    </div>
  );
}

function Text({ words, value }: { words: string; value: Signal<string> }) {
  return (
    <input
      type="search"
      placeholder={words}
      aria-label={words}
      value={value.value}
      onInput={(event) => {
        value.value = event.currentTarget.value;
      }}
    />
  );
}

/** What can be done with all that is chosen. */
function Together({ list }: { list: RunList }) {
  const doors = useDoors();
  const said = useSignal('');
  const { trans } = doors;
  const chosen = list.chosen.value;
  const broken = list.runs.value.filter((run) => RESUMABLE.has(run.state_name));
  if (broken.length === 0 && said.value === '') return null;
  return (
    <div class="onb-lab-tools">
      <button
        type="button"
        class="onb-lab-button"
        disabled={broken.length === 0}
        onClick={() => {
          list.chosen.value = chosen.size > 0 ? new Set() : new Set(broken.map((run) => run.id));
        }}
      >
        {chosen.size > 0 ? trans.__('Choose none') : trans.__('Choose all failed')}
      </button>
      {chosen.size > 0 && (
        <button
          type="button"
          class="onb-lab-button onb-lab-primary"
          onClick={() => {
            const runs = list.runs.peek().filter((run) => chosen.has(run.id));
            list.chosen.value = new Set();
            void resumeMany(runs, doors, (words) => (said.value = words));
          }}
        >
          {trans.__('Resume %1', chosen.size)}
        </button>
      )}
      <span role="status">{said.value}</span>
    </div>
  );
}
