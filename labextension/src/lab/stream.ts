/** The server's event stream, as listeners; nothing is missed while the server is away. */

import { URLExt } from '@jupyterlab/coreutils';
import { ServerConnection } from '@jupyterlab/services';

import type { Delta, Snapshot } from '../schema';

const FIRST_PAUSE = 500; // milliseconds before connecting again; doubled each time
const LONGEST_PAUSE = 15_000;

/** A run's, or a task's, new state. */
export interface Change {
  type: 'change';
  cursor: number;
  time: string;
  run: string;
  name: string;
  flow: string;
  notebook: string;
  task: string | null;
  cell_id: string | null;
  new: string;
  attempt: number;
}

/** `again`: it is heard from now on, or once more; what was read before is best read anew. */
export type Told = Change | { type: 'deployments' } | { type: 'again' };

type Message = Snapshot | Delta;

/** Goes on after the last change seen when the server comes back. */
export class Stream {
  private readonly settings = ServerConnection.makeSettings();
  private socket: WebSocket | null = null;
  private cursor: number | null = null;
  private pause = FIRST_PAUSE;
  private started = false;
  private readonly listeners = new Set<(told: Told) => void>();
  private readonly watched = new Map<string, Set<(message: Message) => void>>();

  /** Connects, now that Lab is there: its own requests go first. */
  start(): void {
    this.started = true;
    this.connect();
  }

  /** Hears of every change until the function returned is called. */
  listen(work: (told: Told) => void): () => void {
    this.listeners.add(work);
    return () => this.listeners.delete(work);
  }

  /** Follows one run: a snapshot, then what changes. */
  watch(run: string, work: (message: Message) => void): () => void {
    const found = this.watched.get(run) ?? new Set();
    found.add(work);
    this.watched.set(run, found);
    this.start();
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
    if (this.socket !== null || !this.started) return;
    const base = URLExt.join(this.settings.wsUrl, 'orch-nb/api/events/stream');
    const query = new URLSearchParams();
    if (this.cursor !== null) query.set('cursor', String(this.cursor));
    if (this.settings.token) query.set('token', this.settings.token);
    const socket = new this.settings.WebSocket(`${base}?${query.toString()}`);
    this.socket = socket;
    socket.onopen = () => {
      this.pause = FIRST_PAUSE;
      for (const run of this.watched.keys()) this.send('watch', run);
      this.tell({ type: 'again' });
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
      for (const work of this.watched.get(told.run as string) ?? []) work(told.message as Message);
    else if (told.type === 'change' || told.type === 'deployments')
      this.tell(told as unknown as Told);
  }

  private tell(told: Told): void {
    for (const work of [...this.listeners]) work(told);
  }
}
