/** Times of records in words. */

import type { TranslationBundle } from '@jupyterlab/translation';

import type { RunRecord } from './records';

/** How long a run took; null while it has no end. */
export function secondsOf(run: RunRecord): number | null {
  if (run.start_time === null || run.end_time === null) return null;
  return Math.max(0, (Date.parse(run.end_time) - Date.parse(run.start_time)) / 1000);
}

/** `3 min ago`, `Mon 06:00`; empty for a run without a time. */
export function agoOf(run: RunRecord, trans: TranslationBundle): string {
  const text = run.start_time ?? run.scheduled_time;
  if (text === null) return '';
  const minutes = (Date.now() - Date.parse(text)) / 60_000;
  if (minutes < 0) return showTime(text);
  if (minutes < 1) return trans.__('now');
  if (minutes < 60) return trans.__('%1 min ago', Math.floor(minutes));
  if (minutes < 24 * 60) return trans.__('%1 h ago', Math.floor(minutes / 60));
  return new Date(text).toLocaleDateString(undefined, { month: 'short', day: 'numeric' });
}

/** `15 min`, `2 hours` or `1h30m` as the API takes it: `15m`, `2h`, `1h30m`. */
export function durationOf(text: string): string {
  const short = text.toLowerCase().replace(/\s+/g, '');
  return short.replace(/(\d)(ms|[smhd])[a-z]*/g, '$1$2');
}

/** A moment as the reader's own clock and language have it: `Mon 26 Oct, 06:00`. */
export function showTime(text: string): string {
  return new Date(text).toLocaleString(undefined, {
    weekday: 'short',
    day: 'numeric',
    month: 'short',
    hour: '2-digit',
    minute: '2-digit',
  });
}
