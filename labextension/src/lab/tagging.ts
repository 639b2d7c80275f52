/** Makes a cell a task, or something else: in its first line, or its tags and metadata. */

import { Dialog } from '@jupyterlab/apputils';
import type { ICellModel } from '@jupyterlab/cells';
import type { NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';

import { call, optionSchemas } from './api';
import { ask } from './asking';
import type { Doors } from './doors';
import { make } from './dom';
import { makeForm, type Form } from './form';
import type { GraphAnswer, OptionSchema } from './records';
import { graphNow } from './starting';

const FIRST = ['name', 'retries', 'retry_delay', 'timeout'];
const KINDS = ['task', 'setup', 'plain', 'skip', 'parameters', 'flow'];

export interface CellForm {
  readonly node: HTMLElement;
  kind(): string;
  options(): Record<string, unknown>;
}

/** What the graph says that a cell is; undefined where the graph could not be made. */
export interface CellState {
  readonly kind: string;
  /** What it is called where it has been given no name. */
  readonly called: string;
  readonly options: Record<string, unknown>;
}

export function stateOf(graph: GraphAnswer, id: string): CellState | undefined {
  const cell = graph.cells.find((one) => one.id === id);
  const words = graph.words.find((one) => one.id === id);
  return cell && words && { kind: cell.kind, called: words.name, options: words.options };
}

/** A form for a cell; options are shown where its kind has any. */
export function cellForm(
  state: CellState,
  schemas: { task: OptionSchema; flow: OptionSchema },
  kind: string,
  trans: TranslationBundle,
): CellForm {
  const select = make('select', { name: 'kind' });
  for (const each of KINDS) select.append(make('option', { value: each }, each));
  select.value = kind;
  const place = make('div');
  let form: Form | null = null;
  const fill = () => {
    const chosen = select.value;
    const schema = chosen === 'task' ? schemas.task : chosen === 'flow' ? schemas.flow : null;
    const given = chosen === state.kind || state.kind === 'plain' ? state.options : {};
    const first = chosen === 'task' ? FIRST : ['name'];
    form = schema && makeForm(schema, first, given, trans.__('More options'));
    const name = form?.node.querySelector<HTMLInputElement>('input[name="name"]');
    if (name && chosen === 'task') name.placeholder = state.called;
    place.replaceChildren(...(form ? [form.node] : []));
  };
  select.addEventListener('change', fill);
  fill();
  return {
    node: make(
      'div',
      {},
      make('label', { class: 'onb-lab-field' }, make('span', {}, trans.__('This cell is')), select),
      place,
    ),
    kind: () => select.value,
    options: () => form?.values() ?? {},
  };
}

/** Writes a cell's kind and options into it, as one step of undo. Raises ApiError. */
export async function writeTag(
  model: ICellModel,
  kind: string,
  options: Record<string, unknown>,
): Promise<void> {
  const cell = model.sharedModel;
  const before = { source: cell.getSource(), metadata: cell.getMetadata() };
  const made = await call<typeof before>('POST', '/cells/tag', { ...before, kind, options });
  if (cell.getSource() !== before.source) return; // typed meanwhile: what was typed counts
  cell.transact(() => {
    // other people's cursors keep their places when the text is the same
    if (made.source !== before.source) {
      const end = before.source.length - commonEnd(made.source, before.source);
      const insert = made.source.slice(0, made.source.length - (before.source.length - end));
      cell.updateSource(0, end, insert);
    }
    cell.setMetadata(made.metadata);
  });
}

/** How many letters two texts have in common at their ends. */
function commonEnd(one: string, other: string): number {
  let count = 0;
  const most = Math.min(one.length, other.length);
  while (count < most && one[one.length - 1 - count] === other[other.length - 1 - count]) count++;
  return count;
}

export async function tagCell(panel: NotebookPanel, doors: Doors): Promise<void> {
  const { trans } = doors;
  const cell = panel.content.activeCell;
  if (cell?.model.type !== 'code') throw new Error(trans.__('Only code cells can be tasks.'));
  const [schemas, graph] = await Promise.all([optionSchemas(), graphNow(panel, doors)]);
  const state = stateOf(graph, cell.model.id);
  if (state === undefined) {
    const problem = graph.problems[0];
    throw new Error(
      problem ? `${problem.where}: ${problem.message}` : trans.__('the cell is not in the graph'),
    );
  }
  const kind = state.kind === 'plain' ? 'task' : state.kind; // that is what the button is for
  const form = cellForm(state, schemas, kind, trans);
  form.node.classList.add('onb-lab-dialog');
  await ask(
    {
      title: trans.__('Task of the flow'),
      node: form.node,
      buttons: [Dialog.cancelButton(), Dialog.okButton({ label: trans.__('Tag cell') })],
      focus: 'input[name="name"]',
    },
    () => writeTag(cell.model, form.kind(), form.options()),
  );
}
