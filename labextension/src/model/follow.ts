/** Draws a view anew when a signal changes whose value it does not show. */

import type { ReadonlySignal } from '@preact/signals';

export function follow(signal: ReadonlySignal<unknown>): unknown {
  return signal.value;
}
