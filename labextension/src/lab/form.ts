/** A form made from a JSON schema; what is left empty is not in its values. */

import { make } from './dom';
import type { OptionSchema } from './api';

type Values = Record<string, unknown>;

export interface Form {
  readonly node: HTMLElement;
  values(): Values;
}

export function makeForm(schema: OptionSchema, first: readonly string[], given: Values): Form {
  const reads = new Map<string, () => unknown>();
  const node = make('div', { class: 'onb-lab-form' });
  const rest = make('div', { class: 'onb-lab-form' });
  for (const name of [
    ...first,
    ...Object.keys(schema.properties).filter((other) => !first.includes(other)),
  ]) {
    const field = schema.properties[name];
    if (field === undefined) continue;
    const value = given[name];
    let input: HTMLInputElement | HTMLSelectElement;
    if (field.enum) {
      input = make('select', {}, make('option', { value: '' }));
      for (const choice of field.enum) input.append(make('option', { value: choice }, choice));
      input.value = typeof value === 'string' ? value : '';
      reads.set(name, () => input.value || undefined);
    } else if (field.type === 'boolean') {
      const box = make('input', { type: 'checkbox' });
      box.checked = value === true;
      input = box;
      reads.set(name, () => box.checked || undefined);
    } else {
      input = make('input', { type: 'text', placeholder: show(field.default) });
      input.value = show(value);
      reads.set(name, () => readText(field.type, input.value.trim()));
    }
    input.name = name;
    const row = make(
      'label',
      { class: 'onb-lab-field', title: field.description ?? '' },
      make('span', {}, field.title),
      input,
    );
    (first.includes(name) ? node : rest).append(row);
  }
  if (rest.children.length > 0)
    node.append(make('details', {}, make('summary', {}, 'More options'), rest));
  return {
    node,
    values: () =>
      Object.fromEntries(
        [...reads].map(([name, read]) => [name, read()]).filter(([, value]) => value !== undefined),
      ) as Values,
  };
}

function show(value: unknown): string {
  if (value === undefined || value === null) return '';
  if (Array.isArray(value)) return value.join(', ');
  return typeof value === 'string' ? value : JSON.stringify(value);
}

function readText(type: string, text: string): unknown {
  if (text === '') return undefined;
  if (type === 'integer' || type === 'number')
    return Number.isNaN(Number(text)) ? text : Number(text);
  if (type === 'array') return text.split(',').map((part) => part.trim());
  if (type === 'object') {
    try {
      return JSON.parse(text);
    } catch {
      return text; // the server says what is wrong with it
    }
  }
  return text;
}
