/** The side panel: the notebook's flow, the runs, and the schedules. */

import type { INotebookTracker, NotebookPanel } from '@jupyterlab/notebook';
import type { TranslationBundle } from '@jupyterlab/translation';
import { runIcon } from '@jupyterlab/ui-components';
import { Widget } from '@lumino/widgets';

import { call, type DeploymentRecord, type GraphAnswer, type RunRecord } from './api';
import { button, make } from './dom';
import { jumpTo, readGraph } from './notebooks';
import type { Doors } from './run-view';
import { colourOf, lookOf } from '../model/states';

const QUIET = 300; // milliseconds that the server's news are gathered
const TABS = ['Flow', 'Runs', 'Schedules'] as const;
type Tab = (typeof TABS)[number];

export class SidePanel extends Widget {
  private tab: Tab = 'Flow';
  private readonly body = make('div', { class: 'onb-lab-body', role: 'tabpanel' });
  private readonly bar = make('div', { class: 'onb-lab-tabs', role: 'tablist' });
  private filter = '';
  private timer = 0;
  private watched: NotebookPanel | null = null;
  private asked = 0;

  constructor(
    private readonly tracker: INotebookTracker,
    private readonly doors: Doors,
    private readonly trans: TranslationBundle,
    private readonly pause: () => number,
  ) {
    super();
    this.id = 'orch-nb-side';
    this.title.icon = runIcon;
    this.title.caption = trans.__('Flows');
    this.addClass('onb-lab-side');
    this.node.append(this.bar, this.body);
    for (const tab of TABS) {
      const one = button(trans.__(tab), () => {
        this.choose(tab);
      });
      one.setAttribute('role', 'tab');
      one.dataset.tab = tab;
      this.bar.append(one);
    }
    tracker.currentChanged.connect(this.follow);
    doors.stream.listen((told) => {
      const wanted = this.tab === 'Runs' ? 'change' : 'deployments';
      if (this.tab !== 'Flow' && told.type === wanted) this.later(QUIET);
    });
    this.follow();
    this.choose('Flow');
  }

  choose(tab: Tab): void {
    this.tab = tab;
    for (const one of this.bar.querySelectorAll('button'))
      one.setAttribute('aria-selected', String(one.dataset.tab === tab));
    this.body.replaceChildren();
    this.later(0);
  }

  protected override onAfterShow(): void {
    this.later(0);
  }

  private readonly follow = (): void => {
    this.watched?.content.model?.contentChanged.disconnect(this.edited);
    this.watched = this.tracker.currentWidget;
    const panel = this.watched;
    void panel?.context.ready.then(() => {
      panel.content.model?.contentChanged.connect(this.edited);
      this.edited();
    });
    this.edited();
  };

  private readonly edited = (): void => {
    if (this.tab === 'Flow') this.later(this.pause());
  };

