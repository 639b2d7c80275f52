/** Makes elements in one expression, and the extension's style once. */

import css from './style.css';
import viewsCss from '../style.css';

type Child = Node | string | null;

/** An element; attributes that begin with `on` are listeners. */
export function make<K extends keyof HTMLElementTagNameMap>(
  tag: K,
  attributes: Record<string, string | boolean | ((event: Event) => void)> = {},
  ...children: Child[]
): HTMLElementTagNameMap[K] {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === 'function') node.addEventListener(name.slice(2), value);
    else if (typeof value === 'boolean') node.toggleAttribute(name, value);
    else node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null));
  return node;
}

/** A row of a form: its words, then its parts. */
export function field(words: string, ...parts: (Node | string)[]): HTMLElement {
  return make('div', { class: 'onb-lab-field' }, make('span', {}, words), ...parts);
}

/** A choice among values, each with its words. */
export function choice(
  name: string,
  label: string,
  choices: readonly (readonly [string, string])[],
): HTMLSelectElement {
  const node = make('select', { name, 'aria-label': label });
  for (const [value, words] of choices) node.append(make('option', { value }, words));
  return node;
}

export function addStyle(): void {
  // marks stand beside prompts before any view is mounted, and have the views' colours
  for (const [id, text] of [
    ['orch-nb-style', viewsCss],
    ['orch-nb-lab-style', css],
  ] as const) {
    if (document.getElementById(id) !== null) continue;
    const style = make('style', { id });
    style.textContent = text;
    document.head.append(style);
  }
}
