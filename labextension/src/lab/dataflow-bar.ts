/** On the active cell's lower edge: what it reads from earlier cells and hands to later ones; click to jump. */

import type { Signal } from '@preact/signals';

import type { Doors } from './doors';
import { make } from './dom';
import { onEachCell } from './cell-parts';
import type { OpenFlow } from './flows';
import { jumpToNumber } from './notebooks';
import type { CellWords, GraphAnswer } from './records';

const CLASS = 'onb-lab-bar';

export function addDataflowBar(open: OpenFlow, doors: Doors, isShown: Signal<boolean>): void {
  const { flow } = open;
  onEachCell(flow.panel, (cell) => {
    const active = isShown.value && flow.active.value === cell.model.id;
    const words = active ? flow.wordsOf(cell.model.id) : undefined;
    const input = cell.node.querySelector<HTMLElement>('.jp-Cell-inputWrapper');
    const old = input?.querySelector(`:scope > .${CLASS}`);
    const graph = flow.graph.value;
    const parts = words && graph ? partsOf(words, graph, open, doors) : [];
    if (parts.length === 0 || input === null) {
      old?.remove();
      return;
    }
    const bar = make(
      'div',
      { class: CLASS, role: 'group', 'aria-label': doors.trans.__('dataflow of this cell') },
      ...parts,
    );
    if (old) old.replaceWith(bar);
    else input.append(bar);
  });
}

function partsOf(words: CellWords, graph: GraphAnswer, open: OpenFlow, doors: Doors): Node[] {
  const { trans } = doors;
  const names = new Map(graph.words.map((one) => [one.number, one.name]));
  const chip = (text: string, cell: number, label: string) =>
    make(
      'button',
      {
        type: 'button',
        class: 'onb-lab-chip',
        'aria-label': label,
        title: label,
        onclick: () => {
          jumpToNumber(open.flow.panel, cell);
        },
      },
      text,
    );
  const called = (cell: number) => names.get(cell) ?? trans.__('cell %1', cell);
  const takes = words.takes.map(({ name, cell }) =>
    chip(
      `${name} ← ${called(cell)}`,
      cell,
      trans.__('%1 comes from %2, cell %3', name, called(cell), cell),
    ),
  );
  const gives = words.gives.flatMap(({ name, cells }) =>
    cells.map((cell) =>
      chip(
        `${name} → ${called(cell)}`,
        cell,
        trans.__('%1 goes to %2, cell %3', name, called(cell), cell),
      ),
    ),
  );
  const made: Node[] = [];
  if (takes.length > 0) made.push(make('span', {}, trans.__('reads')), ...takes);
  if (gives.length > 0) made.push(make('span', {}, trans.__('hands on')), ...gives);
  return made;
}
