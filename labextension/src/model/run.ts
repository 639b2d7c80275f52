/** The state of one run as signals: no DOM, no clock of its own; messages go in, views read. */

import { batch, computed, signal, type ReadonlySignal, type Signal } from '@preact/signals';

import { follow } from './follow';
import { isLive, lookOf, type Phase } from './states';
import type { Delta, GraphPicture, LogLine, Row, RunHeader, Snapshot } from '../schema';

const MOST_LOGS = 500;

export type Counts = Readonly<Record<Phase, number>>;

export class RunModel {
  readonly header: Signal<RunHeader>;
  readonly graph: Signal<GraphPicture>;
  readonly logs: Signal<readonly LogLine[]>;
  /** One signal a row, so that a change redraws that row only. */
  readonly rows: Signal<readonly Signal<Row>[]>;
  /** Raised whenever some row's state is another: what order and counts go by. */
  readonly turn: Signal<number> = signal(0);
  /** The run's clock at the last message, and when that came, in seconds of `clock`. */
  readonly live: ReadonlySignal<boolean>;
  readonly counts: ReadonlySignal<Counts>;
  seq: number;
  private cells = new Map<number, number>();
  private told: number | null;
  private toldAt: number;

  /** `clock` gives seconds that never go back. */
  constructor(
    snapshot: Snapshot,
    private readonly clock: () => number,
  ) {
    this.header = signal(snapshot.run);
    this.graph = signal(snapshot.graph);
    this.logs = signal(snapshot.logs);
    this.rows = signal(snapshot.rows.map((row) => signal(row)));
    this.seq = snapshot.seq;
    this.told = snapshot.now;
    this.toldAt = clock();
    this.index();
    this.live = computed(() => isLive(this.header.value.state));
    this.counts = computed(() => this.count());
  }

  /** Takes in a message; false when one before it was missed, and a snapshot must be asked for. */
  take(message: Snapshot | Delta): boolean {
    if (message.type === 'snapshot') {
      if (message.seq >= this.seq) this.replace(message);
      return true;
    }
    if (message.seq <= this.seq) return true;
    if (message.seq !== this.seq + 1) return false;
    batch(() => {
      this.apply(message);
    });
    return true;
  }

  /** Seconds of the run now, by the clock; what was told last when it does not run. */
  elapsed(): number {
    if (this.told === null) return 0;
    if (!this.live.peek()) return this.header.peek().seconds ?? this.told;
    return this.told + (this.clock() - this.toldAt);
  }

  /** Whether the cell of this number has ended well. */
  isDone(cell: number): boolean {
    const row = this.rows.peek()[this.cells.get(cell) ?? -1];
    return row === undefined || lookOf(row.peek().state).phase === 'done';
  }

  /** All of it as one snapshot, to be kept with a notebook. */
  snapshot(): Snapshot {
    return {
      type: 'snapshot',
      seq: this.seq,
      now: this.told,
      run: this.header.peek(),
      rows: this.rows.peek().map((row) => row.peek()),
      graph: this.graph.peek(),
      logs: [...this.logs.peek()],
      first_log: 0,
    };
  }

  private apply(delta: Delta): void {
    this.seq = delta.seq;
    this.told = delta.now;
    this.toldAt = this.clock();
    if (delta.run) this.header.value = { ...this.header.peek(), ...delta.run };
    if (delta.logs) this.logs.value = [...this.logs.peek(), ...delta.logs].slice(-MOST_LOGS);
    let turned = false;
    const added: Signal<Row>[] = [];
    const known = this.rows.peek();
    for (const [position, fields] of delta.rows ?? []) {
      const row = known[position];
      const merged = merge(row?.peek(), fields);
      if (row === undefined) {
        added.push(signal(merged));
        turned = true;
      } else {
        if (row.peek().state !== merged.state) turned = true;
        row.value = merged;
      }
    }
    if (added.length > 0) {
      this.rows.value = [...known, ...added];
      this.index();
    }
    if (turned) this.turn.value += 1;
  }

  private replace(snapshot: Snapshot): void {
    batch(() => {
      this.seq = snapshot.seq;
      this.told = snapshot.now;
      this.toldAt = this.clock();
      this.header.value = snapshot.run;
      this.graph.value = snapshot.graph;
      this.logs.value = snapshot.logs;
      this.rows.value = snapshot.rows.map((row) => signal(row));
      this.index();
      this.turn.value += 1;
    });
  }

  private index(): void {
    this.cells = new Map();
    this.rows.peek().forEach((row, position) => {
      const { cell, item } = row.peek();
      if (item === undefined) this.cells.set(cell, position);
    });
  }

  private count(): Counts {
    follow(this.turn);
    const counts = { waiting: 0, running: 0, done: 0, failed: 0, 'left-out': 0 };
    for (const signalled of this.rows.value) {
      const row = signalled.peek();
      const { phase } = lookOf(row.state);
      // a cell's calls are counted by its own row
      if (row.task !== false || (phase === 'failed' && row.item === undefined)) counts[phase] += 1;
    }
    return counts;
  }
}

function merge(old: Row | undefined, fields: Record<string, unknown>): Row {
  const merged: Record<string, unknown> = { cell: 0, name: '', state: '', ...old };
  for (const [name, value] of Object.entries(fields)) {
    if (value === null) Reflect.deleteProperty(merged, name);
    else merged[name] = value;
  }
  return merged as unknown as Row;
}
