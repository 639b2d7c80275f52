/** A run in the shared views, kept up to date by the event stream. */

import { signal, type Signal } from '@preact/signals';
import { Widget } from '@lumino/widgets';

import { call, wordsOf } from './api';
import type { Doors } from './doors';
import type { DeployedRecord, RunRecord } from './records';
import { RunHost } from './run-host';
import { RunModel } from '../model/run';
import { isLive } from '../model/states';
import { mount } from '../mount';
import type { Delta, Snapshot } from '../schema';

export interface Shown {
  readonly run: RunRecord;
  readonly deployed: DeployedRecord | null;
  readonly model: RunModel;
  readonly host: RunHost;
}

/** The views of one run in a widget, also for the MIME renderer. */
export class RunView extends Widget {
  /** What is shown; null until the server has told it. */
  readonly shown: Signal<Shown | null> = signal(null);
  private stop: () => void = () => undefined;

  constructor(
    readonly called: string,
    private readonly doors: Doors,
    private readonly kept?: Snapshot,
  ) {
    super();
    this.addClass('onb-lab-run');
    void this.begin();
  }

  /** Opens the details of a row. */
  openRow(row: number): void {
    keepOpen(this.called, row);
    if (this.shown.peek() === null) return; // it begins with it
    this.stop();
    void this.begin();
  }

  override dispose(): void {
    this.stop();
    super.dispose();
  }

  private async begin(): Promise<void> {
    let told: { run: RunRecord; deployed: DeployedRecord | null; snapshot: Snapshot };
    try {
      told = await call('GET', `/runs/${encodeURIComponent(this.called)}`);
    } catch (error) {
      if (this.isDisposed) return;
      if (this.kept) this.stop = mount(this.node, new RunModel(this.kept, clock));
      else this.node.textContent = wordsOf(error);
      return;
    }
    if (this.isDisposed) return;
    this.node.textContent = '';
    const { run, deployed } = told;
    const ours = withActions(run);
    const model = new RunModel(ours(told.snapshot), clock);
    const host = new RunHost(run, deployed === null, model, this.doors);
    const leave = this.doors.stream.watch(run.id, (message: Snapshot | Delta) => {
      model.take(message.type === 'snapshot' ? ours(message) : message);
    });
    const unmount = mount(this.node, model, host);
    this.shown.value = { run, deployed, model, host };
    // a run that is resumed begins a new stream: the view begins anew with it
    const hear = this.doors.stream.listen((news) => {
      if (news.type !== 'change' || news.run !== run.id || news.task !== null) return;
      if (model.live.peek() || !isLive(news.new)) return;
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

/** What the views look at when they are mounted: see model/choices. */
function keepOpen(run: string, row: number): void {
  try {
    sessionStorage.setItem(`orch_nb.${run}`, JSON.stringify({ tab: 'list', open: row }));
  } catch {
    // a page without storage: then the run alone is opened
  }
}

/** The snapshot with the buttons that work here. */
function withActions(run: RunRecord): (snapshot: Snapshot) => Snapshot {
  const actions: Record<string, string> = { cancel: '', resume: '', retry: '' };
  if (run.path !== null) Object.assign(actions, { go: '', debug: '' });
  if (run.output_path !== null) actions.output = '';
  return (snapshot) => ({ ...snapshot, run: { ...snapshot.run, actions } });
}

const clock = () => performance.now() / 1000;
