/** The notebook around a panel: its cells, and its folder. Not every front-end lets them be reached. */

import type { Host } from './model/host';
import type { RunModel } from './model/run';

const INJECTED = 'injected-parameters';

/** Of a path from the page's folder; whatever a file is called, it is no scheme or query. */
export function addressOf(path: string, page: string): URL {
  return new URL(path.split('/').map(encodeURIComponent).join('/'), page);
}

/** The host of a panel in `node`, which also goes to cells, and opens files that it is told of. */
export function withNotebook(host: Host, node: Element, model: RunModel): Host {
  const cells = () => node.closest('.jp-Notebook')?.querySelectorAll('.jp-CodeCell');

  function go(row: number): void {
    const rows = model.rows.peek().map((signalled) => signalled.peek());
    const number = rows[row]?.cell ?? 0;
    // the run has a cell more above it, where parameters were given
    const added = rows.some((other) => other.kind === INJECTED && other.cell < number) ? 1 : 0;
    const cell = cells()?.[number - added - 1];
    cell?.scrollIntoView({ block: 'center' });
    cell?.querySelector<HTMLElement>('.cm-content')?.focus();
  }

  return {
    answers: host.answers,
    lacks: (action) => action === 'go' && !cells(),
    async ask(action, row) {
      if (action === 'go') {
        go(row ?? -1);
        return { type: 'answer', number: 0, ok: true, text: '' };
      }
      const answer = await host.ask(action, row);
      if (answer.link !== undefined && cells())
        open(addressOf(answer.link, location.href), '_blank');
      return answer;
    },
  };
}
