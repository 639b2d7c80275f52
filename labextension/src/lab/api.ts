/** The server's REST API as promises. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type { OptionSchema } from './records';

/** What the server said was wrong, in its words. */
export class ApiError extends Error {}

const settings = ServerConnection.makeSettings();

/** One call; raises ApiError with the server's message and hint. */
export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const url = URLExt.join(settings.baseUrl, 'orch-nb/api') + path;
  const init: RequestInit = { method };
  if (body !== undefined) init.body = JSON.stringify(body);
  const response = await ServerConnection.makeRequest(url, init, settings);
  const answer = (await response.json()) as T & { message?: string; hint?: string | null };
  if (!response.ok) {
    const hint = answer.hint ? ` (${answer.hint})` : '';
    throw new ApiError(`${answer.message ?? response.statusText}${hint}`);
  }
  return answer;
}

/** A query from what is given; what is empty is left out. */
export function query(values: Record<string, string | number | readonly string[]>): string {
  const made = new URLSearchParams();
  for (const [name, value] of Object.entries(values))
    for (const one of Array.isArray(value) ? (value as readonly string[]) : [String(value)])
      if (one !== '') made.append(name, one);
  const text = made.toString();
  return text && `?${text}`;
}

export interface Schemas {
  readonly task: OptionSchema;
  readonly flow: OptionSchema;
}

let schemas: Promise<Schemas> | null = null;

/** The schemas of options, asked for once. */
export function optionSchemas(): Promise<Schemas> {
  schemas ??= call<Schemas>('GET', '/options/schema').catch((error: unknown) => {
    schemas = null; // the server may come back
    throw error;
  });
  return schemas;
}

/** An error of anything in words. */
export function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
