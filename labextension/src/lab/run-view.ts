/** A run in the shared views, kept up to date by the event stream. */

import type { NotebookPanel } from '@jupyterlab/notebook';
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

/** What an output of a notebook knows of its run. */
export interface Within {
  /** How the kernel saw the run last; its notices are nowhere else. */
  readonly snapshot: Snapshot | undefined;
  readonly around: () => NotebookPanel | undefined;
  /** Is told whether the server knows the run; gives whether somebody else shows it. */
  readonly lost: (is: boolean) => boolean;
}

/** The views of one run in a widget, also for the MIME renderer. */
export class RunView extends Widget {
  /** What is shown; null until the server has told it. */
  readonly shown: Signal<Shown | null> = signal(null);
  private kept: Snapshot | undefined;
  private number = 0;
  private stop: () => void = () => undefined;

  constructor(
    readonly called: string,
    private readonly doors: Doors,
    private readonly within?: Within,
  ) {
    super();
    this.addClass('onb-lab-run');
    this.kept = within?.snapshot;
    void this.begin();
  }

  /** Opens the details of a row. */
  openRow(row: number): void {
    keepOpen(this.called, row);
    if (this.shown.peek() !== null) void this.begin(); // else it begins with it
  }

  /** What the kernel says of its run now. */
  keep(snapshot: Snapshot): void {
    this.kept = snapshot;
    const shown = this.shown.peek();
    if (shown === null) void this.begin();
    else this.addNotices(shown.model);
  }

  override dispose(): void {
    this.stop();
    super.dispose();
  }

  private async begin(): Promise<void> {
    const number = ++this.number;
    let told: { run: RunRecord; deployed: DeployedRecord | null; snapshot: Snapshot };
    try {
      told = await call('GET', `/runs/${encodeURIComponent(this.called)}`);
    } catch (error) {
      if (!this.isDisposed && number === this.number) this.showKept(wordsOf(error));
      return;
    }
    if (this.isDisposed || number !== this.number) return;
    this.stop();
    this.within?.lost(false);
    this.node.textContent = '';
    const { run, deployed } = told;
    const ours = withActions(run);
    const model = new RunModel(ours(told.snapshot), clock);
    this.addNotices(model);
    const around = this.within?.around ?? (() => undefined);
    const host = new RunHost(run, deployed === null, model, this.doors, around);
    const leave = this.doors.stream.watch(run.id, (message: Snapshot | Delta) => {
      model.take(message.type === 'snapshot' ? ours(message) : message);
      this.addNotices(model);
    });
    const unmount = mount(this.node, model, host);
    this.shown.value = { run, deployed, model, host };
    // a run that is resumed begins a new stream: the view begins anew with it
    const hear = this.doors.stream.listen((news) => {
      if (news.type !== 'change' || news.run !== run.id || news.task !== null) return;
      if (!model.live.peek() && isLive(news.new)) void this.begin();
    });
    this.stop = () => {
      hear();
      leave();
      unmount();
    };
  }

  /** What is known without the server, until that knows more. */
  private showKept(words: string): void {
    this.stop();
    this.node.textContent = '';
    const hear = this.doors.stream.listen((news) => {
      if (news.type === 'again' || (news.type === 'change' && news.run === this.called))
        void this.begin();
    });
    let unmount: () => void = () => undefined;
    if (this.within?.lost(true)) this.hide();
    else if (this.kept) unmount = mount(this.node, new RunModel(this.kept, clock));
    else this.node.textContent = words;
    this.stop = () => {
      hear();
      unmount();
      this.show();
    };
  }

  private addNotices(model: RunModel): void {
    const header = model.header.peek();
    const more = this.kept?.run.notices.filter((one) => !header.notices.includes(one)) ?? [];
    if (more.length > 0) model.header.value = { ...header, notices: [...header.notices, ...more] };
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
