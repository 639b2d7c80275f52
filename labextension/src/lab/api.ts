/** The server's REST API and event stream, as promises and listeners. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type { Delta, Detail, GraphPicture, Snapshot } from '../schema';

const FIRST_PAUSE = 500; // milliseconds before connecting again; doubled each time
const LONGEST_PAUSE = 15_000;

export interface Problem {
  severity: string;
  message: string;
  hint: string;
  where: string;
  cell: number | null;
  cell_id: string | null;
}

export interface CellWords {
  number: number;
  id: string;
  position: number;
  name: string;
  task: boolean;
  options: Record<string, unknown>;
  takes: { name: string; cell: number }[];
  gives: { name: string; cells: number[] }[];
  text: string;
}

export interface GraphAnswer {
  picture: GraphPicture;
  words: CellWords[];
  parameters: Record<string, unknown>[];
  problems: Problem[];
}

export interface RunRecord {
  id: string;
  name: string;
  flow: string;
  state_type: string;
  state_name: string;
  state_message: string;
  start_time: string | null;
  end_time: string | null;
  path: string | null;
  output_path: string | null;
}

export interface TaskRecord {
  name: string;
  cell: number;
  cell_id: string;
  state_name: string;
  attempt: number;
  max_attempts: number;
  seconds: number | null;
}

export interface DeploymentRecord {
  name: string;
  version: number;
  paused: boolean;
  next_times: string[];
  path: string | null;
  changed: boolean;
  sentences: string[];
}

export interface OptionSchema {
  properties: Record<string, FieldSchema>;
}

export interface FieldSchema {
  type: string;
  title: string;
  description?: string;
  enum?: string[];
  default?: unknown;
}

export interface CellOutputs {
  cell_id: string;
  state: string;
  execution_count: number | null;
  outputs: Record<string, unknown>[];
}

export type { Detail, Snapshot };

/** What the server said was wrong, in its words. */
export class ApiError extends Error {}

const settings = ServerConnection.makeSettings();

/** One call; raises ApiError with the server's message and hint. */
export async function call<T>(method: string, path: string, body?: unknown): Promise<T> {
  const url = URLExt.join(settings.baseUrl, 'orch-nb/api') + path;
  // Lab's default, no-store, would put a stamp into the query, which the API does not know
  const init: RequestInit = { method, cache: 'no-cache' };
  if (body !== undefined) init.body = JSON.stringify(body);
  const response = await ServerConnection.makeRequest(url, init, settings);
  const answer = (await response.json()) as T & { message?: string; hint?: string | null };
  if (!response.ok) {
    const hint = answer.hint ? ` (${answer.hint})` : '';
    throw new ApiError(`${answer.message ?? response.statusText}${hint}`);
  }
  return answer;
}

export interface Change {
  type: 'change';
  cursor: number;
  run: string;
  task: string | null;
  new: string;
}

type Told = Change | { type: 'deployments' };

/** The event stream; goes on after the last change seen when the server comes back. */
export class Stream {
  private socket: WebSocket | null = null;
  private cursor: number | null = null;
  private pause = FIRST_PAUSE;
  private readonly listeners = new Set<(told: Told) => void>();
  private readonly watched = new Map<string, Set<(message: Snapshot | Delta) => void>>();

  /** Hears of every change until the function returned is called. */
  listen(work: (told: Told) => void): () => void {
    this.listeners.add(work);
    this.connect();
    return () => this.listeners.delete(work);
  }

  /** Follows one run: a snapshot, then what changes. */
  watch(run: string, work: (message: Snapshot | Delta) => void): () => void {
    const found = this.watched.get(run) ?? new Set();
    found.add(work);
    this.watched.set(run, found);
    this.connect();
    // a second view needs a snapshot of its own
    if (found.size > 1) this.send('unwatch', run);
    this.send('watch', run);
    return () => {
      found.delete(work);
      if (found.size === 0) {
        this.watched.delete(run);
        this.send('unwatch', run);
      }
    };
  }

  private send(type: string, run: string): void {
    if (this.socket?.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ type, run }));
  }

  private connect(): void {
    if (this.socket !== null) return;
    const base = URLExt.join(settings.wsUrl, 'orch-nb/api/events/stream');
    const query = new URLSearchParams();
    if (this.cursor !== null) query.set('cursor', String(this.cursor));
    if (settings.token) query.set('token', settings.token);
    const socket = new settings.WebSocket(`${base}?${query.toString()}`);
    this.socket = socket;
    socket.onopen = () => {
      this.pause = FIRST_PAUSE;
      for (const run of this.watched.keys()) this.send('watch', run);
    };
    socket.onmessage = (event) => {
      this.take(JSON.parse(event.data as string) as Record<string, unknown>);
    };
    socket.onclose = () => {
      this.socket = null;
      setTimeout(() => {
        this.connect();
      }, this.pause);
      this.pause = Math.min(LONGEST_PAUSE, this.pause * 2);
    };
  }

  private take(told: Record<string, unknown>): void {
    if (typeof told.cursor === 'number') this.cursor = told.cursor;
    if (told.type === 'run')
      for (const work of this.watched.get(told.run as string) ?? [])
        work(told.message as Snapshot | Delta);
    else if (told.type === 'change' || told.type === 'deployments')
      for (const work of this.listeners) work(told as unknown as Told);
  }
}
