/** What the buttons of a run's views do in Lab: calls of the API, or places to go. */

import { signal } from '@preact/signals';

import { call, wordsOf } from './api';
import { debugTask } from './debugging';
import type { Doors } from './doors';
import { jumpToNumber } from './notebooks';
import type { RunRecord } from './records';
import { resumeRun, retryTasks } from './resuming';
import type { Host } from '../model/host';
import type { RunModel } from '../model/run';
import type { Answer, Detail } from '../schema';

export class RunHost implements Host {
  readonly answers = signal<boolean | null>(true);

  /** `mine`: its outputs belong into the notebook, since nothing but a person started it. */
  constructor(
    private readonly run: RunRecord,
    private readonly mine: boolean,
    private readonly model: RunModel,
    private readonly doors: Doors,
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
      case 'resume':
        return this.goesOn(await resumeRun(this.run, this.doors));
      case 'retry':
        return this.goesOn(await retryTasks(this.run, of ? [of.name] : []));
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

  private goesOn(made: RunRecord | null): Partial<Answer> {
    if (made === null) return {};
    if (this.mine && made.path !== null) this.doors.outputs.follow(made.id, made.path);
    return { text: this.doors.trans.__('%1 goes on', made.name) };
  }
}
