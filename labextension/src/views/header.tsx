/** The top of the panel: which run, how it stands, what can be done about it. */

import { follow } from '../model/follow';
import { AskButton, busy } from './button';
import { useShared } from './context';
import { Mark } from './mark';
import type { Counts } from '../model/run';
import { isLive, lookOf, type Phase } from '../model/states';
import { trans } from '../model/tongue';
import { showClock, showDuration, tasksOf } from '../model/words';

const counted = (): readonly (readonly [Phase, string, string])[] => [
  ['failed', 'Failed', trans.__('failed')],
  ['done', 'Completed', trans.__('completed')],
  ['running', 'Running', trans.__('running')],
  ['waiting', 'Pending', trans.__('waiting')],
  ['left-out', 'UpstreamFailed', trans.__('not run')],
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
        {live && unheard && <span class="onb-dim">■ {busy()}</span>}
        {live && !unheard && <AskButton action="cancel" words={trans.__('Cancel')} />}
        {!live && run.state !== 'Completed' && (
          <AskButton action="resume" words={resumeWords(model.counts.value)} primary />
        )}
        {!live && run.output !== '' && (
          <AskButton action="output" words={trans.__('Output notebook')} />
        )}
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
    const words = state === 'Completed' ? trans.__('in %1', took) : trans.__('after %1', took);
    return <span class="onb-clock">{words}</span>;
  }
  if (began === null) return null;
  follow(tick);
  const now = showClock(model.elapsed());
  const words =
    expected === null ? now : trans.__('%1 of ~%2', now, showClock(Math.max(1, expected)));
  return <span class="onb-clock">{words}</span>;
}

export function Facts() {
  const { model } = useShared();
  const { tasks, cells, parameters, runner, workers } = model.header.value;
  const counts = model.counts.value;
  return (
    <div class="onb-facts">
      <div role="list" class="onb-counts" aria-label={trans.__('tasks by state')}>
        {counted()
          .filter(([phase]) => counts[phase] > 0)
          .map(([phase, state, word]) => (
            <div role="listitem" key={phase} title={word}>
              <Mark state={state} />
              {counts[phase]}
              <span class="onb-count-word"> {word}</span>
            </div>
          ))}
      </div>
      <span>{tasksOf(tasks, cells)}</span>
      {parameters.length > 0 && (
        <div role="list" class="onb-parameters" aria-label={trans.__('parameters')}>
          {parameters.map(({ name, value, source }) => (
            <div
              role="listitem"
              key={name}
              title={`${name} = ${value}, ${trans.__('from %1', source)}`}
            >
              <bdi>
                {name}={value}
              </bdi>{' '}
              <span class="onb-dim">{trans.__('from %1', source)}</span>
            </div>
          ))}
        </div>
      )}
      <span class="onb-space" />
      <span class="onb-dim">{workers > 0 ? `${runner} ×${workers}` : runner}</span>
    </div>
  );
}
