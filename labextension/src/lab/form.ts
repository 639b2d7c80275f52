/** A form made from a JSON schema; what is left empty is not in its values. */

import { make } from './dom';
import type { FieldSchema, OptionSchema } from './records';

type Values = Record<string, unknown>;
type Field = HTMLInputElement | HTMLSelectElement;

export interface Form {
  readonly node: HTMLElement;
  values(): Values;
}

export function makeForm(
  schema: OptionSchema,
  first: readonly string[],
  given: Values,
  more: string,
): Form {
  const reads = new Map<string, () => unknown>();
  const node = make('div', { class: 'onb-lab-form' });
  const rest = make('div', { class: 'onb-lab-form' });
  const names = Object.keys(schema.properties);
  for (const name of [...first, ...names.filter((other) => !first.includes(other))]) {
    const field = schema.properties[name];
    if (field === undefined) continue;
    const [input, read] = makeField(field, given[name]);
    input.name = name;
    reads.set(name, read);
    const words = make('span', {}, field.title);
    const row = make(
      'label',
      { class: 'onb-lab-field', title: field.description ?? '' },
      words,
      input,
    );
    (first.includes(name) ? node : rest).append(row);
  }
  if (rest.children.length > 0) {
    const details = make('details', {}, make('summary', {}, more), rest);
    // what is set must be seen
    details.open = names.some((name) => !first.includes(name) && given[name] !== undefined);
    node.append(details);
  }
  return {
    node,
    values: () =>
      Object.fromEntries(
        [...reads].map(([name, read]) => [name, read()]).filter(([, value]) => value !== undefined),
      ) as Values,
  };
}

function makeField(field: FieldSchema, value: unknown): [Field, () => unknown] {
  if (field.enum) {
    const select = make('select', {}, make('option', { value: '' }));
    for (const choice of field.enum) select.append(make('option', { value: choice }, choice));
    select.value = typeof value === 'string' ? value : '';
    return [select, () => select.value || undefined];
  }
  if (field.type === 'boolean') {
    const box = make('input', { type: 'checkbox' });
    box.checked = value === true;
    return [box, () => box.checked || undefined];
  }
  const isNumber = field.type === 'integer' || field.type === 'number';
  const input = make('input', { type: isNumber ? 'number' : 'text' });
  if (field.minimum !== undefined) input.min = String(field.minimum);
  if (field.type === 'number') input.step = 'any';
  input.placeholder = show(field.default);
  suggest(input, field.pattern);
  input.value = show(value);
  return [input, () => readText(field.type, input.value.trim())];
}

/** The plain words among a pattern's alternatives, such as `^(inline|local|dask=.+)$`. */
function suggest(input: HTMLInputElement, pattern = ''): void {
  const words = pattern.match(/(?<=[(|])\w+(?=[)|])/g) ?? [];
  if (words.length === 0) return;
  const list = make('datalist', { id: `orch-nb-${words.join('-')}` });
  for (const word of words) list.append(make('option', { value: word }));
  input.setAttribute('list', list.id);
  document.getElementById(list.id)?.remove();
  document.body.append(list);
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
