/** Links that lead to a run's document, from wherever they are opened. */

import { PageConfig, URLExt } from '@jupyterlab/coreutils';

const NAME = 'orch-nb-run';

/** The address of a run, on this server. */
export function linkTo(run: string): string {
  const lab = URLExt.join(PageConfig.getBaseUrl(), 'lab');
  return `${lab}#${NAME}=${encodeURIComponent(run)}`;
}

// read at once: Lab takes the token off its address, and the fragment with it
const FRAGMENT = window.location.hash;

/** The run that the page's address named; empty for other addresses. */
export function linkedRun(): string {
  return new URLSearchParams(FRAGMENT.replace(/^#/, '')).get(NAME) ?? '';
}
