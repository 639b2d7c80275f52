/** Links that lead to a run's document, from wherever they are opened. */

import { PageConfig, URLExt } from '@jupyterlab/coreutils';

const NAME = 'orch-nb-run';

export const LINKED = new RegExp(`[?&]${NAME}=`);

/** The address of a run, on this server. */
export function linkTo(run: string): string {
  const lab = URLExt.join(PageConfig.getBaseUrl(), 'lab');
  return `${lab}?${NAME}=${encodeURIComponent(run)}`;
}

/** The run that an address names, and the address without it. */
export function readLink(path: string, search: string): { run: string; rest: string } {
  const query = new URLSearchParams(search);
  const run = query.get(NAME) ?? '';
  query.delete(NAME);
  const left = query.toString();
  return { run, rest: path + (left && `?${left}`) };
}
