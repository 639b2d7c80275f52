/** The top of the panel: which run, how it stands, what can be done about it. */

import { follow } from '../model/follow';
import { AskButton, BUSY } from './button';
import { useShared } from './context';
import { Mark } from './mark';
import type { Counts } from '../model/run';
import { isLive, lookOf, type Phase } from '../model/states';
import { plural, showClock, showDuration } from '../model/words';

const COUNTS: readonly (readonly [Phase, string, string])[] = [
  ['failed', 'Failed', 'failed'],
  ['done', 'Completed', 'completed'],
  ['running', 'Running', 'running'],
  ['waiting', 'Pending', 'waiting'],
  ['left-out', 'UpstreamFailed', 'not run'],
];

export function Header() {
  const { model, host } = useShared();
  const run = model.header.value;
  const live = isLive(run.state);
  const unheard = host.answers.value === false;
  return (
    <div class="onb-header">
      <div class="onb-title">
        <bdi class="onb-flow">{run.flow}</bdi>
        <span class="onb-dim" aria-hidden="true">
          ·
        </span>
        <bdi class="onb-run">{run.name}</bdi>
      </div>
      <span class="onb-status">
        <Mark state={run.state} />
        <strong>{lookOf(run.state).word}</strong>
        <Elapsed />
      </span>
      <span class="onb-space" />
      <span class="onb-actions">
        {live && unheard && <span class="onb-dim">■ {BUSY}</span>}
        {live && !unheard && <AskButton action="cancel" words="Cancel" />}
        {!live && run.state !== 'Completed' && (
          <AskButton action="resume" words={resumeWords(model.counts.value)} primary />
        )}
        {!live && run.output !== '' && <AskButton action="output" words="Output notebook" />}
      </span>
    </div>
  );
}

/** What goes on with the cells as they were; those that were edited since run again as well. */
function resumeWords(counts: Counts): string {
  const { done } = counts;
  const left = counts.failed + counts.waiting + counts['left-out'];
  return `Resume: ${left} run, ${done} reused`;
}

function Elapsed() {
  const { model, tick } = useShared();
  const { seconds, expected, state, began } = model.header.value;
  if (seconds !== null) {
    const took = seconds < 10 ? showDuration(seconds) : showClock(seconds);
    const joint = state === 'Completed' ? 'in' : 'after';
    return <span class="onb-clock">{`${joint} ${took}`}</span>;
  }
  if (began === null) return null;
  follow(tick);
  const rest = expected === null ? '' : ` of ~${showClock(Math.max(1, expected))}`;
  return <span class="onb-clock">{`${showClock(model.elapsed())}${rest}`}</span>;
}

export function Facts() {
  const { model } = useShared();
  const { tasks, cells, parameters, runner, workers } = model.header.value;
  const counts = model.counts.value;
  return (
    <div class="onb-facts">
      <div role="list" class="onb-counts" aria-label="tasks by state">
        {COUNTS.filter(([phase]) => counts[phase] > 0).map(([phase, state, word]) => (
          <div role="listitem" key={phase} title={word}>
            <Mark state={state} />
            {counts[phase]}
            <span class="onb-count-word"> {word}</span>
          </div>
        ))}
      </div>
      <span>{`${plural(tasks, 'task')} of ${plural(cells, 'cell')}`}</span>
      {parameters.length > 0 && (
        <div role="list" class="onb-parameters" aria-label="parameters">
          {parameters.map(({ name, value, source }) => (
            <div role="listitem" key={name} title={`${name} = ${value}, from ${source}`}>
              <bdi>
                {name}={value}
              </bdi>{' '}
              <span class="onb-dim">from {source}</span>
            </div>
          ))}
        </div>
      )}
      <span class="onb-space" />
      <span class="onb-dim">{workers > 0 ? `${runner} ×${workers}` : runner}</span>
    </div>
  );
}
