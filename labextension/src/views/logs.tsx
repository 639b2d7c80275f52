/** What the run's cells logged, newest last; follows the end unless the reader has scrolled up. */

import { useComputed, useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';

import { useShared } from './context';
import { trans } from '../model/tongue';

const LEVELS = ['DEBUG', 'INFO', 'WARNING', 'ERROR', 'CRITICAL'];

export function Logs({ task }: { task?: string }) {
  const { model } = useShared();
  const least = useSignal('DEBUG');
  const box = useRef<HTMLDivElement>(null);
  const atEnd = useRef(true);
  const lines = useComputed(() => {
    const from = LEVELS.indexOf(least.value);
    return model.logs.value.filter((line) => {
      const level = LEVELS.indexOf(line.level);
      return (level < 0 || level >= from) && (task === undefined || line.task === task);
    });
  });
  const shown = lines.value;
  useLayoutEffect(() => {
    if (atEnd.current && box.current !== null) box.current.scrollTop = box.current.scrollHeight;
  }, [shown]);
  return (
    <div class="onb-logs">
      <div class="onb-tools">
        <select
          aria-label={trans.__('least level shown')}
          value={least.value}
          onChange={(event) => (least.value = event.currentTarget.value)}
        >
          {LEVELS.map((level) => (
            <option key={level}>{level}</option>
          ))}
        </select>
      </div>
      {shown.length === 0 ? (
        <div class="onb-empty">{trans.__('Nothing was logged.')}</div>
      ) : (
        <div
          ref={box}
          class="onb-lines"
          tabIndex={0}
          role="group"
          aria-label={trans.__('log records')}
          onScroll={(event) => {
            const { scrollTop, scrollHeight, clientHeight } = event.currentTarget;
            atEnd.current = scrollTop + clientHeight >= scrollHeight - 4;
          }}
        >
          {shown.map((line, place) => (
            <div key={place} class={`onb-log onb-level-${line.level.toLowerCase()}`}>
              <span class="onb-log-time">{clockOf(line.time)}</span>
              <span class="onb-log-level">{line.level}</span>
              {task === undefined && <bdi class="onb-log-task">{line.task}</bdi>}
              <bdi class="onb-log-text">{line.text}</bdi>
            </div>
          ))}
        </div>
      )}
    </div>
  );
}

function clockOf(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });
}
