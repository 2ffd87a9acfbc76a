/** Sending a request: the key, timeouts, retries, errors. */

import { APIConnectionError, APIStatusError, APITimeoutError, HonchoError, type Problem } from "./errors.js";
import { fromWire, snake, toWire } from "./names.js";

export interface ClientOptions {
  /** Where the server is; default: `HONCHO_BASE_URL` of the environment, else `http://localhost:8000`. */
  baseURL?: string | undefined;
  /** Default: `HONCHO_API_KEY` of the environment. */
  apiKey?: string | undefined;
  /** How often a request is sent again after the first time; default 2. */
  maxRetries?: number | undefined;
  /** Milliseconds for one try; of a stream, for each piece. Default 60,000. */
  timeout?: number | undefined;
  /** What sends the requests, instead of the global `fetch`. */
  fetch?: typeof fetch | undefined;
}

export interface RequestOptions {
  /** Aborts the request, and the waiting between tries. */
  signal?: AbortSignal | undefined;
  timeout?: number | undefined;
  maxRetries?: number | undefined;
  /** A name of your own for this write, in place of a random one: with the same one it is never done twice. */
  idempotencyKey?: string | undefined;
}

export type Method = "GET" | "POST" | "PUT" | "PATCH" | "DELETE";
export type Query = Record<string, unknown>;

export interface Ask {
  method: Method;
  path: string;
  query?: Query | undefined;
  /** Is sent as JSON, in the names of the wire. */
  body?: unknown;
  /** Is sent as it is, with `contentType`, in place of `body`. */
  raw?: string | Blob;
  contentType?: string;
  /** Whether it changes nothing, or can be repeated for another reason: then it needs no Idempotency-Key. */
  repeatable?: boolean;
  /** Lets the browser end it after its page. */
  keepalive?: boolean;
  /** Whether nobody waits: no pause keeps a Node process alive, and what is not the server's own word is no answer. */
  background?: boolean;
}

/** The code of a refusal that has none. */
const UNKNOWN = "unknown";
const LONGEST_WAIT = 60_000;
const LONGEST_BACKOFF = 8_000;
const FIRST_BACKOFF = 500;
const LONGEST_TIMER = 2 ** 31 - 1;

/** Sends requests to one server with one key. */
export class Transport {
  readonly baseURL: string;
  readonly maxRetries: number;
  readonly timeout: number;
  readonly #apiKey: string | undefined;
  readonly #fetch: typeof fetch;

  constructor(options: ClientOptions = {}) {
    this.baseURL = (options.baseURL ?? environment("HONCHO_BASE_URL") ?? "http://localhost:8000").replace(/\/+$/, "");
    if (!/^https?:\/\//.test(this.baseURL)) {
      throw new HonchoError("baseURL must begin with http:// or https://");
    }
    this.#apiKey = (options.apiKey ?? environment("HONCHO_API_KEY"))?.trim() || undefined;
    if (this.#apiKey && !/^[\x21-\x7e]+$/.test(this.#apiKey)) {
      // The error that fetch would throw shows the header.
      throw new HonchoError("apiKey holds characters that no key has");
    }
    this.maxRetries = options.maxRetries ?? 2;
    this.timeout = options.timeout ?? 60_000;
    this.#fetch = options.fetch ?? ((input, init) => globalThis.fetch(input, init));
  }

