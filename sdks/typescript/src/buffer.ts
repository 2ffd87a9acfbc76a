/** Writing events in batches, in the background. */

import { APIStatusError, BufferError, HonchoError } from "./errors.js";
import { toWire } from "./names.js";
import { fields, projectPath, sessionPath, userPath } from "./resources/resource.js";
import { randomId, type Transport, unref } from "./transport.js";
import type { NewEvent } from "./types.js";

/** Whose events they are: of a session, a user, or a project. */
export interface Place {
  appId?: string | undefined;
  userId?: string | undefined;
  sessionId?: string | undefined;
  projectId?: string | undefined;
}

/** The place here is that of the events which do not say it themselves. */
export interface BufferOptions extends Place {
  /** A session's events are sent as soon as there are so many (default 100, at most 1,000), */
  maxEvents?: number;
  /** or so many bytes of them (default 1 MiB), */
  maxBytes?: number;
  /** or when the first has waited for so many milliseconds (default 1,000). */
  maxDelay?: number;
  /** The most events that wait at once (default 10,000): `add` waits until there is room. */
  maxPending?: number;
  /** The most milliseconds for which a Node process that has nothing else to do is kept for sending (default 10,000). */
  exitTimeout?: number;
  /**
   * Is told of events that the server refused, or that could not be stored in time. Without it, `console.error` says
   * how many they are and why, and the next `flush` or `close` throws.
   */
  onError?: (error: BufferError<BufferedEvent>) => void;
}

export interface BufferedEvent extends NewEvent, Place {}

/** How many sessions are written to at once. */
const CONCURRENCY = 4;
/** What browsers let requests carry that outlive their page, all together, with some room for other requests. */
const KEEPALIVE_BYTES = 56 * 1024;
/** How many errors are remembered where nobody calls for them. */
const MOST_REMEMBERED = 100;

interface Item {
  event: BufferedEvent;
  json: string;
  bytes: number;
  /** Called once it is stored or will never be. */
  settled: (() => void)[];
}

interface Queue {
  address: string;
  items: Item[];
  bytes: number;
  sending: boolean;
}

/**
 * Collects events and writes them in batches, each session's in their order. A write that fails because the server
 * cannot be reached, is busy or broken is repeated until it succeeds; events carry ids, so that none is stored twice.
 */
