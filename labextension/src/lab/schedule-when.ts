/** The part of the schedule form that says when: a few ways, a zone, and the server's words. */

import type { TranslationBundle } from '@jupyterlab/translation';

import { call, wordsOf } from './api';
import { choice, field, make } from './dom';
import type { DeploymentDetails } from './records';
import { durationOf, showTime } from './times';

const PAUSE = 250; // milliseconds of quiet before the server is asked
const SHOWN = 5; // next times; the first is shown at once

export interface WhenPart {
  readonly nodes: HTMLElement[];
  /** The schedule as the API takes it; null for those that are there already. */
  schedule(): Record<string, string> | null;
}

interface Preview {
  schedules: { sentence: string }[];
  next_times: string[];
}

/** `old` is a deployment whose schedules stay unless another way is chosen. */
export function whenPart(trans: TranslationBundle, old: DeploymentDetails | null): WhenPart {
  const has = old !== null && old.schedules.length > 0;
  const begin = startOf(old);
  const way = (value: string, label: string, checked: boolean) => {
    const radio = make('input', { type: 'radio', name: 'when', value, 'aria-label': label });
    radio.checked = checked;
    return radio;
  };
  const asBefore = way('before', trans.__('as before'), has);
  const byDays = way('days', trans.__('on days'), !has);
  const byCron = way('cron', trans.__('by a cron expression'), false);
  const byEvery = way('every', trans.__('at an interval'), false);
  const days = choice('days', trans.__('days'), [
    ['1-5', trans.__('Weekdays')],
    ['*', trans.__('Every day')],
    ['1', trans.__('Mondays')],
    ['0,6', trans.__('Weekends')],
  ]);
  const at = make('input', { type: 'time', name: 'at', value: '06:00' });
  at.setAttribute('aria-label', trans.__('time of day'));
  const cron = text('cron', begin.cron, trans.__('cron expression'));
  const every = text('every', begin.every, trans.__('interval'));
  const browsers = Intl.DateTimeFormat().resolvedOptions().timeZone;
  const zone = text('zone', begin.zone || browsers, trans.__('zone'));
  const known = make('datalist', { id: 'orch-nb-zones' });
  for (const name of Intl.supportedValuesOf('timeZone'))
    known.append(make('option', { value: name }));
  zone.setAttribute('list', known.id);
  const whose = make('span', { class: 'onb-lab-dim' });
  const said = make('p', { class: 'onb-lab-sentence', 'aria-live': 'polite' });

  const schedule = (): Record<string, string> | null => {
    if (asBefore.checked) return null;
    const own = { zone: zone.value };
    if (byCron.checked) return { cron: cron.value, ...own };
    if (byEvery.checked) return { every: durationOf(every.value), ...own };
    const [hour, minute] = at.value.split(':').map(Number);
    return { cron: `${minute ?? 0} ${hour ?? 0} * * ${days.value}`, ...own };
  };
  let asked = 0;
  async function preview(): Promise<void> {
    const number = ++asked;
    whose.textContent = zone.value === browsers ? trans.__('(your browser’s)') : '';
    const chosen = schedule();
    if (chosen === null) {
      say(old?.sentences ?? [], old?.next_times ?? []);
      return;
    }
    try {
      const wish = { schedules: [chosen], count: SHOWN };
      const found = await call<Preview>('POST', '/schedules/preview', wish);
      if (number === asked) say([found.schedules[0]?.sentence ?? ''], found.next_times);
    } catch (error) {
      if (number === asked) said.textContent = wordsOf(error);
    }
  }
  function say(sentences: readonly string[], times: readonly string[]): void {
    const [next, ...later] = times.map(showTime);
    const words = `${sentences.join('; ')}. ${trans.__('Next: %1', next ?? '')}`;
    const rest = make(
      'details',
      { class: 'onb-lab-later' },
      make(
        'summary',
        { 'aria-label': trans.__('%1 later times', later.length) },
        `+${later.length}`,
      ),
      ...later.map((time) => make('div', {}, time)),
    );
    said.replaceChildren(words, ...(later.length > 0 ? [rest] : []));
  }
  let timer = 0;
  const later = (event: Event) => {
    const { target } = event;
    if (target === cron) byCron.checked = true;
    if (target === every) byEvery.checked = true;
    if (target === at || target === days) byDays.checked = true;
    if (target === zone && asBefore.checked) byCron.checked = true;
    clearTimeout(timer);
    timer = window.setTimeout(() => void preview(), PAUSE);
  };
  const nodes = [
    ...(has ? [field(trans.__('When'), asBefore, trans.__('as before'))] : []),
    field(has ? '' : trans.__('When'), byDays, days, trans.__('at'), at),
    field('', byCron, trans.__('Cron'), cron),
    field('', byEvery, trans.__('Every'), every),
    field(trans.__('Zone'), zone, known, whose),
    said,
  ];
  for (const node of nodes) node.addEventListener('input', later);
  void preview();
  return { nodes, schedule };
}

/** What the fields begin with: the deployment's own schedule, as far as they can show it. */
function startOf(old: DeploymentDetails | null): { cron: string; every: string; zone: string } {
  const first = old?.schedules[0];
  const seconds = first?.every ?? 900;
  return {
    cron: first?.cron ?? '0 6 * * 1-5',
    every: seconds % 60 === 0 ? `${seconds / 60} min` : `${seconds} s`,
    zone: first?.zone ?? '',
  };
}

function text(name: string, value: string, label: string): HTMLInputElement {
  const input = make('input', { type: 'text', name, 'aria-label': label });
  input.value = value;
  return input;
}
