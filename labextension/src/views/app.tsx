/** The whole panel. */

import { useComputed, useSignalEffect } from '@preact/signals';
import { useRef } from 'preact/hooks';

import { follow } from '../model/follow';
import { useShared } from './context';
import { DetailPane } from './detail';
import { Graph } from './graph';
import { Facts, Header } from './header';
import { List } from './list';
import { Logs } from './logs';
import { Tabs } from './tabs';
import type { Tab } from '../model/choices';
import { isLive, lookOf } from '../model/states';
import { trans } from '../model/tongue';
import { showClock } from '../model/words';

const tabs = (): readonly (readonly [Tab, string])[] => [
  ['list', trans.__('List')],
  ['graph', trans.__('Graph')],
  ['logs', trans.__('Logs')],
];
const MOST_NOTICES = 6; // as in the still picture
const FILTER_FROM = 20; // rows from which a filter helps

export function App() {
  const { model, choices, said, told, prefix } = useShared();
  const tab = choices.tab.value;
  const open = choices.open.value;
  const row = open === null ? undefined : model.rows.value[open];
  useOpeningFailures();
  useAnnouncements();
  return (
    <>
      <Header />
      <Facts />
      <div class="onb-bar-of-tabs">
        <Tabs
          label={trans.__('views of the run')}
          prefix={prefix}
          names={tabs()}
          chosen={tab}
          choose={(next) => (choices.tab.value = next)}
        />
        <span class="onb-space" />
        {tab === 'list' && <ListTools />}
      </div>
      <div
        id={`${prefix}-pane`}
        class="onb-view"
        role="tabpanel"
        aria-labelledby={`${prefix}-tab-${tab}`}
      >
        {tab === 'list' && <List />}
        {tab === 'graph' && <Graph />}
        {tab === 'logs' && <Logs />}
      </div>
      {row !== undefined && open !== null && tab !== 'logs' && (
        <DetailPane key={open} position={open} row={row} />
      )}
      {told.value !== '' && (
        <div class="onb-told" aria-hidden="true">
          <bdi>{told.value}</bdi>
        </div>
      )}
      <Footer />
      <div class="onb-hidden" role="status" aria-live="polite">
        {said.value}
      </div>
    </>
  );
}

function ListTools() {
  const { model, choices } = useShared();
  const count = model.rows.value.length;
  const others = useComputed(
    () => model.rows.value.filter((row) => row.peek().task === false).length,
  );
  return (
    <>
      {count >= FILTER_FROM && (
        <input
          aria-label={trans.__('filter by name or state')}
          class="onb-filter"
          type="search"
          placeholder={trans.__('filter: name or state')}
          value={choices.filter.value}
          onInput={(event) => (choices.filter.value = event.currentTarget.value)}
          onKeyDown={(event) => {
            event.stopPropagation(); // a notebook's one-letter commands
          }}
        />
      )}
      {others.value > 0 && (
        <button
          type="button"
          class="onb-button"
          aria-pressed={choices.all.value}
          onClick={() => (choices.all.value = !choices.all.value)}
        >
          {trans.__('All %1 rows', count)}
        </button>
      )}
    </>
  );
}

function Footer() {
  const { model } = useShared();
  const { state, message, notices, files } = model.header.value;
  const failed = model.counts.value.failed > 0;
  const lines: string[] = [];
  if (message && !failed && lookOf(state).phase !== 'done') lines.push(message);
  if (files.length > 0) {
    const more = files.length > 4 ? ` +${files.length - 4}` : '';
    lines.push(trans.__('files: %1', files.slice(0, 4).join(', ') + more));
  }
  lines.push(...notices.slice(-MOST_NOTICES));
  if (lines.length === 0) return null;
  return (
    <div class="onb-footer">
      {lines.map((line, place) => (
        <div key={place}>
          <bdi>{line}</bdi>
        </div>
      ))}
    </div>
  );
}

/** The first failed row opens by itself once the run has ended, unless the reader chose another. */
function useOpeningFailures(): void {
  const { model, choices } = useShared();
  useSignalEffect(() => {
    follow(model.turn);
    if (isLive(model.header.value.state) || choices.chosen.peek()) return;
    if (choices.open.peek() !== null) return;
    const failed = model.rows.value.findIndex((row) => lookOf(row.peek().state).phase === 'failed');
    if (failed >= 0) choices.open.value = failed;
  });
}

/** Says what matters of the whole run, never every row. */
function useAnnouncements(): void {
  const { model, said } = useShared();
  const last = useRef('');
  useSignalEffect(() => {
    const { flow, state, seconds } = model.header.value;
    const { failed } = model.counts.value;
    const word = lookOf(state).word.toLowerCase();
    const took = seconds === null ? '' : ` ${trans.__('after %1', showClock(seconds))}`;
    const lost = failed > 0 ? `, ${trans._n('%1 task failed', '%1 tasks failed', failed)}` : '';
    const words = trans.__('%1 is %2', flow, word) + took + lost;
    if (last.current !== '' && last.current !== words) said.value = words;
    last.current = words;
  });
}
