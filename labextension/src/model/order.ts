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

/** The indices of the rows shown, in the order shown. */
export function orderRows(rows: readonly Row[], wanted: Wanted): number[] {
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
    (phase === 'failed' ? failed : others).push(position);
  });
  return [...failed, ...others];
}

function tookLong(row: Row): boolean {
  return typeof row.end === 'number' && row.end - (row.start ?? 0) >= NOTABLE_SECONDS;
}
