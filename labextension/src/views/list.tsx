/** The list that is the timeline: one bar a row, one scale, only the visible rows in the DOM. */

import { useComputed, useSignal, useSignalEffect } from '@preact/signals';
import type { Signal } from '@preact/signals';
import type { TargetedKeyboardEvent } from 'preact';
import { useRef } from 'preact/hooks';

import { follow } from '../model/follow';
import { useShared } from './context';
import { Mark } from './mark';
import { orderRows, type Alike } from '../model/order';
import { makeScale, showTick, type Scale } from '../model/scale';
import { colourOf, lookOf } from '../model/states';
import { trans } from '../model/tongue';
import { nameOf, noteOf, placeOf, showDuration } from '../model/words';
import type { Row } from '../schema';

const ROW = 26; // pixels, as in the style
const MOST_SHOWN = 14; // rows before the list scrolls
const MARGIN = 6; // rows kept in the DOM beyond the edges

export function List() {
  const { model, choices, tick, prefix } = useShared();
  const scroller = useRef<HTMLDivElement>(null);
  const top = useSignal(0);
  const active = useSignal(0);
  const held = useRef<readonly number[] | null>(null);
  const pointed = useSignal(false);

  const wanted = useComputed(() => {
    follow(model.turn);
    const rows = model.rows.value.map((row) => row.peek());
    const alike: Alike = [];
    return {
      alike,
      fresh: orderRows(rows, { all: choices.all.value, filter: choices.filter.value }, alike),
    };
  });
  // nothing moves under the pointer: while it is over the list, rows keep their places
  const order = useComputed(() => {
    const { fresh } = wanted.value;
    const old = held.current;
    if (pointed.value && old?.length === fresh.length) {
      const set = new Set(fresh);
      if (old.every((position) => set.has(position))) return old;
    }
    held.current = fresh;
    return fresh;
  });
  const scale = useComputed<Scale>(() => {
    follow(tick);
    const { seconds, expected } = model.header.value;
    return makeScale(seconds ?? model.elapsed(), expected, model.live.value);
  });
  const steady = useRef(scale.value);
  const shownScale = useComputed(() => {
    const next = scale.value;
    if (next.seconds !== steady.current.seconds) steady.current = next;
    return steady.current; // the same object, so that rows are drawn anew only when it grows
  });

  const widths = useComputed(() => {
    const shown = order.value.map((position) => model.rows.value[position]?.peek());
    const longest = (words: (row: Row) => string) =>
      Math.max(...shown.map((row) => (row === undefined ? 0 : words(row).length)), 5);
    return {
      '--names': `${Math.min(24, longest(nameOf)) + 1}ch`,
      '--places': `${Math.min(16, longest(placeOf)) * 0.9}ch`,
    };
  });
  const count = order.value.length;
  const height = Math.min(count, MOST_SHOWN) * ROW;
  const first = Math.max(0, Math.floor(top.value / ROW) - MARGIN);
  const last = Math.min(count, Math.ceil((top.value + height) / ROW) + MARGIN);
  const current = Math.min(active.value, Math.max(0, count - 1));
  const shown: number[] = [];
  for (let place = first; place < last; place += 1) shown.push(place);
  if (count > 0 && (current < first || current >= last)) shown.push(current);

  function show(place: number): void {
    active.value = place;
    const box = scroller.current;
    if (box === null) return;
    if (place * ROW < box.scrollTop) box.scrollTop = place * ROW;
    else if ((place + 1) * ROW > box.scrollTop + box.clientHeight)
      box.scrollTop = (place + 1) * ROW - box.clientHeight;
  }

  function press(event: TargetedKeyboardEvent<HTMLDivElement>): void {
    const page = Math.max(1, MOST_SHOWN - 2);
    const moves: Record<string, number> = {
      ArrowDown: current + 1,
      ArrowUp: current - 1,
      PageDown: current + page,
      PageUp: current - page,
      Home: 0,
      End: count - 1,
    };
    const target = moves[event.key];
    if (target !== undefined) {
      event.preventDefault();
      event.stopPropagation();
      show(Math.max(0, Math.min(count - 1, target)));
    } else if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      event.stopPropagation();
      toggle(current);
    } else if (event.key === 'Escape' && choices.open.value !== null) {
      event.stopPropagation();
      choices.choose(null);
    }
  }

  function toggle(place: number): void {
    const position = order.value[place];
    if (position === undefined) return;
    active.value = place;
    choices.choose(choices.open.value === position ? null : position);
  }

  useSignalEffect(() => {
    const open = choices.open.value;
    const place = open === null ? -1 : order.peek().indexOf(open);
    if (place >= 0) active.value = place;
  });

  return (
    <div
      class="onb-list"
      style={widths.value}
      onPointerEnter={() => (pointed.value = true)}
      onPointerLeave={() => (pointed.value = false)}
    >
      <Axis scale={shownScale.value} />
      <div
        ref={scroller}
        class="onb-rows"
        role="listbox"
        tabIndex={0}
        aria-label={trans.__('tasks of %1', model.header.value.name)}
        aria-activedescendant={count > 0 ? `${prefix}-row-${current}` : undefined}
        style={{ height: `${height}px` }}
        onScroll={(event) => (top.value = event.currentTarget.scrollTop)}
        onKeyDown={press}
      >
        <div class="onb-rows-all" style={{ height: `${count * ROW}px` }} role="presentation">
          {shown.map((place) => {
            const position = order.value[place] ?? 0;
            const row = model.rows.value[position];
            return row === undefined ? null : (
              <RowView
                key={position}
                row={row}
                alike={wanted.value.alike[position]}
                place={place}
                count={count}
                active={place === current}
                open={choices.open.value === position}
                scale={shownScale.value}
                choose={toggle}
              />
            );
          })}
        </div>
      </div>
      {count === 0 && <div class="onb-empty">{trans.__('No task matches.')}</div>}
    </div>
  );
}

