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
      const kept = {
        tab: this.tab.value,
        open: this.open.value,
        all: this.all.value,
        chosen: this.chosen.value,
      };
      keeper.write(key, JSON.stringify(kept));
    });
  }

  choose(row: number | null): void {
    this.chosen.value = true;
    this.open.value = row;
  }

  dispose(): void {
    this.stop();
  }

  private restore(text: string | null): void {
    if (text === null) return;
    let kept: unknown;
    try {
      kept = JSON.parse(text);
    } catch {
      return;
    }
    if (typeof kept !== 'object' || kept === null) return;
    const { tab, open, all, chosen } = kept as Record<string, unknown>;
    if (tab === 'list' || tab === 'graph' || tab === 'logs') this.tab.value = tab;
    if (typeof open === 'number') this.open.value = open;
    if (typeof all === 'boolean') this.all.value = all;
    if (typeof chosen === 'boolean') this.chosen.value = chosen;
  }
}
