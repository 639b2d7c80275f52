/** The part of the schedule form that says when: three ways, a zone, and the server's words. */

import type { TranslationBundle } from '@jupyterlab/translation';

import { call, wordsOf } from './api';
import { choice, field, make } from './dom';
import { showTime } from './times';

const PAUSE = 250; // milliseconds of quiet before the server is asked
const SHOWN = 5; // next times; the first is shown at once

export interface WhenPart {
  readonly nodes: HTMLElement[];
  /** The schedule as the API takes it. */
  schedule(): Record<string, string>;
}

interface Preview {
  schedules: { sentence: string }[];
  next_times: string[];
}

export function whenPart(trans: TranslationBundle): WhenPart {
  const way = (value: string, label: string) => {
    const radio = make('input', { type: 'radio', name: 'when', value, 'aria-label': label });
    radio.checked = value === 'days';
    return radio;
  };
  const byDays = way('days', trans.__('on days'));
  const byCron = way('cron', trans.__('by a cron expression'));
  const byEvery = way('every', trans.__('at an interval'));
  const days = choice('days', trans.__('days'), [
    ['1-5', trans.__('Weekdays')],
    ['*', trans.__('Every day')],
    ['1', trans.__('Mondays')],
    ['0,6', trans.__('Weekends')],
  ]);
  const at = make('input', { type: 'time', name: 'at', value: '06:00' });
  at.setAttribute('aria-label', trans.__('time of day'));
  const cron = text('cron', '0 6 * * 1-5', trans.__('cron expression'));
  const every = text('every', '15 min', trans.__('interval'));
  const zone = text('zone', Intl.DateTimeFormat().resolvedOptions().timeZone, trans.__('zone'));
  const known = make('datalist', { id: 'orch-nb-zones' });
  for (const name of Intl.supportedValuesOf('timeZone'))
    known.append(make('option', { value: name }));
  zone.setAttribute('list', known.id);
  const said = make('p', { class: 'onb-lab-sentence', 'aria-live': 'polite' });

  const schedule = (): Record<string, string> => {
    const own = { zone: zone.value };
    if (byCron.checked) return { cron: cron.value, ...own };
    if (byEvery.checked) return { every: every.value, ...own };
    const [hour, minute] = at.value.split(':').map(Number);
    return { cron: `${minute ?? 0} ${hour ?? 0} * * ${days.value}`, ...own };
  };
  async function preview(): Promise<void> {
    try {
      const asked = { schedules: [schedule()], count: SHOWN };
      const found = await call<Preview>('POST', '/schedules/preview', asked);
      const [next, ...later] = found.next_times.map(showTime);
      const rest = make('span', { title: later.join('\n') }, ` · +${later.length}`);
      const words = `${found.schedules[0]?.sentence ?? ''}. ${trans.__('Next: %1', next ?? '')}`;
      said.replaceChildren(words, rest);
    } catch (error) {
      said.textContent = wordsOf(error);
    }
  }
  let timer = 0;
  const later = (event: Event) => {
    const { target } = event;
    if (target === cron) byCron.checked = true;
    if (target === every) byEvery.checked = true;
    if (target === at || target === days) byDays.checked = true;
    clearTimeout(timer);
    timer = window.setTimeout(() => void preview(), PAUSE);
  };
  const nodes = [
    field(trans.__('When'), byDays, days, trans.__('at'), at),
    field('', byCron, trans.__('Cron'), cron),
    field('', byEvery, trans.__('Every'), every),
    field(trans.__('Zone'), zone, known, trans.__('(your browser’s)')),
    said,
  ];
  for (const node of nodes) node.addEventListener('input', later);
  void preview();
  return { nodes, schedule };
}

function text(name: string, value: string, label: string): HTMLInputElement {
  const input = make('input', { type: 'text', name, 'aria-label': label });
  input.value = value;
  return input;
}