function Axis({ scale }: { scale: Scale }) {
  return (
    <div class="onb-axis" aria-hidden="true">
      <span class="onb-axis-line">
        {scale.ticks.map((tick) => (
          <span class="onb-tick" style={{ left: `${(100 * tick) / scale.seconds}%` }}>
            {showTick(tick)}
          </span>
        ))}
      </span>
    </div>
  );
}

interface RowProps {
  row: Signal<Row>;
  alike: number | undefined;
  place: number;
  count: number;
  active: boolean;
  open: boolean;
  scale: Scale;
  choose: (place: number) => void;
}

function RowView({ row: signalled, alike, place, count, active, open, scale, choose }: RowProps) {
  const { model, tick, prefix } = useShared();
  const row = signalled.value;
  const look = lookOf(row.state);
  const running = look.phase === 'running' && row.end === undefined;
  if (running) follow(tick);
  if (look.phase === 'waiting') follow(model.turn); // what it waits for may have ended
  const end = row.end ?? (running ? Math.max(model.elapsed(), row.start ?? 0) : row.start);
  const seconds = row.start === undefined || end === undefined ? null : end - row.start;
  const note = noteOf(row, (cell) => model.isDone(cell), alike);
  const name = nameOf(row);
  return (
    <div
      id={`${prefix}-row-${place}`}
      role="option"
      aria-selected={open}
      aria-posinset={place + 1}
      aria-setsize={count}
      class={`onb-row onb-${look.phase}${active ? ' onb-active' : ''}`}
      style={{ transform: `translateY(${place * ROW}px)` }}
      onClick={() => {
        choose(place);
      }}
    >
      <span class="onb-state">
        <Mark state={row.state} />
        <span class="onb-word">{look.word}</span>
      </span>
      <bdi class="onb-name" title={name}>
        {name}
      </bdi>
      <span class="onb-place">{placeOf(row)}</span>
      <span class="onb-time">{seconds === null ? '' : showDuration(seconds)}</span>
      {look.phase !== 'waiting' && look.phase !== 'left-out' && (
        <span class="onb-track" aria-hidden="true">
          <Bars row={row} end={end} running={running} scale={scale} />
        </span>
      )}
      <bdi class="onb-note" title={note}>
        {note}
      </bdi>
    </div>
  );
}

interface BarsProps {
  row: Row;
  end: number | undefined;
  running: boolean;
  scale: Scale;
}

function Bars({ row, end, running, scale }: BarsProps) {
  const at = (moment: number) => `${Math.min(100, (100 * moment) / scale.seconds)}%`;
  const box = (from: number, to: number) => ({
    left: at(from),
    width: `max(3px, ${Math.max(0, (100 * (Math.min(to, scale.seconds) - from)) / scale.seconds)}%)`,
  });
  if (row.start === undefined || end === undefined) return null;
  const left = expectedEnd(row, end, running);
  return (
    <>
      {row.tries?.map(([from, to]) => (
        <span class="onb-bar onb-try" style={{ ...colourOf('Failed'), ...box(from, to) }} />
      ))}
      {left !== null && <span class="onb-bar onb-ahead" style={box(row.start, left)} />}
      <span class="onb-bar" style={{ ...colourOf(row.state), ...box(row.start, end) }} />
    </>
  );
}

/** When a running row should end: by its progress, else by earlier runs. */
function expectedEnd(row: Row, now: number, running: boolean): number | null {
  if (!running || row.start === undefined) return null;
  if (typeof row.percent === 'number' && row.percent >= 1)
    return row.start + ((now - row.start) * 100) / row.percent;
  return row.expected === undefined ? null : Math.max(now, row.start + row.expected);
}
