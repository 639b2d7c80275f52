/** The graph: coordinates come from Python; pan, zoom, and the reasons of what is pointed at. */

import { useComputed, useSignal } from '@preact/signals';
import type { TargetedKeyboardEvent, TargetedPointerEvent, TargetedWheelEvent } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';

import { useShared } from './context';
import { markShapes } from './mark';
import { colourOf, lookOf } from '../model/states';
import { trans } from '../model/tongue';
import type { GraphEdge, GraphNode } from '../schema';

const WIDTH = 160;
const HEIGHT = 44;
const GAP_X = 24;
const GAP_Y = 36;
const EDGE = 16;
const LEAST_ZOOM = 0.1;
const MOST_ZOOM = 2;
const READABLE = 0.8; // below this the names are too small to read: better show a part
const MOST_HEIGHT = 380;

interface Port {
  x: number;
  y: number;
  zoom: number;
}

const left = (node: GraphNode) => EDGE + node.x * (WIDTH + GAP_X);
const upper = (node: GraphNode) => EDGE + node.rank * (HEIGHT + GAP_Y);

export function Graph() {
  const { model, choices, prefix } = useShared();
  const picture = model.graph.value;
  const frame = useRef<SVGSVGElement>(null);
  const port = useSignal<Port>({ x: 0, y: 0, zoom: 1 });
  const pointed = useSignal<{ node?: number; edge?: GraphEdge } | null>(null);
  const active = useSignal(picture.nodes[0]?.cell ?? 0);
  const drag = useRef<{ x: number; y: number; port: Port } | null>(null);
  const nodes = useComputed(
    () => new Map(model.graph.value.nodes.map((node) => [node.cell, node])),
  );

  const wide = Math.max(...picture.nodes.map((n) => left(n) + WIDTH), 0) + EDGE;
  const high = Math.max(...picture.nodes.map((n) => upper(n) + HEIGHT), 0) + EDGE;
  const height = Math.max(120, Math.min(MOST_HEIGHT, high));

  function fit(whole: boolean): void {
    const width = frame.current?.clientWidth ?? 0;
    if (width === 0) return;
    const zoom = Math.min(1, width / wide, height / high);
    if (whole || zoom >= READABLE) {
      port.value = { x: (width - wide * zoom) / 2, y: (height - high * zoom) / 2, zoom };
      return;
    }
    const focus = picture.nodes.find((node) => isUrgent(node)) ?? picture.nodes[0];
    const x = focus === undefined ? 0 : width / 2 - (left(focus) + WIDTH / 2) * READABLE;
    const y = focus === undefined ? 0 : height / 3 - upper(focus) * READABLE;
    port.value = { x, y: Math.min(EDGE, y), zoom: READABLE };
  }

  function isUrgent(node: GraphNode): boolean {
    const row = model.rows.peek()[node.row];
    const phase = row === undefined ? '' : lookOf(row.peek().state).phase;
    return phase === 'failed' || phase === 'running';
  }

  useLayoutEffect(() => {
    fit(false);
  }, [picture]);

  function zoomBy(factor: number, x: number, y: number): void {
    const { zoom, ...from } = port.value;
    const next = Math.max(LEAST_ZOOM, Math.min(MOST_ZOOM, zoom * factor));
    const ratio = next / zoom;
    port.value = { x: x - (x - from.x) * ratio, y: y - (y - from.y) * ratio, zoom: next };
  }

  function zoomCentre(factor: number): void {
    zoomBy(factor, (frame.current?.clientWidth ?? 0) / 2, height / 2);
  }

  function wheel(event: TargetedWheelEvent<SVGSVGElement>): void {
    if (!event.ctrlKey && !event.metaKey) return; // the page goes on scrolling
    event.preventDefault();
    zoomBy(Math.exp(-event.deltaY / 300), event.offsetX, event.offsetY);
  }

  function grab(event: TargetedPointerEvent<SVGSVGElement>): void {
    if (event.button !== 0) return;
    drag.current = { x: event.clientX, y: event.clientY, port: port.value };
  }

  function pull(event: TargetedPointerEvent<SVGSVGElement>): void {
    const from = drag.current;
    if (from === null) return;
    const x = event.clientX - from.x;
    const y = event.clientY - from.y;
    if (Math.abs(x) + Math.abs(y) < 4) return;
    if (!event.currentTarget.hasPointerCapture(event.pointerId))
      event.currentTarget.setPointerCapture(event.pointerId);
    port.value = { ...from.port, x: from.port.x + x, y: from.port.y + y };
  }

  function press(event: TargetedKeyboardEvent<SVGSVGElement>): void {
    const cells = picture.nodes.map((node) => node.cell);
    const place = cells.indexOf(active.value);
    const steps: Record<string, number> = {
      ArrowDown: place + 1,
      ArrowRight: place + 1,
      ArrowUp: place - 1,
      ArrowLeft: place - 1,
      Home: 0,
      End: cells.length - 1,
    };
    const target = steps[event.key];
    if (target !== undefined) {
      const cell = cells[Math.max(0, Math.min(cells.length - 1, target))] ?? 0;
      active.value = cell;
      reveal(cell);
      document.getElementById(`${prefix}-node-${cell}`)?.focus({ preventScroll: true });
    } else if (event.key === '+' || event.key === '=') zoomCentre(1.25);
    else if (event.key === '-') zoomCentre(0.8);
    else if (event.key === '0') fit(true);
    else if (event.key === 'Enter' || event.key === ' ') choose(nodes.value.get(active.value));
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  function reveal(cell: number): void {
    const node = nodes.value.get(cell);
    const width = frame.current?.clientWidth ?? 0;
    if (node === undefined) return;
    const { x, y, zoom } = port.value;
    const from = { x: x + left(node) * zoom, y: y + upper(node) * zoom };
    const shift = (start: number, size: number, room: number) =>
      start < EDGE ? EDGE - start : Math.min(0, room - EDGE - start - size);
    port.value = {
      x: x + shift(from.x, WIDTH * zoom, width),
      y: y + shift(from.y, HEIGHT * zoom, height),
      zoom,
    };
  }

  function choose(node: GraphNode | undefined): void {
    if (node !== undefined && node.row >= 0) choices.choose(node.row);
  }

  if (picture.nodes.length === 0)
    return (
      <div class="onb-empty">
        {trans.__('No graph: %1.', picture.missing ?? trans.__('the run has no cells yet'))}
      </div>
    );
  const tools: [string, string, () => void][] = [
    [
      trans.__('zoom in'),
      '+',
      () => {
        zoomCentre(1.25);
      },
    ],
    [
      trans.__('zoom out'),
      '−',
      () => {
        zoomCentre(0.8);
      },
    ],
    [
      trans.__('fit all'),
      trans.__('Fit'),
      () => {
        fit(true);
      },
    ],
  ];
  const { x, y, zoom } = port.value;
  const shown = pointed.value;
  return (
    <div class="onb-graph">
      <div class="onb-tools">
        {tools.map(([words, sign, work]) => (
          <button
            type="button"
            class="onb-button"
            key={words}
            aria-label={words}
            title={words}
            onClick={work}
          >
            {sign}
          </button>
        ))}
      </div>
      <svg
        ref={frame}
        class="onb-canvas"
        role="group"
        aria-label="dataflow between the cells"
        height={height}
        onWheel={wheel}
        onPointerDown={grab}
        onPointerMove={pull}
        onPointerUp={() => (drag.current = null)}
        onPointerCancel={() => (drag.current = null)}
        onKeyDown={press}
      >
        <g transform={`translate(${x} ${y}) scale(${zoom})`}>
          {picture.edges.map((edge) => (
            <Line
              key={`${edge.source}-${edge.target}`}
              edge={edge}
              nodes={nodes.value}
              lit={
                shown?.edge === edge || shown?.node === edge.target || shown?.node === edge.source
              }
              point={(on) => (pointed.value = on ? { edge } : null)}
            />
          ))}
          {picture.nodes.map((node) => (
            <Box
              key={node.cell}
              node={node}
              why={incoming(picture.edges, node.cell)}
              small={zoom < READABLE * 0.8}
              active={node.cell === active.value}
              point={(on) => (pointed.value = on ? { node: node.cell } : null)}
              choose={() => {
                active.value = node.cell;
                choose(node);
              }}
            />
          ))}
        </g>
      </svg>
      <div class="onb-reason">
        <bdi>{reasonOf(shown, picture.edges, nodes.value)}</bdi>
      </div>
    </div>
  );
}

function incoming(edges: readonly GraphEdge[], cell: number): string[] {
  return edges.filter((edge) => edge.target === cell).flatMap((edge) => edge.why);
}

function reasonOf(
  shown: { node?: number; edge?: GraphEdge } | null,
  edges: readonly GraphEdge[],
  nodes: ReadonlyMap<number, GraphNode>,
): string {
  if (shown === null)
    return trans.__('Point at a cell or a line to see why it waits. Ctrl and the wheel zoom.');
  if (shown.edge !== undefined) {
    const { source, target, why } = shown.edge;
    const called = (cell: number) => nodes.get(cell)?.name ?? trans.__('cell %1', cell);
    return trans.__('%1 waits for %2: %3', called(target), called(source), why.join('; '));
  }
  const name = nodes.get(shown.node ?? 0)?.name ?? '';
  const why = incoming(edges, shown.node ?? 0);
  return why.length > 0 ? `${name} ${why.join('; ')}` : trans.__('%1 waits for nothing', name);
}

interface LineProps {
  edge: GraphEdge;
  nodes: ReadonlyMap<number, GraphNode>;
  lit: boolean;
  point: (on: boolean) => void;
}

function Line({ edge, nodes, lit, point }: LineProps) {
  const source = nodes.get(edge.source);
  const target = nodes.get(edge.target);
  if (source === undefined || target === undefined) return null;
  const x1 = left(source) + WIDTH / 2;
  const y1 = upper(source) + HEIGHT;
  const x2 = left(target) + WIDTH / 2;
  const y2 = upper(target) - 5;
  const bend = Math.max(12, (y2 - y1) / 2);
  const path = `M${x1} ${y1}C${x1} ${y1 + bend} ${x2} ${y2 - bend} ${x2} ${y2}`;
  return (
    <g
      class={lit ? 'onb-line onb-lit' : 'onb-line'}
      onPointerEnter={() => {
        point(true);
      }}
      onPointerLeave={() => {
        point(false);
      }}
    >
      <path class="onb-wide" d={path} />
      <path class="onb-thin" d={path} />
      <path class="onb-head" d={`M${x2 - 4} ${y2 - 2}h8l-4 7z`} />
    </g>
  );
}

interface BoxProps {
  node: GraphNode;
  why: readonly string[];
  small: boolean;
  active: boolean;
  point: (on: boolean) => void;
  choose: () => void;
}

function Box({ node, why, small, active, point, choose }: BoxProps) {
  const { model, choices, prefix } = useShared();
  const row = model.rows.value[node.row]?.value;
  const state = row?.state ?? '';
  const look = lookOf(state);
  const word = row === undefined ? trans.__('in place') : look.word;
  const label = `${node.name}, ${trans.__('cell %1', node.cell)}, ${word}${why.length > 0 ? `, ${why.join('; ')}` : ''}`;
  const open = row !== undefined && choices.open.value === node.row;
  return (
    <g
      id={`${prefix}-node-${node.cell}`}
      role="button"
      tabIndex={active ? 0 : -1}
      aria-label={label}
      class={`onb-box onb-${look.phase}${open ? ' onb-chosen' : ''}${row === undefined ? ' onb-none' : ''}`}
      style={colourOf(state)}
      transform={`translate(${left(node)} ${upper(node)})`}
      onClick={choose}
      onFocus={() => {
        point(true);
      }}
      onBlur={() => {
        point(false);
      }}
      onPointerEnter={() => {
        point(true);
      }}
      onPointerLeave={() => {
        point(false);
      }}
    >
      <rect width={WIDTH} height={HEIGHT} rx="6" />
      {row !== undefined && (
        <svg
          x="10"
          y={small ? 12 : 6}
          width={small ? 20 : 15}
          height={small ? 20 : 15}
          viewBox="0 0 16 16"
        >
          {markShapes(state)}
        </svg>
      )}
      <text class="onb-box-name" x={row === undefined ? 12 : small ? 36 : 31} y={small ? 28 : 18}>
        {shorten(node.name, small ? 12 : 17)}
      </text>
      {!small && (
        <text class="onb-box-makes" x="12" y="35">
          {shorten(`${word}${node.makes ? ` → ${node.makes}` : ''}`, 24)}
        </text>
      )}
    </g>
  );
}

function shorten(text: string, most: number): string {
  const letters = Array.from(text);
  return letters.length <= most ? text : `${letters.slice(0, most - 1).join('')}…`;
}
