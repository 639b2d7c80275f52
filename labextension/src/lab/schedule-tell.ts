/** The part of the schedule form that says whom to tell, and of what; a test message can be sent. */

import type { TranslationBundle } from '@jupyterlab/translation';

import { call, wordsOf } from './api';
import { field, make } from './dom';
import type { DeploymentDetails } from './records';

export interface TellPart {
  readonly node: HTMLElement;
  /** The rules as the API takes them; null for those that are there already. */
  rules(): { states: string; target: string }[] | null;
}

type Rules = DeploymentDetails['rules'];

export function tellPart(
  trans: TranslationBundle,
  called: () => string,
  rules: Rules = [],
): TellPart {
  const [first] = rules;
  if (rules.length > 1) {
    const words = trans.__('%1 addresses, as before', rules.length);
    return { node: field(trans.__('Tell me'), words), rules: () => null };
  }
  const failed = make('input', { type: 'checkbox', name: 'failed' });
  failed.checked = first === undefined || first.states.some((one) => one.startsWith('Failed'));
  const late = make('input', { type: 'checkbox', name: 'late' });
  late.checked = first?.states.includes('Late') ?? false;
  const target = make('input', {
    type: 'text',
    name: 'tell',
    placeholder: 'mailto://…',
    'aria-label': trans.__('address'),
  });
  target.value = first?.target ?? '';
  const said = make('span', { class: 'onb-lab-dim', role: 'status' });
  const send = async (): Promise<void> => {
    said.textContent = trans.__('sending …');
    try {
      await call('POST', '/notify/test', { target: target.value.trim(), name: called() });
      said.textContent = trans.__('sent');
    } catch (error) {
      said.textContent = wordsOf(error);
    }
  };
  const test = make(
    'button',
    { type: 'button', class: 'onb-lab-button onb-lab-framed', onclick: () => void send() },
    trans.__('Send test'),
  );
  const box = (input: HTMLInputElement, words: string) =>
    make('label', { class: 'onb-lab-box' }, input, words);
  return {
    node: make(
      'div',
      {},
      field(
        trans.__('Tell me'),
        box(failed, trans.__('failed')),
        box(late, trans.__('late')),
        target,
        test,
      ),
      said,
    ),
    rules: () => {
      const states = [failed.checked ? 'failed,crashed' : '', late.checked ? 'late' : '']
        .filter(Boolean)
        .join(',');
      return target.value.trim() && states ? [{ states, target: target.value.trim() }] : [];
    },
  };
}
