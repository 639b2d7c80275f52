/** What the buttons of a run's views do in Lab: calls of the API, or places to go. */

import type { NotebookPanel } from '@jupyterlab/notebook';
import { signal } from '@preact/signals';

import { call, wordsOf } from './api';
import { debugTask, resumeInKernel } from './debugging';
import type { Doors } from './doors';
import { jumpToNumber } from './notebooks';
import type { RunRecord } from './records';
import { resumeRun, startAgain } from './resuming';
import type { Host } from '../model/host';
import type { RunModel } from '../model/run';
import type { Answer, Detail } from '../schema';

export class RunHost implements Host {
  readonly answers = signal<boolean | null>(true);

  /**
   * `mine`: its outputs belong into the notebook, since nothing but a person started it. `around`
   * gives the notebook whose kernel ran it, when the view is in that notebook.
   */
  constructor(
    private readonly run: RunRecord,
    private readonly mine: boolean,
    private readonly model: RunModel,
    private readonly doors: Doors,
    private readonly around: () => NotebookPanel | undefined,
  ) {}

  async ask(action: string, row?: number): Promise<Answer> {
    try {
      return { type: 'answer', number: 0, ok: true, text: '', ...(await this.act(action, row)) };
    } catch (error) {
      return { type: 'answer', number: 0, ok: false, text: wordsOf(error) };
    }
  }

  private async act(action: string, row?: number): Promise<Partial<Answer>> {
    const { trans } = this.doors;
    const place = `/runs/${this.run.id}`;
    const of = row === undefined ? undefined : this.model.rows.peek()[row]?.peek();
    switch (action) {
      case 'detail':
        return of ? { detail: await call<Detail>('GET', `${place}/cells/${of.cell}`) } : {};
      case 'cancel':
        await call('POST', `${place}/cancel`);
        return { text: trans.__('cancelling') };
      case 'resume': {
        const text = await resumeRun(this.run, this.doors, () => this.goOn([]));
        return text === null ? {} : { text };
      }
      case 'retry':
        return { text: await this.goOn(of ? [of.name] : []) };
      case 'debug':
        return of ? { text: await debugTask(this.run, of, this.doors) } : {};
      case 'output':
        if (this.run.output_path !== null) this.doors.openFile(this.run.output_path);
        return {};
      case 'go': {
        const panel = of && this.run.path && (await this.doors.openNotebook(this.run.path));
        if (panel) jumpToNumber(panel, of.cell);
        return {};
      }
      default:
        return { ok: false, text: trans.__('nobody can %1 here', action) };
    }
  }

  private async goOn(tasks: readonly string[]): Promise<string> {
    const { run, doors } = this;
    const panel = this.around();
    if (panel?.sessionContext.session?.kernel?.status === 'idle')
      await resumeInKernel(run, tasks, panel, doors);
    else await startAgain(run, tasks);
    if (this.mine && run.path !== null) doors.outputs.follow(run.id, run.path);
    return doors.trans.__('%1 goes on', run.name);
  }
}
