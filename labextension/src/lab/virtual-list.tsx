/** A list of which only the rows in sight are in the page. */

import { useSignal } from '@preact/signals';
import type { ComponentChild, TargetedKeyboardEvent } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';

const SPARE = 4; // rows above and below those in sight
const NEAR = 100; // rows before the end at which more are read

export interface VirtualListProps {
  readonly label: string;
  readonly count: number;
  readonly height: number; // of a row, in pixels
  readonly row: (place: number) => ComponentChild;
  readonly onNearEnd: () => void;
}

export function VirtualList({ label, count, height, row, onNearEnd }: VirtualListProps) {
  const frame = useRef<HTMLDivElement>(null);
  const first = useSignal(0);
  const shown = useSignal(40);
  const active = useSignal(0);

  function look(): void {
    const node = frame.current;
    if (node === null) return;
    // in steps: most scroll events need no drawing
    const top = Math.max(0, Math.floor(node.scrollTop / height) - SPARE);
    const begin = top - (top % SPARE);
    const size = Math.ceil(node.clientHeight / height) + 3 * SPARE;
    // what it shows will be another row: the focus is not that one's
    const held = document.activeElement;
    const gone = active.peek() < begin || active.peek() >= begin + size;
    if (gone && held instanceof HTMLElement && held !== node && node.contains(held)) held.blur();
    first.value = begin;
    shown.value = size;
    if (first.value + shown.value > count - NEAR) onNearEnd();
  }

  useLayoutEffect(look, [count]);
  useEffect(() => {
    const observer = new ResizeObserver(look);
    if (frame.current) observer.observe(frame.current);
    return () => {
      observer.disconnect();
    };
  });

  function press(event: TargetedKeyboardEvent<HTMLDivElement>): void {
    const page = Math.max(1, Math.floor(event.currentTarget.clientHeight / height) - 1);
    const targets: Record<string, number> = {
      ArrowDown: active.value + 1,
      ArrowUp: active.value - 1,
      PageDown: active.value + page,
      PageUp: active.value - page,
      Home: 0,
      End: count - 1,
    };
    const target = targets[event.key];
    const node = frame.current;
    if (target === undefined || node === null) return;
    event.preventDefault();
    event.stopPropagation();
    active.value = Math.max(0, Math.min(count - 1, target));
    const top = active.value * height;
    if (top < node.scrollTop) node.scrollTop = top;
    if (top + height > node.scrollTop + node.clientHeight)
      node.scrollTop = top + height - node.clientHeight;
    look();
    // the row is drawn in this very task's end
    setTimeout(() => {
      const found = node.querySelector<HTMLElement>(`[data-place="${active.value}"] .onb-lab-row`);
      found?.focus({ preventScroll: true });
    }, 0);
  }

  // a row that goes out of sight is filled anew with one that comes in
  const last = Math.min(count, first.value + shown.value);
  const places = Array.from({ length: Math.max(0, last - first.value) }, (_, n) => first.value + n);
  return (
    <div class="onb-lab-virtual" ref={frame} onScroll={look} onKeyDown={press}>
      <div role="list" aria-label={label} style={{ height: `${count * height}px` }}>
        {places.map((place) => (
          <div
            role="listitem"
            key={place % shown.value}
            data-place={place}
            aria-setsize={count}
            aria-posinset={place + 1}
            style={{ top: `${place * height}px`, height: `${height}px` }}
            onFocusCapture={() => {
              active.value = place;
            }}
          >
            {row(place)}
          </div>
        ))}
      </div>
    </div>
  );
}
