/** A run in the shared views, kept up to date by the event stream. */

import { MainAreaWidget } from '@jupyterlab/apputils';
import { Widget } from '@lumino/widgets';

import { call, type Detail, type RunRecord, type Snapshot, type Stream } from './api';
import type { Answer, Delta } from '../schema';
import type { Host } from '../model/host';
import { RunModel } from '../model/run';
import { isLive } from '../model/states';
import { mount } from '../mount';
import { signal } from '@preact/signals';

export interface Doors {
  readonly stream: Stream;
  openRun(run: string): void;
  openFile(path: string): void;
  /** Shows the notebook's cell of this number. */
  goTo(path: string, cell: number): void;
}

/** What the views' buttons do: calls of the API, or places to go in Lab. */
class ApiHost implements Host {
  readonly answers = signal<boolean | null>(true);

  constructor(
    private readonly run: RunRecord,
    private readonly model: RunModel,
    private readonly doors: Doors,
  ) {}

  async ask(action: string, row?: number): Promise<Answer> {
    try {
      return { type: 'answer', number: 0, ok: true, text: '', ...(await this.act(action, row)) };
    } catch (error) {
      return { type: 'answer', number: 0, ok: false, text: (error as Error).message };
    }
  }

  private async act(action: string, row?: number): Promise<Partial<Answer>> {
    const place = `/runs/${this.run.id}`;
    const of = row === undefined ? undefined : this.model.rows.peek()[row]?.peek();
    if (action === 'detail' && of)
      return { detail: await call<Detail>('GET', `${place}/cells/${of.cell}`) };
    if (action === 'cancel') {
      await call('POST', `${place}/cancel`);
      return { text: 'cancelling' };
    }
    if (action === 'resume' || action === 'retry') {
      const body = action === 'retry' && of ? { tasks: [of.name] } : {};
      const made = await call<RunRecord>('POST', `${place}/${action}`, body);
      this.doors.openRun(made.id);
      return { text: `${made.name} goes on` };
    }
    if (action === 'output' && this.run.output_path) this.doors.openFile(this.run.output_path);
    if (action === 'go' && of && this.run.path) this.doors.goTo(this.run.path, of.cell);
    return {};
  }
}

/** The views of one run in a widget, also for the MIME renderer. */
export class RunView extends Widget {
  private stop: () => void = () => undefined;

  constructor(
    private readonly called: string,
    private readonly doors: Doors,
    private readonly kept?: Snapshot,
  ) {
    super();
    this.addClass('onb-lab-run');
    void this.begin();
  }

  override dispose(): void {
    this.stop();
    super.dispose();
  }

  private async begin(): Promise<void> {
    let run: RunRecord;
    let snapshot: Snapshot;
    try {
      ({ run, snapshot } = await call<{ run: RunRecord; snapshot: Snapshot }>(
        'GET',
        `/runs/${encodeURIComponent(this.called)}`,
      ));
    } catch (error) {
      if (this.isDisposed) return;
      if (this.kept) this.stop = mount(this.node, new RunModel(this.kept, clock));
      else this.node.textContent = (error as Error).message;
      return;
    }
    if (this.isDisposed) return;
    this.title.label = `${run.flow} · ${run.name}`;
    const actions: Record<string, string> = { cancel: '', resume: '', retry: '' };
    if (run.path !== null) actions.go = '';
    if (run.output_path !== null) actions.output = '';
    const model = new RunModel({ ...snapshot, run: { ...snapshot.run, actions } }, clock);
    const leave = this.doors.stream.watch(run.id, (message: Snapshot | Delta) => {
      const whole =
        message.type === 'snapshot' ? { ...message, run: { ...message.run, actions } } : message;
      model.take(whole);
    });
    const unmount = mount(this.node, model, new ApiHost(run, model, this.doors));
    // a run that is resumed begins a new stream: the view begins anew with it
    const hear = this.doors.stream.listen((told) => {
      if (told.type !== 'change' || told.run !== run.id || told.task !== null) return;
      if (model.live.peek() || !isLive(told.new)) return;
      this.stop();
      void this.begin();
    });
    this.stop = () => {
      hear();
      leave();
      unmount();
    };
  }
}

const clock = () => performance.now() / 1000;

export function runDocument(run: string, doors: Doors): MainAreaWidget<RunView> {
  const content = new RunView(run, doors);
  const widget = new MainAreaWidget({ content });
  widget.id = `orch-nb-run-${run}`;
  widget.title.label = 'Run';
  widget.title.closable = true;
  return widget;
}
