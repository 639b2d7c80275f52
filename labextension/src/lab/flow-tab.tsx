/** The notebook's graph as a rail in document order, live as it is edited, and its problems. */

import { useComputed, useSignalEffect } from '@preact/signals';
import { useRef } from 'preact/hooks';

import { useDoors } from './context';
import type { NotebookFlow } from './flow';
import type { OpenFlow } from './flows';
import { jumpTo } from './notebooks';
import { findLanes } from './rail-lanes';
import type { CellWords, GraphAnswer, Problem } from './records';
import { rove } from './roving';
import { countWords } from './starting';
import { colourOf, lookOf } from '../model/states';
import { Mark } from '../views/mark';

const ROW = 28;
const LANE = 12;
const MOST_LANES = 6;

export function FlowTab() {
  const { flows, trans } = useDoors();
  const open = flows.current.value;
  if (open === null)
    return <p class="onb-lab-empty">{trans.__('Open a notebook to see its flow.')}</p>;
  return <Rail open={open} key={open.flow.panel.id} />;
}

function Rail({ open }: { open: OpenFlow }) {
  const { trans, openGraph } = useDoors();
  const { flow } = open;
  const graph = flow.graph.value;
  const list = useRef<HTMLDivElement>(null);
  // the active cell's row stays in sight
  useSignalEffect(() => {
    const active = flow.active.value;
    list.current?.querySelector(`[data-cell="${active}"]`)?.scrollIntoView({ block: 'nearest' });
  });
  if (graph === null)
    return <p class="onb-lab-empty">{flow.trouble.value || trans.__('Reading the notebook …')}</p>;
  const tasks = graph.words.filter((words) => words.task).length;
  const numbers = graph.words.map((words) => words.number);
  const lanes = findLanes(numbers, graph.picture.edges, MOST_LANES);
  const count = Math.max(0, ...lanes.values());
  return (
    <>
      <div class="onb-lab-tools">
        <span class="onb-lab-dim">{countWords(tasks, graph.words.length, trans)}</span>
        <span class="onb-space" />
        <button
          type="button"
          class="onb-lab-button"
          onClick={() => {
            openGraph(flow.panel.context.localPath);
          }}
        >
          {trans.__('Graph')}
        </button>
      </div>
      {flow.trouble.value && <p class="onb-lab-problem">{flow.trouble.value}</p>}
      {graph.problems.map((problem, place) => (
        <ProblemRow key={place} problem={problem} flow={flow} />
      ))}
      <div
        class="onb-lab-rail"
        ref={list}
        onKeyDown={rove('.onb-lab-cell')}
        style={{ '--lanes': `${20 + count * LANE}px` }}
      >
        <Lines graph={graph} flow={flow} lanes={lanes} />
        <ol aria-label={trans.__('cells')}>
          {graph.words.map((words) => (
            <CellRow key={words.id} words={words} open={open} />
          ))}
        </ol>
      </div>
    </>
  );
}

function CellRow({ words, open }: { words: CellWords; open: OpenFlow }) {
  const { trans } = useDoors();
  const { flow, last } = open;
  const active = useComputed(() => flow.active.value === words.id);
  const state = useComputed(() => last.tasks.value.get(words.id)?.state_name ?? '');
  const gives = words.gives.map((one) => one.name).join(', ');
  const takes = words.takes.map((one) => `${one.name}(${one.cell})`).join(', ');
  const kind = words.task ? trans.__('task') : trans.__('cell');
  const said = state.value ? `, ${lookOf(state.value).word}` : '';
  return (
    <li>
      <button
        type="button"
        class={active.value ? 'onb-lab-cell onb-lab-active' : 'onb-lab-cell'}
        data-cell={words.id}
        aria-current={active.value}
        aria-label={`${kind} ${words.number}, ${words.name}${said}`}
        tabIndex={active.value || (flow.active.value === '' && words.number === 1) ? 0 : -1}
        title={words.text}
        onClick={() => {
          jumpTo(flow.panel, words.id);
        }}
      >
        <span class="onb-lab-number">{words.number}</span>
        {state.value !== '' && <Mark state={state.value} />}
        <bdi class="onb-lab-name">{words.name}</bdi>
        <bdi class="onb-lab-dim onb-lab-cut">
          {[gives && `→ ${gives}`, takes && `← ${takes}`].filter(Boolean).join('  ')}
        </bdi>
      </button>
    </li>
  );
}

interface LinesProps {
  readonly graph: GraphAnswer;
  readonly flow: NotebookFlow;
  readonly lanes: ReadonlyMap<number, number>;
}

/** The dots and lines left of the rows. */
function Lines({ graph, flow, lanes }: LinesProps) {
  const { words, picture } = graph;
  const numbers = words.map((one) => one.number);
  const rows = new Map(numbers.map((number, row) => [number, row]));
  const active = words.find((one) => one.id === flow.active.value)?.number;
  const x = (cell: number) => 10 + (lanes.get(cell) ?? 0) * LANE;
  const y = (cell: number) => (rows.get(cell) ?? 0) * ROW + ROW / 2;
  const lines = picture.edges.filter(({ source, target }) => rows.has(source) && rows.has(target));
  return (
    <svg
      class="onb-lab-lines"
      aria-hidden="true"
      width={20 + MOST_LANES * LANE}
      height={words.length * ROW}
    >
      {lines.map(({ source, target }) => {
        const [x1, y1, x2, y2] = [x(source), y(source), x(target), y(target)];
        const bend = Math.min(ROW, (y2 - y1) / 2);
        const lit = source === active || target === active;
        return (
          <path
            key={`${source}-${target}`}
            class={lit ? 'onb-lab-lit' : ''}
            d={`M${x1} ${y1}V${y2 - 2 * bend}C${x1} ${y2 - bend} ${x2} ${y2 - bend} ${x2} ${y2}`}
          />
        );
      })}
      {words.map((one) => (
        <circle
          key={one.id}
          class={one.task ? 'onb-lab-dot' : 'onb-lab-ring'}
          cx={x(one.number)}
          cy={y(one.number)}
          r={one.task ? 4 : 3}
        />
      ))}
    </svg>
  );
}

function ProblemRow({ problem, flow }: { problem: Problem; flow: NotebookFlow }) {
  const id = problem.cell_id;
  return (
    <button
      type="button"
      class="onb-lab-row onb-lab-problem"
      style={colourOf(problem.severity === 'error' ? 'Failed' : 'Late')}
      disabled={id === null}
      title={problem.hint}
      onClick={() => {
        if (id !== null) jumpTo(flow.panel, id);
      }}
    >
      <span>
        <span class="onb-lab-dim">{problem.where}: </span>
        {problem.message}
      </span>
    </button>
  );
}
