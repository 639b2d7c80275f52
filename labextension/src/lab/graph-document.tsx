/** A notebook's graph in full in the main area: live as it is edited, selection both ways. */

import { MainAreaWidget } from '@jupyterlab/apputils';
import { effect, signal } from '@preact/signals';

import { DoorsContext, useDoors } from './context';
import type { Doors } from './doors';
import type { OpenFlow } from './flows';
import { jumpTo } from './notebooks';
import { PreactWidget } from './preact-widget';
import type { GraphAnswer, TaskRecord } from './records';
import { Choices } from '../model/choices';
import { NOBODY } from '../model/host';
import { RunModel } from '../model/run';
import type { GraphPicture, Row, Snapshot } from '../schema';
import { NEVER, SharedContext, type Shared } from '../views/context';
import { Graph } from '../views/graph';

export function graphDocument(path: string, doors: Doors): MainAreaWidget {
  const open = doors.flows.at(path);
  const live = open && new LiveGraph(open);
  const content = new PreactWidget(
    <DoorsContext value={doors}>{live ? <GraphView live={live} /> : <Closed />}</DoorsContext>,
  );
  content.addClass('onb-lab-document');
  content.addClass('onb-lab-full-graph');
  const widget = new MainAreaWidget({ content });
  widget.id = graphId(path);
  widget.title.label = doors.trans.__('Graph: %1', path.slice(path.lastIndexOf('/') + 1));
  widget.title.caption = path;
  widget.toolbar.hide();
  widget.title.closable = true;
  widget.disposed.connect(() => live?.dispose());
  open?.flow.panel.disposed.connect(() => {
    widget.dispose();
  });
  return widget;
}

export function graphId(path: string): string {
  return `orch-nb-graph-${path}`;
}

function Closed() {
  const { trans } = useDoors();
  return <p class="onb-lab-empty">{trans.__('The notebook is not open.')}</p>;
}

function GraphView({ live }: { live: LiveGraph }) {
  const { trans } = useDoors();
  if (live.open.flow.graph.value === null)
    return <p class="onb-lab-empty">{trans.__('Reading the notebook …')}</p>;
  return (
    <SharedContext value={live.shared}>
      <Graph />
    </SharedContext>
  );
}

/** Gives the shared graph view what it shows, and takes from it what is chosen. */
class LiveGraph {
  readonly shared: Shared;
  private readonly model: RunModel;
  private readonly stops: (() => void)[];
  private drawn = '';
  private told = '';

  constructor(readonly open: OpenFlow) {
    this.model = new RunModel(snapshotOf(EMPTY, new Map(), 0), () => 0);
    const choices = new Choices('', { read: () => null, write: () => undefined });
    this.shared = {
      model: this.model,
      host: NOBODY,
      choices,
      tick: NEVER,
      said: signal(''),
      told: signal(''),
      prefix: `onb-graph-${open.flow.panel.id}`,
    };
    const { flow, last } = open;
    this.stops = [
      effect(() => {
        const graph = flow.graph.value;
        if (graph !== null) this.draw(graph, last.tasks.value);
      }),
      effect(() => {
        // from the notebook to the graph
        const place = flow.graph.value?.words.findIndex((one) => one.id === flow.active.value);
        choices.open.value = place === undefined || place < 0 ? null : place;
      }),
      effect(() => {
        // and back
        const words = flow.graph.peek()?.words[choices.open.value ?? -1];
        if (words && words.id !== flow.active.peek()) jumpTo(flow.panel, words.id);
      }),
      () => {
        choices.dispose();
      },
    ];
  }

  dispose(): void {
    for (const stop of this.stops) stop();
  }

  private draw(graph: GraphAnswer, tasks: ReadonlyMap<string, TaskRecord>): void {
    const next = snapshotOf(graph, tasks, this.model.seq + 1);
    const picture = JSON.stringify(next.graph);
    // the same picture keeps its place on the canvas
    const same = picture === this.drawn ? { ...next, graph: this.model.graph.peek() } : next;
    const told = picture + JSON.stringify(next.rows);
    if (told === this.told) return;
    this.drawn = picture;
    this.told = told;
    this.model.take(same);
  }
}

const EMPTY: Pick<GraphAnswer, 'picture' | 'words'> = {
  picture: { nodes: [], edges: [] },
  words: [],
};

function snapshotOf(
  { picture, words }: Pick<GraphAnswer, 'picture' | 'words'>,
  tasks: ReadonlyMap<string, TaskRecord>,
  seq: number,
): Snapshot {
  const places = new Map(words.map((one, place) => [one.number, place]));
  const rows: Row[] = words.map((one) => ({
    cell: one.number,
    name: one.name,
    state: tasks.get(one.id)?.state_name ?? 'Pending', // it waits to be run at all
    task: one.task,
  }));
  const graph: GraphPicture = {
    ...picture,
    nodes: picture.nodes.map((node) => ({ ...node, row: places.get(node.cell) ?? -1 })),
  };
  return { type: 'snapshot', seq, now: null, run: HEADER, rows, graph, logs: [], first_log: 0 };
}

const HEADER: Snapshot['run'] = {
  id: '',
  name: '',
  flow: '',
  notebook: '',
  state: '',
  message: '',
  parameters: [],
  runner: '',
  workers: 0,
  cells: 0,
  tasks: 0,
  began: null,
  seconds: null,
  expected: null,
  output: '',
  files: [],
  notices: [],
  actions: {},
};
