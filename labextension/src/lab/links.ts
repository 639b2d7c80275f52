/** Links that lead to a run's document, from wherever they are opened. */

import { PageConfig, URLExt } from '@jupyterlab/coreutils';

const NAME = 'orch-nb-run';

/** The address of a run, on this server. */
export function linkTo(run: string): string {
  const lab = URLExt.join(PageConfig.getBaseUrl(), 'lab');
  return `${lab}#${NAME}=${encodeURIComponent(run)}`;
}

/** The run that an address's fragment names; empty for other addresses. */
export function readLink(fragment: string): string {
  return new URLSearchParams(fragment.replace(/^#/, '')).get(NAME) ?? '';
}