  /** Return the answer's JSON in camelCase; throws {@link APIStatusError}, {@link APIConnectionError} or the abort's reason. */
  async json<T>(ask: Ask, options: RequestOptions = {}): Promise<T> {
    return this.#tried(ask, options, async (response, deadline) => {
      const text = await response.text();
      deadline.clear();
      try {
        return fromWire(JSON.parse(text)) as T;
      } catch {
        throw new APIConnectionError("The answer is not JSON: it was cut off, or something else than Honcho answered");
      }
    });
  }

  /**
   * Return the answer's text as it comes. It is asked for again only until the answer begins.
   * The pieces throw what {@link json} throws.
   */
  async text(ask: Ask, options: RequestOptions = {}): Promise<AsyncGenerator<string, void, void>> {
    return this.#tried(ask, options, async (response, deadline) => pieces(response, deadline, options.signal));
  }

  async #tried<T>(
    ask: Ask,
    options: RequestOptions,
    take: (response: Response, deadline: Deadline) => Promise<T>,
  ): Promise<T> {
    const url = this.#url(ask);
    const init = this.#init(ask, options); // once: every try carries the same Idempotency-Key
    const most = options.maxRetries ?? this.maxRetries;
    for (let retries = 0; ; retries++) {
      options.signal?.throwIfAborted();
      const deadline = new Deadline(options.timeout ?? this.timeout, options.signal);
      let failure: unknown;
      try {
        const response = await this.#fetch(url, { ...init, signal: deadline.signal });
        if (response.ok) return await take(response, deadline);
        failure = await refusal(response);
      } catch (error) {
        failure = explained(error, deadline, options.signal);
      }
      deadline.clear();
      if (retries >= most || !(mayHelp(failure) || (ask.background && notOurs(failure)))) throw failure;
      await pause(waitBefore(failure, retries), options.signal, ask.background);
    }
  }

  #url({ path, query }: Ask): string {
    const given = new URLSearchParams();
    for (const [name, value] of Object.entries(query ?? {})) {
      if (value !== undefined && value !== null) given.set(snake(name), word(value));
    }
    const asked = given.toString();
    return this.baseURL + path + (asked && `?${asked}`);
  }

  #init(ask: Ask, options: RequestOptions): RequestInit {
    const headers: Record<string, string> = { Accept: "application/json" };
    if (this.#apiKey) headers["Authorization"] = `Bearer ${this.#apiKey}`;
    if (ask.method !== "GET" && !ask.repeatable) headers["Idempotency-Key"] = options.idempotencyKey ?? randomId();
    // A redirect is not followed: a POST would become a GET, and the key might go elsewhere.
    const init: RequestInit = { method: ask.method, headers, redirect: "manual" };
    if (ask.keepalive) init.keepalive = true;
    const body = ask.raw ?? (ask.body === undefined ? undefined : JSON.stringify(toWire(ask.body)));
    if (body !== undefined) {
      headers["Content-Type"] = ask.contentType ?? "application/json";
      init.body = body;
    }
    return init;
  }
}

/** Return a path with its parts encoded; throws {@link HonchoError} for a part that cannot be one. */
export function path(fixed: TemplateStringsArray, ...parts: (string | number)[]): string {
  const encoded = parts.map((part) => {
    const text = part === undefined || part === null ? "" : String(part);
    if (["", ".", ".."].includes(text)) {
      throw new HonchoError(`An id or name in the path is ${text ? `${text}, which no address can hold` : "missing or empty"}`);
    }
    return encodeURIComponent(text);
  });
  return String.raw({ raw: fixed }, ...encoded);
}

/** Return a random id that nobody else makes. */
export function randomId(): string {
  const crypto: Crypto | undefined = globalThis.crypto;
  if (crypto?.randomUUID) return crypto.randomUUID();
  // Node 18 has no global crypto, and a page that came by plain http has no randomUUID.
  const bytes = crypto?.getRandomValues(new Uint8Array(16)) ?? Array.from({ length: 16 }, () => Math.random() * 256);
  return Array.from(bytes, (byte) => Math.floor(byte).toString(16).padStart(2, "0")).join("");
}

/** One try's time. */
class Deadline {
  readonly #controller = new AbortController();
  readonly #outer: AbortSignal | undefined;
  #timer: ReturnType<typeof setTimeout> | undefined;
  passed = false;

