/** The form that makes a cell a task, and what it writes into the cell. */

import { Dialog, showDialog } from '@jupyterlab/apputils';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { Widget } from '@lumino/widgets';

import { call, type OptionSchema } from './api';
import { make } from './dom';
import { makeForm } from './form';
import { readGraph } from './notebooks';

const FIRST = ['name', 'retries', 'retry_delay', 'timeout'];
const KINDS = ['task', 'setup', 'plain', 'skip'];

export async function tagCell(panel: NotebookPanel, trans: TranslationBundle): Promise<boolean> {
  const cell = panel.content.activeCell;
  if (cell?.model.type !== 'code') return false;
  const [schemas, graph] = await Promise.all([
    call<{ task: OptionSchema }>('GET', '/options/schema'),
    readGraph(panel),
  ]);
  const known = graph.words.find((words) => words.id === cell.model.id);
  const kind = make('select', { name: 'kind' });
  for (const each of KINDS) kind.append(make('option', { value: each }, each));
  const form = makeForm(schemas.task, FIRST, known?.options ?? {});
  const node = make(
    'div',
    { class: 'onb-lab-dialog' },
    make('label', { class: 'onb-lab-field' }, make('span', {}, trans.__('This cell is')), kind),
    form.node,
  );
  const { button } = await showDialog({
    title: trans.__('Task of the flow'),
    body: new Widget({ node }),
    buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Tag cell') })],
    focusNodeSelector: 'input[name="name"]',
  });
  if (!button.accept) return false;
  const made = await call<{ source: string; metadata: Record<string, unknown> }>(
    'POST',
    '/cells/tag',
    {
      source: cell.model.sharedModel.getSource(),
      metadata: cell.model.sharedModel.getMetadata(),
      kind: kind.value,
      options: form.values(),
    },
  );
  // one step of undo; other people's cursors keep their places when the text is the same
  cell.model.sharedModel.transact(() => {
    if (made.source !== cell.model.sharedModel.getSource())
      cell.model.sharedModel.setSource(made.source);
    cell.model.sharedModel.setMetadata(made.metadata as never);
  });
  return true;
}