export class EventBuffer {
  readonly #options: Required<Omit<BufferOptions, keyof Place>>;
  readonly #place: Place;
  readonly #transport: Transport;
  readonly #queues = new Map<string, Queue>();
  /** Who waits for room. */
  readonly #waiting: { address: string; item: Item; enter: () => void }[] = [];
  readonly #stop = new AbortController();
  readonly #refused: BufferError<BufferedEvent>[] = [];
  readonly #hearNoMore: () => void;
  #pending = 0;
  #sending = 0;
  #flushing = 0;
  #crowded = false;
  #closed = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @internal */
  constructor(transport: Transport, options: BufferOptions) {
    const { appId, userId, sessionId, projectId, ...given } = options;
    this.#transport = transport;
    this.#place = defined({ appId, userId, sessionId, projectId });
    this.#options = {
      maxEvents: 100,
      maxBytes: 1024 * 1024,
      maxDelay: 1_000,
      maxPending: 10_000,
      exitTimeout: 10_000,
      onError: (error) => this.#remember(error),
      ...defined(given),
    };
    this.#hearNoMore = atTheEnd(
      () => void this.#leaveProcess(),
      () => this.#leavePage(),
    );
  }

  /** How many events are not stored yet. */
  get pending(): number {
    return this.#pending + this.#waiting.length;
  }

  /**
   * Take an event to be written soon. Resolves once there is room for it; that it is stored, {@link flush} says.
   * It occurred now, unless `occurredAt` says otherwise. Throws {@link HonchoError} once the buffer is closed.
   */
  async add(event: BufferedEvent): Promise<void> {
    if (this.#closed) throw new HonchoError("The buffer is closed");
    const whole = { id: randomId(), occurredAt: new Date().toISOString(), ...this.#place, ...defined(event) };
    const address = addressOf(whole);
    const json = JSON.stringify(toWire(fields(whole)));
    const item = { event: whole, json, bytes: bytesOf(json) + 1, settled: [] };
    if (this.#pending < this.#options.maxPending) return this.#enter(address, item);
    return new Promise((resolve) => this.#waiting.push({ address, item, enter: resolve }));
  }

  /**
   * Write everything that was added before. Resolves once it is stored, however long the server is away; give a
   * `signal` to wait no longer. Without `onError`, throws {@link BufferError} with the events that the server has
   * refused since the last time.
   */
  async flush(options: { signal?: AbortSignal } = {}): Promise<void> {
    options.signal?.throwIfAborted();
    this.#letIn(Infinity);
    const last = [...this.#queues.values()].flatMap((queue) => queue.items.slice(-1));
    const settled = Promise.all(last.map((item) => new Promise<void>((resolve) => item.settled.push(resolve))));
    const hold = setInterval(() => undefined, 60_000); // a Node process does not end while somebody waits for this
    this.#flushing++;
    try {
      this.#sendAll();
      await orAborted(settled, options.signal);
    } finally {
      this.#flushing--;
      clearInterval(hold);
    }
    this.#throwRefused();
  }

  /**
   * Take no more events and write those there are. Throws what {@link flush} throws; with a `timeout` in
   * milliseconds, {@link BufferError} with the events that could not be stored until then.
   */
  async close(options: { timeout?: number } = {}): Promise<void> {
    this.#closed = true;
    const timeout = new AbortController();
    const timer = options.timeout === undefined ? undefined : setTimeout(() => timeout.abort(), options.timeout);
    try {
      await this.flush({ signal: timeout.signal });
    } catch (error) {
      if (!timeout.signal.aborted) throw error;
      throw this.#abandon("the time to send them was over");
    } finally {
      clearTimeout(timer);
      clearTimeout(this.#timer);
      this.#hearNoMore();
    }
  }

  #enter(address: string, item: Item): void {
    let queue = this.#queues.get(address);
    if (!queue) this.#queues.set(address, (queue = { address, items: [], bytes: 0, sending: false }));
    this.#pending++;
    queue.items.push(item);
    queue.bytes += item.bytes;
    const { maxEvents, maxBytes } = this.#options;
    if (this.#flushing || queue.items.length >= maxEvents || queue.bytes >= maxBytes) this.#send(queue);
    else this.#wake();
  }

  #letIn(most: number): void {
    for (const { address, item, enter } of this.#waiting.splice(0, Math.max(most, 0))) {
      this.#enter(address, item);
      enter();
    }
  }

  #wake(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#timer = undefined;
      this.#sendAll();
    }, this.#options.maxDelay);
    unref(this.#timer);
  }

  #sendAll(): void {
    for (const queue of [...this.#queues.values()]) this.#send(queue);
  }

  /** Send a queue's next batch, and then what there is left, unless it is being sent or enough others are. */
  #send(queue: Queue): void {
    if (queue.sending || !queue.items.length || this.#stop.signal.aborted) return;
    if (this.#sending >= CONCURRENCY) {
      this.#crowded = true;
      return;
    }
    queue.sending = true;
    this.#sending++;
    void this.#deliver(queue, this.#batch(queue, this.#options.maxBytes)).finally(() => {
      queue.sending = false;
      this.#sending--;
      this.#queues.delete(queue.address);
      if (queue.items.length) this.#queues.set(queue.address, queue); // behind the others
      if (!this.#crowded) return this.#send(queue);
      this.#crowded = false;
      this.#sendAll();
    });
  }

  /** Return the first items of a queue: at least one, and no more than a batch may have. */
  #batch(queue: Queue, maxBytes: number): Item[] {
    const batch: Item[] = [];
    let bytes = 0;
    for (const item of queue.items) {
      bytes += item.bytes;
      if (batch.length && (batch.length >= this.#options.maxEvents || bytes > maxBytes)) break;
      batch.push(item);
    }
    return batch;
  }

  /** Have a batch stored, as often as it takes. Of one that the server refuses, store what it does not refuse. */
  async #deliver(queue: Queue, batch: Item[]): Promise<void> {
    try {
      await this.#post(queue, batch, false);
      this.#settle(queue, batch);
    } catch (error) {
      if (this.#stop.signal.aborted) return;
      const half = batch.length >> 1;
      if (half && divisible(error)) {
        await this.#deliver(queue, batch.slice(0, half));
        await this.#deliver(queue, batch.slice(half));
      } else {
        this.#refuse(queue, batch, error);
      }
    }
  }

  async #post(queue: Queue, batch: Item[], last: boolean): Promise<void> {
    await this.#transport.json(
      {
        method: "POST",
        path: `${queue.address}/events`,
        raw: `[${batch.map((item) => item.json).join(",")}]`,
        repeatable: true, // the events' own ids see to it
        background: true,
        keepalive: last,
      },
      { maxRetries: last ? 0 : Infinity, signal: this.#stop.signal },
    );
  }

  #settle(queue: Queue, batch: Item[]): void {
    const gone = new Set(batch);
    const before = queue.items.length;
    queue.items = queue.items.filter((item) => !gone.has(item));
    queue.bytes = queue.items.reduce((sum, item) => sum + item.bytes, 0);
    this.#pending -= before - queue.items.length;
    for (const item of batch) for (const resolve of item.settled.splice(0)) resolve();
    this.#letIn(this.#options.maxPending - this.#pending);
  }

  #refuse(queue: Queue, batch: Item[], cause: unknown): void {
    const error = failed(
      batch.map((item) => item.event),
      cause,
    );
    this.#tell(error);
    this.#settle(queue, batch);
  }

  #tell(error: BufferError<BufferedEvent>): void {
    try {
      this.#options.onError(error);
    } catch (broken) {
      console.error(`honcho: onError failed; ${error.message}`, broken);
    }
  }

  #remember(error: BufferError<BufferedEvent>): void {
    console.error(`honcho: ${error.message}`);
    this.#refused.push(error);
    if (this.#refused.length > MOST_REMEMBERED) this.#refused.shift();
  }

  #throwRefused(): void {
    const refused = this.#refused.splice(0);
    const events = refused.flatMap((error) => error.events);
    if (events.length) throw failed(events, refused[0]?.cause);
  }

  /** Give up what is not stored, and return the error that holds it. */
  #abandon(why: string): BufferError<BufferedEvent> {
    this.#stop.abort();
    this.#letIn(Infinity);
    const queues = [...this.#queues.values()];
    const events = queues.flatMap((queue) => queue.items.map((item) => item.event));
    const error = failed(events, new HonchoError(why));
    this.#tell(error);
    for (const queue of queues) this.#settle(queue, queue.items);
    this.#queues.clear();
    return error;
  }

  /** A Node process has nothing else to do: keep it until all is stored, or the time for that is over. */
  async #leaveProcess(): Promise<void> {
    if (!this.pending) return;
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), this.#options.exitTimeout);
    try {
      await this.flush({ signal: deadline.signal });
    } catch {
      // onError has been told of what was refused.
      if (deadline.signal.aborted) this.#abandon("the process ended first");
    } finally {
      clearTimeout(timer);
    }
  }

  /** A page may be about to go: what is not stored is sent in requests that outlive it, as much as browsers let them hold. */
  #leavePage(): void {
    let room = KEEPALIVE_BYTES;
    for (const queue of this.#queues.values()) {
      // Also what is being sent, as that may be cut off. If it arrives twice, it is stored once.
      const batch = this.#batch(queue, room);
      const bytes = batch.reduce((sum, item) => sum + item.bytes, 0);
      if (!batch.length || bytes > room) continue;
      room -= bytes;
      this.#post(queue, batch, true).then(
        () => this.#settle(queue, batch),
        () => this.#send(queue), // the page is still there, or this does not matter
      );
    }
  }
}

