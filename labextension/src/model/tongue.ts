/** The views' words in the reader's language: JupyterLab has translations, other pages have none. */

type Part = string | number;

export interface Tongue {
  /** The text with `%1`, `%2` … replaced. */
  __: (text: string, ...parts: Part[]) => string;
  /** The same for a count, which is `%1`. */
  _n: (one: string, many: string, count: number, ...parts: Part[]) => string;
}

export const trans: Tongue = {
  __: (text, ...parts) =>
    text.replace(/%(\d)/g, (_, place: string) => `${parts[+place - 1] ?? ''}`),
  _n: (one, many, count, ...parts) => trans.__(count === 1 ? one : many, count, ...parts),
};

/** From now on words are those of a translation. */
export function speak({ __, _n }: Tongue): void {
  Object.assign(trans, { __, _n });
}
