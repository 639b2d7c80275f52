/** What every view of one panel shares. */

import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { signal, type ReadonlySignal, type Signal } from '@preact/signals';

import type { Choices } from '../model/choices';
import type { Host } from '../model/host';
import type { RunModel } from '../model/run';

export interface Shared {
  readonly model: RunModel;
  readonly host: Host;
  readonly choices: Choices;
  /** Ticks a few times a second while the run is live. */
  readonly tick: ReadonlySignal<number>;
  /** What the live region says. */
  readonly said: Signal<string>;
  /** The last answer to a button, for everybody to see. */
  readonly told: Signal<string>;
  /** Makes ids unique among the panels of a page. */
  readonly prefix: string;
}

const Context = createContext<Shared | null>(null);
export const SharedContext = Context.Provider;

export function useShared(): Shared {
  const shared = useContext(Context);
  if (shared === null) throw new Error('a view stands outside of its panel');
  return shared;
}

export const NEVER: ReadonlySignal<number> = signal(0);
