/** The timeline's scale: how many seconds fill its width, and where its ticks stand. */

const STEPS = [
  0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400,
];
const MOST_TICKS = 6;

export interface Scale {
  readonly seconds: number;
  readonly ticks: readonly number[];
}

/**
 * A scale that holds `seconds`; it grows by whole steps, so that bars don't creep. `expected` is
 * how long the run should take, which leaves room from the start.
 */
export function makeScale(seconds: number, expected: number | null, live: boolean): Scale {
  const least = Math.max(seconds, expected ?? 0, 0.1);
  const step =
    STEPS.find((size) => least / size <= MOST_TICKS) ??
    Math.ceil(least / MOST_TICKS / 86400) * 86400;
  const whole = live ? Math.ceil((least + step / 100) / step) * step : least;
  const ticks: number[] = [];
  for (let tick = step; tick <= whole * 0.97; tick += step) ticks.push(tick);
  return { seconds: whole, ticks };
}

/** `20`, `1:30`: a tick's words, short. */
export function showTick(seconds: number): string {
  if (seconds < 60) return `${Number(seconds.toFixed(1))}s`;
  const minutes = Math.floor(seconds / 60);
  if (seconds < 3600) return `${minutes}:${String(Math.round(seconds % 60)).padStart(2, '0')}`;
  const rest = String(minutes % 60).padStart(2, '0');
  return `${Math.floor(minutes / 60)}:${rest}h`;
}
