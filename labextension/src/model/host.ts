/** Where a view's questions go: to Python through a comm, or to a server; perhaps to nobody. */

import { signal, type ReadonlySignal, type Signal } from '@preact/signals';

import type { Answer, Ask } from '../schema';

export interface Host {
  /** Whether somebody answers: unknown until the first answer, or until none came. */
  readonly answers: ReadonlySignal<boolean | null>;
  /** Whether the front-end can't do this at all. */
  lacks?(action: string): boolean;
  ask(action: string, row?: number): Promise<Answer>;
}

export const PATIENCE = 3000; // milliseconds after which an unanswered question means: busy

const LOOKS = ['snapshot', 'detail'];

/** A host that sends asks as messages, and is told the answers. */
export class MessageHost implements Host {
  readonly answers: Signal<boolean | null> = signal(null);
  private number = 0;
  private readonly open = new Map<number, (answer: Answer) => void>();

  constructor(
    private readonly send: (ask: Ask) => void,
    private readonly later: (work: () => void, milliseconds: number) => void,
  ) {}

  ask(action: string, row?: number): Promise<Answer> {
    const number = ++this.number;
    const ask: Ask = { type: 'ask', number, action };
    if (row !== undefined) ask.row = row;
    return new Promise((resolve) => {
      this.open.set(number, resolve);
      this.sendAgain(ask, PATIENCE);
    });
  }

  /** Sends it, and what only looks again and again, ever more seldom: a message can be lost. */
  private sendAgain(ask: Ask, patience: number): void {
    this.send(ask);
    this.later(() => {
      if (!this.open.has(ask.number)) return;
      this.answers.value = false;
      if (LOOKS.includes(ask.action)) this.sendAgain(ask, patience * 3);
    }, patience);
  }

  take(answer: Answer): void {
    this.answers.value = true;
    this.open.get(answer.number)?.(answer);
    this.open.delete(answer.number);
  }
}

/** The host of a view that nobody stands behind. */
export const NOBODY: Host = {
  answers: signal(false),
  ask: (action) =>
    Promise.resolve({ type: 'answer', number: 0, ok: false, text: `nobody can ${action} here` }),
};
