/** The form of a notebook's parameters, each with the field that its type wants. */

import { make } from './dom';
import type { ParameterRecord } from './records';

export interface ParameterForm {
  readonly node: HTMLElement;
  /** What was typed, by name; the server reads the texts by the parameters' types. */
  texts(): Record<string, string>;
}

/** `given` are the values that are in place of the notebook's own, as text. */
export function parameterForm(
  parameters: readonly ParameterRecord[],
  given: ReadonlyMap<string, string> = new Map(),
): ParameterForm {
  const reads = new Map<string, () => string>();
  const node = make('div', { class: 'onb-lab-form' });
  for (const parameter of parameters) {
    const [field, read] = makeField(parameter);
    field.name = parameter.name;
    field.value = given.get(parameter.name) ?? '';
    reads.set(parameter.name, read);
    node.append(
      make(
        'label',
        { class: 'onb-lab-field', title: parameter.help },
        make(
          'span',
          {},
          parameter.name,
          parameter.type === null
            ? null
            : make('span', { class: 'onb-lab-dim' }, ` ${parameter.type}`),
        ),
        field,
        parameter.help ? make('span', { class: 'onb-lab-dim' }, parameter.help) : null,
      ),
    );
  }
  return {
    node,
    texts: () =>
      Object.fromEntries(
        [...reads].map(([name, read]) => [name, read()] as const).filter(([, text]) => text !== ''),
      ),
  };
}

/** A field, and what reads it; empty means: as the notebook has it. */
function makeField({
  type,
  default: text,
}: ParameterRecord): [HTMLInputElement | HTMLSelectElement, () => string] {
  const kind = type ?? '';
  const choices = kind === 'bool' ? ['True', 'False'] : literals(kind);
  if (choices.length > 0) {
    const select = make('select', {}, make('option', { value: '' }, text ?? ''));
    for (const choice of choices)
      select.append(make('option', { value: unquoted(choice) }, unquoted(choice)));
    return [select, () => select.value];
  }
  const input = make('input', { type: kind === 'int' || kind === 'float' ? 'number' : 'text' });
  if (kind === 'float') input.step = 'any';
  input.placeholder = text ?? '';
  return [input, () => input.value.trim()];
}

/** The choices of `Literal["a", "b"]`, as source; none for other types. */
function literals(type: string): string[] {
  const found = /^(?:typing\.)?Literal\[(.*)\]$/.exec(type);
  return found?.[1]?.match(/"[^"]*"|'[^']*'|[^,\s]+/g) ?? [];
}

function unquoted(source: string): string {
  return source.replace(/^(['"])(.*)\1$/, '$2');
}
