/** The shared views' words, in the language that Lab is in. */

import type { TranslationBundle } from '@jupyterlab/translation';

import { nameStates } from '../model/states';
import { speak } from '../model/tongue';

export function translateViews(trans: TranslationBundle): void {
  speak({ __: trans.__.bind(trans), _n: trans._n.bind(trans) });
  nameStates({
    Scheduled: trans.__('Scheduled'),
    Late: trans.__('Late'),
    AwaitingRetry: trans.__('Awaiting retry'),
    Resuming: trans.__('Resuming'),
    Pending: trans.__('Waiting'),
    Running: trans.__('Running'),
    Retrying: trans.__('Retrying'),
    Paused: trans.__('Paused'),
    Suspended: trans.__('Suspended'),
    Cancelling: trans.__('Cancelling'),
    Completed: trans.__('Completed'),
    Cached: trans.__('Cached'),
    Skipped: trans.__('Skipped'),
    Failed: trans.__('Failed'),
    TimedOut: trans.__('Timed out'),
    UpstreamFailed: trans.__('Not run'),
    Crashed: trans.__('Crashed'),
    Cancelled: trans.__('Cancelled'),
  });
}
