/** The list of recorded runs, read as far as somebody scrolls, and kept up to date. No DOM. */

import { effect, signal, type Signal } from '@preact/signals';

import { call, query, wordsOf } from './api';
import type { RunRecord } from './records';
import type { Change, Stream } from './stream';
import { follow } from '../model/follow';

const PAGE = 500;
const TOP = 50; // runs looked at again when something happened
const QUIET = 300; // milliseconds that news and keystrokes are gathered

/** The states that a choice of the filter stands for. */
export const STATE_CHOICES = {
  running: ['RUNNING', 'PENDING', 'CANCELLING'],
  waiting: ['SCHEDULED', 'PAUSED'],
  failed: ['FAILED', 'CRASHED'],
  completed: ['COMPLETED'],
  cancelled: ['CANCELLED'],
} as const;

export const RESUMABLE: ReadonlySet<string> = new Set([
  'Failed',
  'TimedOut',
  'Crashed',
  'Cancelled',
]);

export class RunList {
  readonly search = signal('');
  readonly state: Signal<keyof typeof STATE_CHOICES | ''> = signal('');
  readonly flow = signal('');
  readonly tag = signal('');
  /** Only runs of the last so many hours; 0 for all. */
  readonly hours = signal(0);
  readonly runs: Signal<readonly RunRecord[]> = signal([]);
  readonly trouble = signal('');
  readonly done = signal(false);
  readonly chosen: Signal<ReadonlySet<string>> = signal(new Set());
  private cursor = '';
  private number = 0;
  private loading = false;
  private timer = 0;
  private readonly stops: (() => void)[];

  constructor(
    stream: Stream,
    private readonly isShown: () => boolean,
  ) {
    let first = true;
    this.stops = [
      stream.listen((told) => {
        if (told.type === 'again') this.later(true);
        else if (told.type === 'change' && told.task === null) this.hear(told);
      }),
      effect(() => {
        for (const part of [this.search, this.state, this.flow, this.tag, this.hours]) follow(part);
        this.chosen.value = new Set(); // what is not in sight must not be resumed
        if (!first) this.later(true);
        first = false;
      }),
    ];
  }

  dispose(): void {
    clearTimeout(this.timer);
    for (const stop of this.stops) stop();
  }

  /** Begins anew. */
  async reload(): Promise<void> {
    const number = ++this.number;
    this.loading = true;
    try {
      const page = await this.page('', PAGE);
      if (number !== this.number) return;
      this.take(page.runs, page.cursor);
      this.trouble.value = '';
    } catch (error) {
      this.trouble.value = wordsOf(error);
    } finally {
      this.loading = false;
    }
  }

  /** Reads on, when there is more. */
  async more(): Promise<void> {
    if (this.loading || this.done.peek() || this.runs.peek().length === 0) return;
    const number = this.number;
    this.loading = true;
    try {
      const page = await this.page(this.cursor, PAGE);
      if (number === this.number) this.take([...this.runs.peek(), ...page.runs], page.cursor);
    } catch (error) {
      this.trouble.value = wordsOf(error);
    } finally {
      this.loading = false;
    }
  }

  choose(run: string, on: boolean): void {
    const chosen = new Set(this.chosen.peek());
    if (on) chosen.add(run);
    else chosen.delete(run);
    this.chosen.value = chosen;
  }

  /** Looks again when the list is shown anew. */
  later(whole: boolean): void {
    if (!this.isShown()) return;
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void (whole ? this.reload() : this.top()), QUIET);
  }

  private take(runs: readonly RunRecord[], cursor: string | null): void {
    this.runs.value = runs;
    this.cursor = cursor ?? '';
    this.done.value = cursor === null;
  }

  private hear(told: Change): void {
    const runs = this.runs.peek();
    const place = runs.findIndex((run) => run.id === told.run);
    const old = runs[place];
    if (old === undefined || this.state.peek() !== '') this.later(this.state.peek() !== '');
    else {
      const changed = { ...old, state_name: told.new };
      this.runs.value = runs.with(place, changed);
      this.later(false); // what else has changed
    }
  }

  /** The newest runs once more; what is known of the others stays. */
  private async top(): Promise<void> {
    const number = this.number;
    try {
      const page = await this.page('', TOP);
      if (number !== this.number) return;
      const fresh = new Set(page.runs.map((run) => run.id));
      const oldest = page.runs.at(-1)?.id ?? '';
      const rest = this.runs.peek().filter((run) => !fresh.has(run.id) && run.id < oldest);
      this.runs.value = [...page.runs, ...rest];
    } catch (error) {
      this.trouble.value = wordsOf(error);
    }
  }

  private page(
    cursor: string,
    limit: number,
  ): Promise<{ runs: RunRecord[]; cursor: string | null }> {
    const asked = { cursor, limit, ...this.asked() };
    return call('GET', `/runs${query(asked)}`);
  }

  private asked(): Record<string, string | readonly string[]> {
    const state = this.state.peek();
    const hours = this.hours.peek();
    return {
      search: this.search.peek(),
      flow: this.flow.peek(),
      tag: this.tag.peek() ? [this.tag.peek()] : [],
      type: state ? STATE_CHOICES[state] : [],
      since: hours > 0 ? new Date(Date.now() - hours * 3_600_000).toISOString() : '',
    };
  }
}
