/** Open notebooks: their unsaved content, their cells by id, and ways to them. */

import type { Cell } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';

const TRY_AGAIN = 100; // milliseconds
const TRIES = 100;

export function cellById(panel: NotebookPanel, id: string): Cell | undefined {
  return panel.content.widgets.find((cell) => cell.model.id === id);
}

/** The notebook as it is in the page; outputs are left out, the graph does not need them. */
export function contentOf(panel: NotebookPanel): Record<string, unknown> {
  const { model } = panel.context;
  const shared = model.sharedModel;
  return {
    metadata: shared.getMetadata(),
    nbformat: model.nbformat,
    nbformat_minor: model.nbformatMinor,
    // the widgets' order, which toJSON has too, but with megabytes of outputs
    cells: shared.cells.map((cell) => {
      const common = {
        cell_type: cell.cell_type,
        id: cell.getId(),
        metadata: cell.getMetadata(),
        source: cell.getSource(),
      };
      return cell.cell_type === 'code' ? { ...common, outputs: [], execution_count: null } : common;
    }),
  };
}

/** Brings a cell into view and makes it the active one. */
export function jumpTo(panel: NotebookPanel, id: string): void {
  const place = panel.content.widgets.findIndex((cell) => cell.model.id === id);
  if (place < 0) return;
  panel.content.activeCellIndex = place;
  void scrollTo(panel, id);
}

/** Lab makes the cells of a large notebook little by little, and can't go to what it has not made. */
async function scrollTo(panel: NotebookPanel, id: string): Promise<void> {
  const cell = cellById(panel, id);
  for (let left = TRIES; left > 0 && cell && !cell.isAttached; left--)
    await new Promise((resolve) => setTimeout(resolve, TRY_AGAIN));
  const place = panel.content.widgets.findIndex((one) => one === cell);
  if (place >= 0 && place === panel.content.activeCellIndex)
    await panel.content.scrollToItem(place, 'smart');
}

/** The same for the code cell of this number. */
export function jumpToNumber(panel: NotebookPanel, number: number): void {
  const codes = panel.content.widgets.filter((cell) => cell.model.type === 'code');
  const found = codes[number - 1];
  if (found !== undefined) jumpTo(panel, found.model.id);
}