  constructor(
    readonly milliseconds: number,
    outer: AbortSignal | undefined,
  ) {
    this.#outer = outer;
    outer?.addEventListener("abort", this.#abort);
    this.restart();
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  /** Begin to count again. */
  restart(): void {
    clearTimeout(this.#timer);
    if (this.milliseconds > LONGEST_TIMER) return;
    this.#timer = setTimeout(() => {
      this.passed = true;
      this.#controller.abort();
    }, this.milliseconds);
  }

  clear(): void {
    clearTimeout(this.#timer);
    this.#outer?.removeEventListener("abort", this.#abort);
  }

  #abort = (): void => {
    this.clear();
    this.#controller.abort(this.#outer?.reason);
  };
}

async function* pieces(
  response: Response,
  deadline: Deadline,
  signal: AbortSignal | undefined,
): AsyncGenerator<string, void, void> {
  const reader = response.body?.getReader();
  const decoder = new TextDecoder(); // keeps a character that two chunks share until it is whole
  try {
    while (reader) {
      const { done, value } = await reader.read();
      deadline.restart();
      const text = decoder.decode(value, { stream: !done });
      if (text) yield text;
      if (done) return;
    }
  } catch (error) {
    throw explained(error, deadline, signal);
  } finally {
    deadline.clear();
    await reader?.cancel().catch(() => undefined);
  }
}

function explained(error: unknown, deadline: Deadline, signal: AbortSignal | undefined): unknown {
  if (signal?.aborted) return signal.reason;
  if (deadline.passed) return new APITimeoutError(`No answer within ${deadline.milliseconds} ms`);
  if (error instanceof HonchoError) return error;
  return new APIConnectionError("The server cannot be reached, or its answer was cut off", { cause: error });
}

async function refusal(response: Response): Promise<APIStatusError> {
  if (response.type === "opaqueredirect" || (response.status >= 300 && response.status < 400)) {
    void response.body?.cancel().catch(() => undefined);
    return new APIStatusError(response.status, "redirected", "The server sends elsewhere: give the address itself as baseURL");
  }
  const body = parsed(await response.text());
  const headers = response.headers;
  const should = headers.get("x-should-retry");
  return APIStatusError.of(
    response.status,
    typeof body["code"] === "string" ? body["code"] : UNKNOWN,
    (body["detail"] as string | Problem[] | undefined) ?? (response.statusText || "The server says no more"),
    typeof body["request_id"] === "string" ? body["request_id"] : headers.get("x-request-id"),
    retryAfter(headers.get("retry-after")),
    should === "true" ? true : should === "false" ? false : null,
  );
}

function parsed(text: string): Record<string, unknown> {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === "object" && body !== null ? (body as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

function retryAfter(header: string | null): number | null {
  if (header === null) return null;
  const milliseconds = /^\s*[\d.]+\s*$/.test(header) ? Number(header) * 1_000 : Date.parse(header) - Date.now();
  return Number.isFinite(milliseconds) ? Math.max(milliseconds, 0) : null;
}

/** Say whether the same request may succeed if it is sent again. */
export function mayHelp(failure: unknown): boolean {
  if (failure instanceof APIConnectionError) return true;
  if (!(failure instanceof APIStatusError)) return false;
  return failure.shouldRetry ?? (failure.status === 408 || failure.status === 429 || failure.status >= 500);
}

/** Say whether something in front of the server has refused, which says nothing of the request but that it is too long. */
function notOurs(failure: unknown): boolean {
  return failure instanceof APIStatusError && failure.code === UNKNOWN && failure.status !== 413;
}

function waitBefore(failure: unknown, retries: number): number {
  if (failure instanceof APIStatusError && failure.retryAfter !== null) return Math.min(failure.retryAfter, LONGEST_WAIT);
  const backoff = Math.min(FIRST_BACKOFF * 2 ** Math.min(retries, 10), LONGEST_BACKOFF);
  return backoff * (1 - Math.random() / 4); // so that many clients do not come back at once
}

function pause(milliseconds: number, signal: AbortSignal | undefined, background = false): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, milliseconds);
    if (background) unref(timer);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Let a Node process end before a timer; browsers have nothing of the kind. */
export function unref(timer: unknown): void {
  (timer as { unref?: () => void }).unref?.();
}

function word(value: unknown): string {
  if (value instanceof Date) return value.toISOString();
  return Array.isArray(value) ? value.map(word).join(",") : String(value);
}

function environment(name: string): string | undefined {
  const process = (globalThis as { process?: { env?: Record<string, string | undefined> } }).process;
  return process?.env?.[name] || undefined;
}
