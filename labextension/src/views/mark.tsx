/** A state's mark, drawn: shape and colour both tell it, and its word stands beside. */

import type { ComponentChild } from 'preact';

import { colourOf } from '../model/states';

const RING = <circle cx="8" cy="8" r="5.75" class="line" />;
const DISC = <circle cx="8" cy="8" r="6.5" class="fill" />;
const OCTAGON = <path class="fill" d="M5.4 1.6h5.2l3.8 3.8v5.2l-3.8 3.8H5.4l-3.8-3.8V5.4z" />;
const CHECK = 'M4.9 8.3l2.2 2.2 4.1-4.6';

const SHAPES: Readonly<Record<string, ComponentChild>> = {
  Pending: RING,
  Late: [RING, <path class="line" d="M8 4.8V8l2.2 1.4" />],
  Running: [RING, <path class="fill turning" d="M8 2.25a5.75 5.75 0 0 0 0 11.5z" />],
  Retrying: <path class="line" d="M12.9 5.2A5.75 5.75 0 1 0 13.7 8.6M13.2 1.9v3.5H9.7" />,
  Paused: <path class="line thick" d="M5.5 3.5v9M10.5 3.5v9" />,
  Completed: [DISC, <path class="cut" d={CHECK} />],
  Cached: [RING, <path class="line" d={CHECK} />],
  Skipped: <path class="line thick" d="M3 8h10" />,
  Failed: [OCTAGON, <path class="cut" d="M5.4 5.4l5.2 5.2M10.6 5.4l-5.2 5.2" />],
  TimedOut: [OCTAGON, <path class="cut" d="M8 4.4V8l2.6 1.6" />],
  UpstreamFailed: [
    <circle cx="8" cy="8" r="6" class="line dashed" />,
    <path class="line" d="M5.8 5.8l4.4 4.4M10.2 5.8l-4.4 4.4" />,
  ],
  Crashed: [
    <path class="fill" d="M8 .8L15.2 8 8 15.2.8 8z" />,
    <path class="cut" d="M8 4.2v4.4M8 10.9v.6" />,
  ],
  Cancelled: <rect x="3" y="3" width="10" height="10" rx="1" class="line" />,
};

const SAME: Readonly<Record<string, string>> = {
  Scheduled: 'Pending',
  Resuming: 'Pending',
  AwaitingRetry: 'Late',
  Suspended: 'Paused',
  Cancelling: 'Cancelled',
};

export function markShapes(state: string): ComponentChild {
  return SHAPES[SAME[state] ?? state] ?? RING;
}

/** The mark alone: its word must stand beside it. */
export function Mark({ state }: { state: string }) {
  return (
    <svg class="onb-mark" style={colourOf(state)} viewBox="0 0 16 16" aria-hidden="true">
      {markShapes(state)}
    </svg>
  );
}
