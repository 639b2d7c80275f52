/** Beside each prompt: the state, attempts and seconds of the notebook's last run. */

import type { NotebookPanel } from '@jupyterlab/notebook';

import { call, type RunRecord, type Stream, type TaskRecord } from './api';
import { make } from './dom';
import { cellById } from './notebooks';
import { colourOf, lookOf } from '../model/states';
import { showDuration } from '../model/words';

const PAUSE = 200; // milliseconds that changes are gathered

export class PromptMarks {
  private run = '';
  private timer = 0;
  private readonly stop: () => void;

  constructor(
    private readonly panel: NotebookPanel,
    stream: Stream,
    private readonly isShown: () => boolean,
  ) {
    this.stop = stream.listen((told) => {
      if (told.type !== 'change') return;
      if (told.task === null || told.run === this.run) this.later();
    });
    panel.disposed.connect(() => {
      this.stop();
      clearTimeout(this.timer);
    });
    this.later();
  }

  later(): void {
    if (this.timer === 0) this.timer = window.setTimeout(() => void this.read(), PAUSE);
  }

  private async read(): Promise<void> {
    this.timer = 0;
    if (this.panel.isDisposed) return;
    const path = encodeURIComponent(this.panel.context.path);
    try {
      const { runs } = await call<{ runs: RunRecord[] }>('GET', `/runs?limit=1&path=${path}`);
      this.run = runs[0]?.id ?? '';
      const { tasks } = this.run
        ? await call<{ tasks: TaskRecord[] }>('GET', `/runs/${this.run}/tasks`)
        : { tasks: [] };
      this.show(this.isShown() ? tasks : []);
    } catch {
      this.show([]); // the server is away: better nothing than something old
    }
  }

  private show(tasks: readonly TaskRecord[]): void {
    for (const old of this.panel.node.querySelectorAll('.onb-lab-mark')) old.remove();
    for (const task of tasks) {
      const prompt = cellById(this.panel, task.cell_id)?.node.querySelector('.jp-InputPrompt');
      if (!prompt) continue;
      const { word } = lookOf(task.state_name);
      const tries = task.attempt > 1 ? ` · ${task.attempt} of ${task.max_attempts}` : '';
      const took = task.seconds === null ? '' : ` ${showDuration(task.seconds)}`;
      const title = `${task.name}: ${word}${took}${tries ? `, attempt${tries.slice(2)}` : ''}`;
      const mark = make(
        'div',
        { class: 'onb-lab-mark onb', title, role: 'img', 'aria-label': title },
        `${GLYPHS[lookOf(task.state_name).phase]}${took}${tries}`,
      );
      mark.style.setProperty('--c', colourOf(task.state_name)['--c'] ?? '');
      mark.dataset.state = task.state_name;
      prompt.append(mark);
    }
  }
}

const GLYPHS = { waiting: '○', running: '◐', done: '✓', failed: '✕', 'left-out': '⤫' };
