/** The pane of one row: Error, Log, Output, Inputs, Source, Why; asked for when it is opened. */

import { useSignal, useSignalEffect } from '@preact/signals';
import type { Signal } from '@preact/signals';
import { useRef } from 'preact/hooks';

import { AskButton } from './button';
import { useShared } from './context';
import { Logs } from './logs';
import { Mark } from './mark';
import { Tabs } from './tabs';
import { lookOf } from '../model/states';
import { trans } from '../model/tongue';
import { placeOf, showDuration, triesOf } from '../model/words';
import type { Detail, Row, Value } from '../schema';

type Part = 'error' | 'log' | 'output' | 'inputs' | 'source' | 'why';

const allParts = (): readonly (readonly [Part, string])[] => [
  ['error', trans.__('Error')],
  ['log', trans.__('Log')],
  ['output', trans.__('Output')],
  ['inputs', trans.__('Inputs')],
  ['source', trans.__('Source')],
  ['why', trans.__('Why')],
];

export function DetailPane({ position, row }: { position: number; row: Signal<Row> }) {
  const { host, choices, prefix } = useShared();
  const detail = useSignal<Detail | null>(null);
  const failure = useSignal('');
  const chosen = useSignal<Part | null>(null);
  const asked = useRef('');
  const { state, name, attempt, error, message } = row.value;
  const look = lookOf(state);

  useSignalEffect(() => {
    const now = row.value;
    const key = `${position} ${now.state} ${now.attempt ?? 1}`;
    if (asked.current === key) return; // progress is no reason to ask again
    asked.current = key;
    void host.ask('detail', position).then((answer) => {
      if (asked.current !== key) return;
      detail.value = answer.detail ?? detail.peek();
      failure.value = answer.ok ? '' : answer.text;
    });
  });

  const hasError = look.phase === 'failed' || error !== undefined;
  const parts = allParts().filter(([part]) => hasError || part !== 'error');
  const part = chosen.value ?? (hasError ? 'error' : 'output');
  const facts = [placeOf(row.value), factsOf(row.value)]
    .filter((words) => words !== '')
    .join(' · ');
  const inner = `${prefix}-detail`;
  return (
    <section class="onb-detail" aria-label={trans.__('details of %1', name)}>
      <div class="onb-detail-head">
        <Mark state={state} />
        <span>{look.word}</span>
        <bdi class="onb-name" title={name}>
          {name}
        </bdi>
        <span class="onb-dim">{facts}</span>
        <span class="onb-space" />
        {hasError && (
          <AskButton action="debug" words={trans.__('Debug here')} row={position} primary />
        )}
        <AskButton action="go" words={trans.__('Go to cell')} row={position} />
        {look.phase === 'failed' && (
          <AskButton action="retry" words={trans.__('Retry')} row={position} />
        )}
        <button
          type="button"
          class="onb-button onb-close"
          aria-label={trans.__('close the details')}
          onClick={() => {
            choices.choose(null);
          }}
        >
          ×
        </button>
      </div>
      <Tabs
        label={trans.__('parts of the details')}
        prefix={inner}
        names={parts}
        chosen={part}
        choose={(next) => (chosen.value = next)}
      />
      <div
        id={`${inner}-pane`}
        class="onb-pane"
        role="tabpanel"
        tabIndex={0}
        aria-labelledby={`${inner}-tab-${part}`}
        key={part}
      >
        {part === 'log' ? (
          <Logs task={name} />
        ) : (
          <PartView
            part={part}
            detail={detail.value}
            short={error ? `${error.name}: ${error.value}` : (message ?? '')}
            trouble={trouble(host.answers.value, failure.value)}
            key={`${position}-${attempt ?? 1}`}
          />
        )}
      </div>
    </section>
  );
}

function factsOf(row: Row): string {
  const words: string[] = [];
  if (row.start !== undefined && typeof row.end === 'number')
    words.push(showDuration(row.end - row.start));
  if ((row.of ?? 1) > 1) words.push(triesOf(row.attempt ?? 1, row.of ?? 1));
  if (row.where) words.push(row.where);
  return words.join(' · ');
}

function trouble(answers: boolean | null, failure: string): string {
  if (answers === false)
    return trans.__('The kernel does not answer now: the details come when it does.');
  return failure || trans.__('Asking …');
}

interface PartProps {
  part: Part;
  detail: Detail | null;
  short: string;
  trouble: string;
}

function PartView({ part, detail, short, trouble: words }: PartProps) {
  if (detail === null) {
    return (
      <>
        {part === 'error' && short !== '' && <Text text={short} />}
        <div class="onb-empty">{words}</div>
      </>
    );
  }
  switch (part) {
    case 'error':
      return <Text text={detail.traceback || short} empty={trans.__('No traceback was kept.')} />;
    case 'source':
      return (
        <Text text={detail.source} empty={trans.__('The source is not to be had any more.')} />
      );
    case 'output':
      return detail.outputs.length === 0 ? (
        <div class="onb-empty">{trans.__('It showed nothing so far.')}</div>
      ) : (
        <>
          {detail.outputs.map((output, place) =>
            output.kind === 'other' ? (
              <div key={place} class="onb-dim">
                {trans.__('%1: see the output notebook', output.text)}
              </div>
            ) : (
              <Text key={place} text={output.text} kind={output.kind} />
            ),
          )}
        </>
      );
    case 'inputs':
      return (
        <>
          <Values
            title={trans.__('Reads')}
            values={detail.inputs}
            empty={trans.__('It reads nothing of other cells.')}
          />
          <Values
            title={trans.__('Sets')}
            values={detail.values}
            empty={trans.__('It sets no names.')}
          />
        </>
      );
    default:
      return detail.why.length === 0 ? (
        <div class="onb-empty">{trans.__('It waits for no other cell.')}</div>
      ) : (
        <div role="list" class="onb-why">
          {detail.why.map((reason) => (
            <div role="listitem" key={reason}>
              {reason}
            </div>
          ))}
        </div>
      );
  }
}

function Text({ text, kind = '', empty = '' }: { text: string; kind?: string; empty?: string }) {
  if (text === '') return <div class="onb-empty">{empty}</div>;
  return <div class={`onb-text onb-${kind || 'plain'}`}>{text}</div>;
}

function Values(props: { title: string; values: readonly Value[]; empty: string }) {
  const { title, values, empty } = props;
  return (
    <>
      <div class="onb-heading">{title}</div>
      {values.length === 0 ? (
        <div class="onb-empty">{empty}</div>
      ) : (
        <div role="list" class="onb-values">
          {values.map((value) => (
            <div role="listitem" key={`${value.name}-${value.cell}`}>
              <bdi class="onb-name">{value.name}</bdi>
              <span class="onb-dim">
                {[value.cell > 0 ? trans.__('cell %1', value.cell) : '', value.note]
                  .filter((words) => words !== '')
                  .join(' · ')}
              </span>
            </div>
          ))}
        </div>
      )}
    </>
  );
}
