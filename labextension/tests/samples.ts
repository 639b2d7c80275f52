/** Rows and runs for tests that need some. */

import type { Delta, Row, RunHeader, Snapshot } from '../src/schema';

export function aRow(cell: number, fields: Partial<Row> = {}): Row {
  return { cell, name: `task${cell}`, state: 'Pending', ...fields };
}

export function aHeader(fields: Partial<RunHeader> = {}): RunHeader {
  return {
    id: 'ab12',
    name: 'brave-otter',
    flow: 'sales',
    notebook: 'sales.ipynb',
    state: 'Running',
    message: '',
    parameters: [],
    runner: 'local',
    workers: 4,
    cells: 9,
    tasks: 4,
    began: 1000,
    seconds: null,
    expected: null,
    output: '',
    files: [],
    notices: [],
    actions: {},
    ...fields,
  };
}

export function aSnapshot(rows: Row[], fields: Partial<Snapshot> = {}): Snapshot {
  return {
    type: 'snapshot',
    seq: 0,
    now: 0,
    run: aHeader(),
    rows,
    graph: { nodes: [], edges: [] },
    logs: [],
    first_log: 0,
    ...fields,
  };
}

export function aDelta(seq: number, fields: Partial<Delta> = {}): Delta {
  return { type: 'delta', seq, now: seq, ...fields };
}
