/** Open notebooks: their unsaved content, their cells by id, and their graphs from the server. */

import type { Cell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';

import { call, type GraphAnswer } from './api';

export interface Tagged {
  readonly kind: string;
  readonly options: Record<string, unknown>;
}

export function cellById(panel: NotebookPanel, id: string): Cell | undefined {
  return panel.content.widgets.find((cell) => cell.model.id === id);
}

/** The notebook as it is in the page; outputs are left out, the graph does not need them. */
export function contentOf(panel: NotebookPanel): Record<string, unknown> {
  const whole = panel.context.model.toJSON() as unknown as {
    cells: Record<string, unknown>[];
  } & Record<string, unknown>;
  return {
    ...whole,
    cells: whole.cells.map((cell) => ('outputs' in cell ? { ...cell, outputs: [] } : cell)),
  };
}

export function readGraph(panel: NotebookPanel): Promise<GraphAnswer> {
  return call('POST', '/graph', { path: panel.context.path, content: contentOf(panel) });
}

/** Brings a cell into view and makes it the active one. */
export function jumpTo(panel: NotebookPanel, id: string): void {
  const place = panel.content.widgets.findIndex((cell) => cell.model.id === id);
  if (place < 0) return;
  panel.content.activeCellIndex = place;
  void panel.content.scrollToItem(place, 'smart');
}
