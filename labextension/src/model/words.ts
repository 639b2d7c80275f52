/** Durations, sizes and rows in words. */

import { lookOf } from './states';
import { trans } from './tongue';
import type { Row } from '../schema';

/** `8.1s` under a minute, else `2:10` or `1:02:10`. */
export function showDuration(seconds: number): string {
  const positive = Math.max(0, seconds);
  return positive < 59.95 ? `${positive.toFixed(1)}s` : showClock(positive);
}

/** `0:14`, `2:10`, `1:02:10`. */
export function showClock(seconds: number): string {
  const whole = Math.floor(Math.max(0, seconds) + 1e-6);
  const hours = Math.floor(whole / 3600);
  const minutes = Math.floor(whole / 60) % 60;
  const rest = String(whole % 60).padStart(2, '0');
  return hours > 0 ? `${hours}:${String(minutes).padStart(2, '0')}:${rest}` : `${minutes}:${rest}`;
}

/** `512 kB`, `1.2 GB`. */
export function showBytes(count: number): string {
  let size = count;
  for (const unit of ['B', 'kB', 'MB']) {
    if (size < 999.5) return `${size.toFixed(0)} ${unit}`;
    size /= 1000;
  }
  return `${size.toFixed(1)} GB`;
}

/** `3 tasks of 5 cells`. */
export function tasksOf(tasks: number, cells: number): string {
  return trans._n('%1 task of %2', '%1 tasks of %2', tasks, trans._n('%1 cell', '%1 cells', cells));
}

export function nameOf({ name, item, calls }: Row): string {
  if (calls) return `${name} ×${calls.reduce((sum, count) => sum + count)}`;
  return item === undefined ? name : `${name} #${item}`;
}

/** `231 completed, 3 failed`: how its calls stand; nothing once all have completed. */
function countsOf({ calls = [] }: Row): string {
  if (!calls.some((count, place) => count > 0 && place > 0)) return '';
  const words = [
    trans.__('completed'),
    trans.__('running'),
    trans.__('waiting'),
    trans.__('failed'),
    trans.__('not run'),
  ];
  const parts = calls.map((count, place) => (count > 0 ? `${count} ${words[place] ?? ''}` : ''));
  return parts.filter(Boolean).join(', ');
}

/** `cell 5, line 2`; nothing where the name says it already. */
export function placeOf(row: Row): string {
  const line = row.error?.line;
  const cell = trans.__('cell %1', row.cell);
  const named = row.name !== `cell-${row.cell}`;
  if (line === null || line === undefined) return named ? cell : '';
  const words = trans.__('line %1', line);
  return named ? `${cell}, ${words}` : words;
}

/** What stands beside a row's bar: its error, progress, memory, or what it waits for. */
export function noteOf(row: Row, isDone: (cell: number) => boolean, alike?: number): string {
  const parts: string[] = [];
  const { phase } = lookOf(row.state);
  const counts = countsOf(row);
  if (counts) parts.push(counts);
  if (row.pace) parts.push(row.pace);
  if (alike) parts.push(trans.__('%1 more alike', alike));
  if (row.error) {
    parts.push(row.error.value ? `${row.error.name}: ${row.error.value}` : row.error.name);
  } else if (phase === 'running') {
    if (typeof row.percent === 'number') parts.push(`${Math.round(row.percent)} %`);
    if (row.progress) parts.push(row.progress);
  } else if (row.message && phase !== 'done') {
    parts.push(phase === 'left-out' ? trans.__('not run: %1', row.message) : row.message);
  }
  if (phase === 'waiting' && row.waits) {
    const open = row.waits.filter(([, cell]) => !isDone(cell));
    if (open.length > 0) parts.push(trans.__('waits for %1', listNames(open)));
  }
  const attempt = row.attempt ?? 1;
  if (attempt > 1) parts.push(triesOf(attempt, Math.max(attempt, row.of ?? 1)));
  if (row.memory) parts.push(showBytes(row.memory));
  return parts.join(' · ');
}

/** `attempt 2 of 4`. */
export function triesOf(attempt: number, of: number): string {
  return trans.__('attempt %1 of %2', attempt, of);
}

function listNames(waits: readonly [string, number][]): string {
  const shown = waits.slice(0, 4).map(([name, cell]) => `${name} (${cell})`);
  if (waits.length > 4) shown.push(`+${waits.length - 4}`);
  return shown.join(', ');
}
