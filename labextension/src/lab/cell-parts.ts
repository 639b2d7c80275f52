/** Things beside cells: made when a cell comes into view, and made anew when what they show does. */

import { effect } from '@preact/signals';
import type { Cell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';

/**
 * Calls `work` for each code cell that has its nodes, now, when it comes into view, and whenever a
 * signal that `work` reads has another value. Cells far from view have no nodes in Lab.
 */
export function onEachCell(panel: NotebookPanel, work: (cell: Cell) => void): void {
  const stops = new Map<Cell, () => void>();

  function watch(cell: Cell): void {
    if (cell.model.type !== 'code' || stops.has(cell)) return;
    let stop: (() => void) | null = null;
    const begin = () => {
      if (cell.isDisposed || !cell.inViewport || stop !== null) return;
      // the editor is made just after the signal
      stop = effect(() => {
        work(cell);
      });
    };
    const seen = () => {
      setTimeout(begin, 0);
    };
    cell.inViewportChanged.connect(seen);
    stops.set(cell, () => stop?.());
    cell.disposed.connect(() => {
      stop?.();
      stops.delete(cell);
    });
    seen();
  }

  function watchAll(): void {
    panel.content.widgets.forEach(watch);
  }

  void panel.context.ready.then(() => {
    if (panel.isDisposed) return;
    watchAll();
    panel.content.model?.cells.changed.connect(() => {
      setTimeout(watchAll, 0); // the widgets follow the model
    });
  });
}
