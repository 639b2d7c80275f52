/** Beside each prompt: state, attempts and seconds of the last run; the runs before it on hover. */

import type { Cell } from '@jupyterlab/cells';
import type { Signal } from '@preact/signals';
import { render } from 'preact';

import { onEachCell } from './cell-parts';
import type { Doors } from './doors';
import { make } from './dom';
import type { OpenFlow } from './flows';
import type { LastRuns } from './last-runs';
import type { Grid, TaskRecord } from './records';
import { colourOf, lookOf } from '../model/states';
import { showDuration } from '../model/words';
import { Mark } from '../views/mark';

const LINGER = 300; // milliseconds that the pointer stays before the history shows
const CLASS = 'onb-lab-mark';

export function addPromptMarks(open: OpenFlow, doors: Doors, isShown: Signal<boolean>): void {
  onEachCell(open.flow.panel, (cell) => {
    const task = isShown.value ? open.last.tasks.value.get(cell.model.id) : undefined;
    // not within the prompt: Lab writes the whole of it
    const home = cell.node.querySelector<HTMLElement>('.jp-InputArea');
    const old = home?.querySelector<HTMLElement>(`:scope > .${CLASS}`);
    if (task === undefined || home === null) old?.remove();
    else if (old?.dataset.words !== wordsOf(task, doors)) {
      old?.remove();
      home.append(mark(cell, task, open.last, doors));
    }
  });
}

function wordsOf(task: TaskRecord, doors: Doors): string {
  const took = task.seconds === null ? '' : ` ${showDuration(task.seconds)}`;
  const tries =
    task.attempt > 1
      ? doors.trans.__(
          ', attempt %1 of %2',
          task.attempt,
          Math.max(task.attempt, task.max_attempts),
        )
      : '';
  return `${task.name}: ${lookOf(task.state_name).word}${took}${tries}`;
}

function mark(cell: Cell, task: TaskRecord, last: LastRuns, doors: Doors): HTMLElement {
  const words = wordsOf(task, doors);
  const tries = task.attempt > 1 ? ` ${task.attempt}/${task.max_attempts}` : '';
  const took = task.seconds === null ? '' : ` ${showDuration(task.seconds)}`;
  const sign = make('span', {});
  render(<Mark state={task.state_name} />, sign);
  const node = make(
    'button',
    {
      type: 'button',
      class: `${CLASS} onb`,
      'aria-label': doors.trans.__('%1. Open the run', words),
      tabindex: '-1', // three hundred stops would be no help; the Flow panel has them in order
      onclick: () => {
        const run = last.run.peek();
        if (run !== null)
          doors.openRun(run.id, [...last.tasks.peek().keys()].indexOf(task.cell_id));
      },
    },
    sign,
    `${took}${tries}`,
  );
  node.style.setProperty('--c', colourOf(task.state_name)['--c'] ?? '');
  node.dataset.state = task.state_name;
  node.dataset.words = words;
  showOnHover(node, () => last.history().then((grid) => historyOf(grid, cell.model.id, words)));
  return node;
}

function historyOf(grid: Grid, cell: string, words: string): Node[] {
  const row = grid.rows.find((one) => one.cell_id === cell);
  const lines = grid.runs.flatMap((run) => {
    const brief = row?.runs[run.id];
    if (brief === undefined) return [];
    const took = brief.seconds === null ? '' : showDuration(brief.seconds);
    const tries = brief.attempt > 1 ? ` ${brief.attempt}/${brief.of}` : '';
    const state = make('span', { class: 'onb-lab-state' }, lookOf(brief.state).word);
    state.style.setProperty('--c', colourOf(brief.state)['--c'] ?? '');
    return [
      make(
        'li',
        {},
        make('span', { class: 'onb-lab-name' }, run.name),
        state,
        make('span', { class: 'onb-lab-took' }, `${took}${tries}`),
        make('span', { class: 'onb-lab-dim' }, brief.error ?? ''),
      ),
    ];
  });
  return [make('strong', {}, words), make('ol', { class: 'onb-lab-past' }, ...lines)];
}

/** A box beside the node while the pointer is over it. */
function showOnHover(node: HTMLElement, fill: () => Promise<Node[]>): void {
  let timer = 0;
  let box: HTMLElement | null = null;
  const hide = () => {
    clearTimeout(timer);
    box?.remove();
    box = null;
  };
  const show = async () => {
    const parts = await fill();
    if (!node.isConnected || timer === 0) return;
    const { left, bottom } = node.getBoundingClientRect();
    box = make('div', { class: 'onb-lab-tip onb', role: 'tooltip' }, ...parts);
    document.body.append(box);
    const room = window.innerHeight - box.offsetHeight - 8;
    box.style.left = `${left}px`;
    box.style.top = `${Math.min(bottom + 2, room)}px`;
  };
  node.addEventListener('pointerenter', () => {
    timer = window.setTimeout(() => {
      show().catch(hide); // the server is away: there is nothing to show
    }, LINGER);
  });
  node.addEventListener('pointerleave', () => {
    hide();
    timer = 0;
  });
  node.addEventListener('click', hide);
}