  private later(milliseconds: number): void {
    clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.draw(), milliseconds);
  }

  private async draw(): Promise<void> {
    if (!this.isVisible) return;
    const number = ++this.asked;
    let made: Node[];
    try {
      if (this.tab === 'Flow') made = await this.flow();
      else if (this.tab === 'Runs') made = await this.runs();
      else made = await this.schedules();
    } catch (error) {
      made = [make('p', { class: 'onb-lab-problem' }, (error as Error).message)];
    }
    // an older answer must not replace a newer one
    if (number === this.asked) this.body.replaceChildren(...made);
  }

  private async flow(): Promise<Node[]> {
    const panel = this.watched;
    if (panel === null) return [make('p', {}, this.trans.__('Open a notebook to see its flow.'))];
    await panel.context.ready;
    const graph = await readGraph(panel);
    const list = make('ol', { class: 'onb-lab-list', 'aria-label': this.trans.__('cells') });
    for (const words of graph.words) list.append(this.cell(panel, graph, words.number));
    return [list, ...graph.problems.map((problem) => this.problem(panel, problem))];
  }

  private cell(panel: NotebookPanel, graph: GraphAnswer, number: number): Node {
    const words = graph.words.find((one) => one.number === number);
    if (words === undefined) return make('li');
    const gives = words.gives.map((one) => one.name).join(', ');
    const takes = words.takes.map((one) => `${one.name} (${one.cell})`).join(', ');
    const one = make(
      'button',
      {
        type: 'button',
        class: 'onb-lab-row',
        title: words.text,
        onclick: () => {
          jumpTo(panel, words.id);
        },
      },
      make('span', { class: 'onb-lab-number' }, `${words.task ? '●' : '·'} ${number}`),
      make('span', { class: 'onb-lab-name' }, words.name),
      make('span', { class: 'onb-lab-dim' }, `${gives && `→ ${gives} `}${takes && `← ${takes}`}`),
    );
    return make('li', {}, one);
  }

  private problem(panel: NotebookPanel, problem: GraphAnswer['problems'][number]): Node {
    const id = problem.cell_id;
    return make(
      'button',
      {
        type: 'button',
        class: 'onb-lab-row onb-lab-problem',
        title: problem.hint,
        onclick: () => {
          if (id !== null) jumpTo(panel, id);
        },
      },
      `${problem.severity}: ${problem.message}`,
    );
  }

  private async runs(): Promise<Node[]> {
    const query = new URLSearchParams({ limit: '100' });
    if (this.filter) query.set('search', this.filter);
    const { runs } = await call<{ runs: RunRecord[] }>('GET', `/runs?${query.toString()}`);
    const list = make('ul', { class: 'onb-lab-list', 'aria-label': this.trans.__('runs') });
    for (const run of runs) {
      const mark = make('span', { class: 'onb-lab-state' }, lookOf(run.state_name).word);
      mark.style.setProperty('--c', colourOf(run.state_name)['--c'] ?? '');
      const open = make(
        'button',
        {
          type: 'button',
          class: 'onb-lab-row onb',
          title: run.state_message,
          onclick: () => {
            this.doors.openRun(run.id);
          },
        },
        make('span', { class: 'onb-lab-name' }, `${run.flow} · ${run.name}`),
        mark,
      );
      list.append(make('li', {}, open));
    }
    // the field stays the same while somebody types in it
    const old = this.body.querySelector<HTMLInputElement>('input[type=search]');
    if (old !== null) {
      this.body.querySelector('.onb-lab-list')?.replaceWith(list);
      return [...this.body.childNodes];
    }
    const search = make('input', {
      type: 'search',
      placeholder: this.trans.__('filter: run or flow'),
      'aria-label': this.trans.__('filter runs'),
      oninput: () => {
        this.filter = search.value;
        this.later(QUIET);
      },
    });
    search.value = this.filter;
    return [search, list];
  }

  private async schedules(): Promise<Node[]> {
    const [{ deployments }, { upcoming }, daemon] = await Promise.all([
      call<{ deployments: DeploymentRecord[] }>('GET', '/deployments'),
      call<{ upcoming: { scheduled_time: string; deployment: string }[] }>('GET', '/upcoming'),
      call<{ sentence: string; hint: string }>('GET', '/daemon'),
    ]);
    const list = make('ul', { class: 'onb-lab-list', 'aria-label': this.trans.__('schedules') });
    for (const one of deployments) list.append(this.schedule(one));
    const next = make('ul', { class: 'onb-lab-list', 'aria-label': this.trans.__('upcoming') });
    for (const one of upcoming.slice(0, 10)) {
      const time = new Date(one.scheduled_time).toLocaleString();
      next.append(make('li', { class: 'onb-lab-dim' }, `${time}  ${one.deployment}`));
    }
    const words = make(
      'p',
      { class: 'onb-lab-dim' },
      [daemon.sentence, daemon.hint].filter(Boolean).join(' · '),
    );
    return [list, make('h3', {}, this.trans.__('Upcoming')), next, words];
  }

  private schedule(one: DeploymentRecord): Node {
    const place = `/deployments/${encodeURIComponent(one.name)}`;
    const act = (what: string) => () => {
      void call('POST', `${place}/${what}`, what === 'run' ? {} : undefined)
        .catch((error: unknown) => {
          this.body.append(make('p', { class: 'onb-lab-problem' }, (error as Error).message));
        })
        .then(() => {
          this.later(QUIET);
        });
    };
    const pause = one.paused
      ? button(this.trans.__('Resume'), act('resume'), `resume ${one.name}`)
      : button(this.trans.__('Pause'), act('pause'), `pause ${one.name}`);
    const changed = one.changed
      ? this.trans.__('schedule runs v%1; the notebook was changed since', one.version)
      : `v${one.version}`;
    return make(
      'li',
      { class: 'onb-lab-schedule' },
      make('strong', {}, one.name),
      make('div', {}, one.paused ? this.trans.__('paused') : one.sentences.join('; ')),
      make('div', { class: 'onb-lab-dim' }, changed),
      pause,
      button(this.trans.__('Run now'), act('run'), `run ${one.name} now`),
    );
  }
}
