/** Each state's mark, word and role, as the visual language has them. */

export type Role = 'ok' | 'run' | 'fail' | 'warn' | 'wait' | 'crash';
export type Phase = 'waiting' | 'running' | 'done' | 'failed' | 'left-out';

export interface StateLook {
  readonly word: string;
  readonly role: Role;
  readonly phase: Phase;
}

function look(word: string, role: Role, phase: Phase): StateLook {
  return { word, role, phase };
}

const STATES: Record<string, StateLook> = {
  Scheduled: look('Scheduled', 'wait', 'waiting'),
  Late: look('Late', 'warn', 'waiting'),
  AwaitingRetry: look('Awaiting retry', 'warn', 'running'),
  Resuming: look('Resuming', 'wait', 'waiting'),
  Pending: look('Waiting', 'wait', 'waiting'),
  Running: look('Running', 'run', 'running'),
  Retrying: look('Retrying', 'run', 'running'),
  Paused: look('Paused', 'warn', 'waiting'),
  Suspended: look('Suspended', 'warn', 'waiting'),
  Cancelling: look('Cancelling', 'wait', 'running'),
  Completed: look('Completed', 'ok', 'done'),
  Cached: look('Cached', 'ok', 'done'),
  Skipped: look('Skipped', 'wait', 'left-out'),
  Failed: look('Failed', 'fail', 'failed'),
  TimedOut: look('Timed out', 'fail', 'failed'),
  UpstreamFailed: look('Not run', 'wait', 'left-out'),
  Crashed: look('Crashed', 'crash', 'failed'),
  Cancelled: look('Cancelled', 'wait', 'left-out'),
};

const UNKNOWN = look('Unknown', 'wait', 'waiting');

/** How a state looks; one of a newer Python looks unknown. */
export function lookOf(state: string): StateLook {
  return STATES[state] ?? UNKNOWN;
}

/** Gives states the words of another language. */
export function nameStates(words: Readonly<Record<string, string>>): void {
  for (const [state, word] of Object.entries(words)) STATES[state] = { ...lookOf(state), word };
}

/** Whether a run in this state goes on. */
export function isLive(state: string): boolean {
  const { phase } = lookOf(state);
  return phase === 'running' || phase === 'waiting';
}

/** What a mark or bar is coloured by, for its style. */
export function colourOf(state: string): Record<string, string> {
  return { '--c': `var(--onb-${lookOf(state).role})` };
}

export const STATE_NAMES: readonly string[] = Object.keys(STATES);
