/** What the reader chose to look at: survives a reload of the page, if there is a place to keep it. */

import { effect, signal, type Signal } from '@preact/signals';

export type Tab = 'list' | 'graph' | 'logs';

export interface Keeper {
  read(key: string): string | null;
  write(key: string, value: string): void;
}

export class Choices {
  readonly tab: Signal<Tab> = signal('list');
  /** The index of the row whose detail is open. */
  readonly open: Signal<number | null> = signal(null);
  readonly all: Signal<boolean> = signal(false);
  readonly filter: Signal<string> = signal('');
  /** Whether the reader has closed or chosen a row: then nothing opens by itself. */
  readonly chosen: Signal<boolean> = signal(false);
  private readonly stop: () => void;

  constructor(run: string, keeper: Keeper) {
    const key = `orch_nb.${run}`;
    this.restore(keeper.read(key));
    this.stop = effect(() => {
      const kept = { tab: this.tab.value, all: this.all.value };
      const open = this.chosen.value ? { open: this.open.value } : {};
      keeper.write(key, JSON.stringify({ ...kept, ...open }));
    });
  }

  choose(row: number | null): void {
    this.chosen.value = true;
    this.open.value = row;
  }

  dispose(): void {
    this.stop();
  }

  /** What does not fit was written by another version, or by somebody else. */
  private restore(text: string | null): void {
    try {
      const kept = JSON.parse(text ?? '{}') as Partial<Record<'tab' | 'open' | 'all', unknown>>;
      if (kept.tab === 'graph' || kept.tab === 'logs') this.tab.value = kept.tab;
      if (typeof kept.open === 'number') this.open.value = kept.open;
      this.all.value = kept.all === true;
      this.chosen.value = 'open' in kept;
    } catch {
      // then it begins anew
    }
  }
}
