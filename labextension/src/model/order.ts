/** Which rows the list shows, and in which order: failures first, then the document's. */

import { lookOf } from './states';
import type { Row } from '../schema';

export const NOTABLE_SECONDS = 1;

export interface Wanted {
  /** Also the cells that don't count as tasks. */
  readonly all: boolean;
  /** Part of a name or state's word; empty for all. */
  readonly filter: string;
}

/** How many failed calls of its cell a row stands for, beside itself, by its index. */
export type Alike = number[];

/** The indices of the rows shown, in the order shown; of failed calls with one kind of error only
 *  the first, which is noted in `alike`. */
export function orderRows(rows: readonly Row[], wanted: Wanted, alike: Alike): number[] {
  const firsts: Record<string, number> = {};
  const needle = wanted.filter.trim().toLowerCase();
  const failed: number[] = [];
  const others: number[] = [];
  rows.forEach((row, position) => {
    const { phase, word } = lookOf(row.state);
    const notable =
      row.task !== false || phase === 'failed' || (row.item === undefined && tookLong(row));
    if (!wanted.all && !notable) return;
    if (needle && !row.name.toLowerCase().includes(needle) && !word.toLowerCase().includes(needle))
      return;
    if (row.item !== undefined && row.error && !wanted.all) {
      const first = (firsts[`${row.cell} ${row.error.name}`] ??= position);
      alike[first] = first === position ? 0 : (alike[first] ?? 0) + 1;
      if (alike[first]) return;
    }
    (phase === 'failed' ? failed : others).push(position);
  });
  return [...failed, ...others];
}

function tookLong(row: Row): boolean {
  return typeof row.end === 'number' && row.end - (row.start ?? 0) >= NOTABLE_SECONDS;
}