function addressOf({ appId, userId, sessionId, projectId }: BufferedEvent): string {
  if (appId !== undefined && projectId !== undefined && userId === undefined) return projectPath({ appId, projectId });
  if (appId === undefined || userId === undefined) {
    throw new HonchoError("An event needs appId and userId, or appId and projectId, of its own or of the buffer");
  }
  return sessionId === undefined ? userPath({ appId, userId }) : sessionPath({ appId, userId, sessionId });
}

/** Say whether a part of a batch that was refused may be taken. */
function divisible(error: unknown): boolean {
  return error instanceof APIStatusError && [400, 403, 409, 413, 422].includes(error.status);
}

/** Return the error of events that were not stored; its text shows nothing of them. */
function failed(events: BufferedEvent[], cause: unknown): BufferError<BufferedEvent> {
  const why = cause instanceof APIStatusError ? `${cause.status} ${cause.code}` : String(cause);
  return new BufferError(`${events.length} events were not stored: ${why}`, events, cause);
}

function bytesOf(text: string): number {
  return new TextEncoder().encode(text).length;
}

function defined<T extends object>(given: T): T {
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)) as T;
}

async function orAborted(work: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  if (!signal) return void (await work);
  let stop = (): void => undefined;
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason);
    signal.addEventListener("abort", stop);
  });
  try {
    await Promise.race([work, aborted]);
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

interface Host {
  process?: { on?: (name: string, heard: () => void) => void; off?: (name: string, heard: () => void) => void };
  document?: Document;
  addEventListener?: typeof addEventListener;
  removeEventListener?: typeof removeEventListener;
}

/** Hear of the end of a Node process or a page; returns what ends the hearing. */
function atTheEnd(process: () => void, page: () => void): () => void {
  const host = globalThis as Host;
  if (host.document && host.addEventListener) {
    // Where pages are killed in the background, as on telephones, becoming hidden is the last that they hear.
    const hidden = (): void => {
      if (host.document?.visibilityState === "hidden") page();
    };
    host.addEventListener("pagehide", page);
    host.document.addEventListener("visibilitychange", hidden);
    return () => {
      host.removeEventListener?.("pagehide", page);
      host.document?.removeEventListener("visibilitychange", hidden);
    };
  }
  host.process?.on?.("beforeExit", process);
  return () => host.process?.off?.("beforeExit", process);
}
