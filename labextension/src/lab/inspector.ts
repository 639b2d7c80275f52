/** The property inspector's form of the active cell: what is changed is written at once. */

import { effect } from '@preact/signals';
import { NotebookTools } from '@jupyterlab/notebook';

import { optionSchemas, wordsOf } from './api';
import type { Doors } from './doors';
import { make } from './dom';
import { cellForm, stateOf, writeTag } from './tagging';

export class TaskTool extends NotebookTools.Tool {
  private readonly stop: () => void;
  private shown = '';

  constructor(private readonly doors: Doors) {
    super();
    this.addClass('onb-lab-tool');
    this.stop = effect(() => {
      const flow = doors.flows.current.value?.flow;
      const id = flow?.active.value ?? '';
      const graph = flow?.graph.value;
      const state = graph ? stateOf(graph, id) : undefined;
      const problem = graph?.problems.find((one) => one.cell_id === id) ?? graph?.problems[0];
      const key = JSON.stringify([flow?.panel.context.path, id, state, state ? '' : problem]);
      if (key === this.shown) return; // what is typed in must not be made anew
      this.shown = key;
      void this.fill(id, problem && !state ? `${problem.where}: ${problem.message}` : '');
    });
  }

  override dispose(): void {
    this.stop();
    super.dispose();
  }

  private async fill(id: string, trouble: string): Promise<void> {
    const { trans, flows } = this.doors;
    const key = this.shown;
    const flow = flows.current.peek()?.flow;
    const graph = flow?.graph.peek();
    const model = flow?.panel.content.widgets.find((cell) => cell.model.id === id)?.model;
    const state = graph ? stateOf(graph, id) : undefined;
    if (model?.type !== 'code' || state === undefined) {
      const words = trouble || trans.__('Only code cells can be tasks.');
      this.node.replaceChildren(make('p', { class: 'onb-lab-dim' }, words));
      return;
    }
    const schemas = await optionSchemas().catch((error: unknown) => wordsOf(error));
    if (key !== this.shown) return; // another cell meanwhile
    if (typeof schemas === 'string') {
      this.node.replaceChildren(make('p', { class: 'onb-lab-problem' }, schemas));
      return;
    }
    const held = this.node.contains(document.activeElement)
      ? document.activeElement?.getAttribute('name')
      : null;
    const form = cellForm(state, schemas, state.kind, trans);
    const said = make('p', { class: 'onb-lab-dim', role: 'status' });
    form.node.addEventListener('change', () => {
      writeTag(model, form.kind(), form.options()).then(
        () => {
          said.textContent = '';
        },
        (error: unknown) => {
          said.textContent = wordsOf(error);
        },
      );
    });
    const open = this.node.querySelector('details')?.open;
    this.node.replaceChildren(form.node, said);
    const details = this.node.querySelector('details');
    if (details && open !== undefined) details.open = open;
    if (held) this.node.querySelector<HTMLElement>(`[name="${held}"]`)?.focus();
  }
}
