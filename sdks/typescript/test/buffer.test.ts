import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mock, test } from "node:test";
import { promisify } from "node:util";

import { BufferError, Honcho, HonchoError, type BufferedEvent } from "django-honcho-client";

import { failing, json, serve, settle, thrown } from "./helpers.js";

const PLACE = { appId: "a", userId: "u", sessionId: "s" };
const BAD = "cannot be stored";
const FORBIDDEN = "is not this key's to say";

type Wire = { id: string; content: string; occurred_at: string };

/** What the server does with a request: store it, or break before or after that. */
type Fate = "ok" | "down" | "reply lost" | "busy" | "no server" | "too long for the proxy";

/** A server that stores events once by their ids, all of a request or none. */
class Store {
  readonly events: { path: string; content: string; id: string }[] = [];
  readonly requests: { path: string; events: Wire[]; init: RequestInit }[] = [];
  open = 0;
  mostOpen = 0;

  constructor(
    private readonly fates: Fate[] = [],
    private readonly hold: () => Promise<void> = async () => undefined,
  ) {}

  fetch = async (url: string | URL | Request, init: RequestInit = {}): Promise<Response> => {
    const path = new URL(String(url)).pathname;
    const events = JSON.parse(String(init.body)) as Wire[];
    this.requests.push({ path, events, init });
    this.mostOpen = Math.max(this.mostOpen, ++this.open);
    try {
      await this.hold();
    } finally {
      this.open--;
    }
    const fate = this.fates.shift() ?? "ok";
    if (fate === "down") throw new TypeError("fetch failed");
    if (fate === "busy") return new Response('{"detail": "Later.", "code": "rate_limited"}', { status: 429, headers: { "retry-after": "3" } });
    if (fate === "no server") return new Response("<h1>Not Found</h1>", { status: 404 });
    if (fate === "too long for the proxy") return new Response("<h1>Too Large</h1>", { status: 413 });
    if (events.some((event) => event.content === FORBIDDEN)) {
      return new Response(JSON.stringify({ detail: "No.", code: "operator_only" }), { status: 403 });
    }
    if (events.some((event) => event.content === BAD)) {
      return new Response(JSON.stringify({ detail: BAD, code: "invalid" }), { status: 422 });
    }
    const known = new Set(this.events.map((event) => event.id));
    this.events.push(...events.filter(({ id }) => !known.has(id)).map(({ id, content }) => ({ path, content, id })));
    if (fate === "reply lost") throw new TypeError("terminated");
    return new Response("[]");
  };

  contents(path?: string): string[] {
    return this.events.filter((event) => !path || event.path.includes(path)).map((event) => event.content);
  }
}

function numbers(count: number, from = 0): string[] {
  return Array.from({ length: count }, (_, index) => `n${from + index}`);
}

/** Let mocked time pass until `work` is done. */
async function passing<T>(work: Promise<T>): Promise<T> {
  let done = false;
  void work.then(
    () => (done = true),
    () => (done = true),
  );
  while (!done) {
    await settle();
    mock.timers.tick(500);
  }
  return work;
}

test("events go out in batches, in their order, one request of a session at a time", async () => {
  const store = new Store([], () => new Promise((resolve) => setImmediate(resolve)));
  const buffer = new Honcho({ fetch: store.fetch }).buffer({ ...PLACE, maxEvents: 10 });
  for (const content of numbers(95)) await buffer.add({ content, isUser: true, metadata: { ownKey: 1 } });
  await buffer.close();
  assert.deepEqual(store.contents(), numbers(95));
  assert.equal(store.requests.length, 10);
  assert.equal(store.mostOpen, 1);
  assert.equal(buffer.pending, 0);
  const [first] = store.requests;
  assert.equal(first?.path, "/v1/apps/a/users/u/sessions/s/events");
  assert.deepEqual(Object.keys(first?.events[0] ?? {}).sort(), ["content", "id", "is_user", "metadata", "occurred_at"]);
  assert.deepEqual((first?.events[0] as unknown as { metadata: unknown }).metadata, { ownKey: 1 });
});

test("events go to the log that they name, and need one", async () => {
  const store = new Store();
  const buffer = new Honcho({ fetch: store.fetch }).buffer({ appId: "a" });
  await buffer.add({ userId: "u", content: "1" });
  await buffer.add({ userId: "u", sessionId: "s", content: "2" });
  await buffer.add({ projectId: "p", kind: "build.done", data: { someKey: 1 } });
  assert.ok((await thrown(buffer.add({ content: "3" }))) instanceof HonchoError);
  await buffer.close();
  const paths = store.requests.map((request) => request.path).sort();
  assert.deepEqual(paths, ["/v1/apps/a/projects/p/events", "/v1/apps/a/users/u/events", "/v1/apps/a/users/u/sessions/s/events"]);
});

test("a few events go out by themselves, after a while", async () => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  try {
    const store = new Store();
    const buffer = new Honcho({ fetch: store.fetch }).buffer({ ...PLACE, maxDelay: 1_000 });
    await buffer.add({ content: "1" });
    mock.timers.tick(900);
    await buffer.add({ content: "2" });
    await settle();
    assert.equal(store.requests.length, 0);
    mock.timers.tick(100);
    await settle();
    assert.deepEqual([store.contents(), store.requests.length], [["1", "2"], 1]);
    await buffer.close();
  } finally {
    mock.timers.reset();
  }
});

test("a server that crashes, loses replies and is busy gets every event once, in order", async () => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  try {
    const fates: Fate[] = ["reply lost", "down", "busy", "reply lost", ...Array<Fate>(20).fill("down"), "ok", "reply lost"];
    const store = new Store(fates);
    const buffer = new Honcho({ fetch: store.fetch, maxRetries: 0 }).buffer({ ...PLACE, maxEvents: 7 });
    for (const content of numbers(50)) await buffer.add({ content });
    await passing(buffer.flush());
    assert.deepEqual(store.contents(), numbers(50));
    await buffer.close();
  } finally {
    mock.timers.reset();
  }
});

test("what the server refuses holds nothing else back, and is given back", async (t) => {
  const said = t.mock.method(console, "error", () => undefined);
  const store = new Store();
  const buffer = new Honcho({ fetch: store.fetch }).buffer({ ...PLACE });
  const contents = [...numbers(5), BAD, ...numbers(5, 5)];
  for (const content of contents) await buffer.add({ content });
  const error = await thrown(buffer.flush());
  assert.ok(error instanceof BufferError);
  assert.deepEqual(error.events.map((event: BufferedEvent) => event.content), [BAD]);
  assert.equal(typeof error.events[0].id, "string");
  assert.deepEqual(store.contents(), numbers(10));
  assert.equal(error.message, "1 events were not stored: 422 invalid");
  assert.deepEqual(said.mock.calls.map((call) => call.arguments), [[`honcho: ${error.message}`]]);
  await buffer.close(); // it has been said
});

test("who wants to be told is told, and nobody else", async (t) => {
  const said = t.mock.method(console, "error", () => undefined);
  const store = new Store();
  const told: unknown[] = [];
  const onError = (error: BufferError<BufferedEvent>) => told.push(...error.events.map((event) => event.content));
  const buffer = new Honcho({ fetch: store.fetch }).buffer({ ...PLACE, onError });
  await buffer.add({ content: BAD });
  await buffer.close();
  assert.deepEqual([told, said.mock.callCount()], [[BAD], 0]);
});

test("who wants to be told and fails at it holds nothing up", async (t) => {
  const said = t.mock.method(console, "error", () => undefined);
  const store = new Store();
  const onError = () => {
    throw new Error("no room in my own log");
  };
  const buffer = new Honcho({ fetch: store.fetch }).buffer({ ...PLACE, onError });
  for (const content of ["n0", BAD, "n1"]) await buffer.add({ content });
  await buffer.close();
  assert.deepEqual(store.contents(), numbers(2));
  assert.equal(said.mock.callCount(), 1);
});

test("an event that the key may not write takes no others with it", async () => {
  const store = new Store();
  const told: unknown[] = [];
  const onError = (error: BufferError<BufferedEvent>) => told.push(...error.events.map((event) => event.content));
  const buffer = new Honcho({ fetch: store.fetch }).buffer({ ...PLACE, onError });
  for (const content of ["n0", FORBIDDEN, "n1"]) await buffer.add({ content });
  await buffer.close();
  assert.deepEqual([store.contents(), told], [numbers(2), [FORBIDDEN]]);
});

test("what something in front of the server refuses, as it is away, waits for it", async () => {
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  try {
    const store = new Store(["no server", "no server", "too long for the proxy", "ok"]);
    const buffer = new Honcho({ fetch: store.fetch }).buffer({ ...PLACE });
    for (const content of numbers(4)) await buffer.add({ content });
    await passing(buffer.close());
    assert.deepEqual(store.contents(), numbers(4));
    assert.deepEqual(store.requests.map(({ events }) => events.length), [4, 4, 4, 2, 2]);
  } finally {
    mock.timers.reset();
  }
});

test("a full buffer lets who adds wait, and keeps the order", async () => {
  const free: (() => void)[] = [];
  const store = new Store([], () => new Promise((resolve) => free.push(resolve)));
  const buffer = new Honcho({ fetch: store.fetch }).buffer({ ...PLACE, maxPending: 4, maxEvents: 2 });
  let added = 0;
  const adding = numbers(8).map((content) => buffer.add({ content }).then(() => added++));
  await settle();
  assert.deepEqual([added, buffer.pending], [4, 8]);
  free.shift()?.();
  await settle();
  assert.deepEqual([added, buffer.pending], [6, 6]);
  const closed = buffer.close();
  for (let turn = 0; turn < 5; turn++) {
    free.shift()?.();
    await settle();
  }
  await Promise.all([closed, ...adding]);
  assert.deepEqual(store.contents(), numbers(8));
});

test("many sessions share a few connections, and none waits for ever behind a busy one", async () => {
  const store = new Store([], () => new Promise((resolve) => setImmediate(resolve)));
  const buffer = new Honcho({ fetch: store.fetch }).buffer({ appId: "a", userId: "u", maxEvents: 5 });
  for (let session = 0; session < 8; session++) {
    for (const content of numbers(50)) void buffer.add({ sessionId: `s${session}`, content });
  }
  await buffer.close();
  assert.equal(store.mostOpen, 4);
  for (let session = 0; session < 8; session++) assert.deepEqual(store.contents(`/s${session}/`), numbers(50));
  const firsts = store.requests.findIndex((request) => request.path.includes("/s7/"));
  assert.ok(firsts < 40, `the last session's first batch was request ${firsts} of ${store.requests.length}`);
});

test("a closed buffer takes nothing; its time over, it says what was not stored", async (t) => {
  t.mock.method(console, "error", () => undefined);
  const store = new Store([], () => new Promise(() => undefined));
  const buffer = new Honcho({ fetch: store.fetch }).buffer({ ...PLACE });
  await buffer.add({ content: "1" });
  const flushed = thrown(buffer.flush());
  const error = await thrown(buffer.close({ timeout: 10 }));
  for (const found of [error, await flushed]) {
    assert.deepEqual(found.events.map((event: BufferedEvent) => event.content), ["1"]);
  }
  assert.equal(buffer.pending, 0);
  assert.ok((await thrown(buffer.add({ content: "2" }))) instanceof HonchoError);
});

test("a flush can be waited for no longer, and nothing is lost by it", async () => {
  let free = (): void => undefined;
  const store = new Store([], () => new Promise((resolve) => (free = resolve)));
  const buffer = new Honcho({ fetch: store.fetch }).buffer({ ...PLACE });
  await buffer.add({ content: "1" });
  assert.equal((await thrown(buffer.flush({ signal: AbortSignal.timeout(10) }))).name, "TimeoutError");
  free();
  await buffer.close();
  assert.deepEqual(store.contents(), ["1"]);
});

/** Run a module in a process of its own, and return what it wrote to stderr. */
async function run(code: string): Promise<string> {
  const done = await promisify(execFile)(process.execPath, ["--input-type=module", "-e", code], { timeout: 20_000 });
  return done.stderr;
}

test("a process that ends by itself writes first what was added", async () => {
  await using server = await serve(failing(503), json([]));
  await run(`
    import { Honcho } from "django-honcho-client";
    const buffer = new Honcho({ baseURL: ${JSON.stringify(server.url)} }).buffer(${JSON.stringify({ ...PLACE, maxDelay: 60_000 })});
    await buffer.add({ content: "last words" });
  `);
  assert.deepEqual(server.seen.map((request) => JSON.parse(request.body)[0].content), ["last words", "last words"]);
});

test("a process does not hang on a server that is away, and says what it could not write", async () => {
  const said = await run(`
    import { Honcho } from "django-honcho-client";
    const buffer = new Honcho({ baseURL: "http://127.0.0.1:9" }).buffer(${JSON.stringify({ ...PLACE, exitTimeout: 100 })});
    await buffer.add({ content: "last words" });
  `);
  assert.match(said, /honcho: 1 events were not stored: HonchoError: the process ended first/);
  assert.doesNotMatch(said, /last words/);
});

test("a page that goes sends what there is, also what is on its way, in requests that outlive it", async () => {
  const page = new EventTarget();
  const document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  Object.assign(globalThis, {
    document,
    addEventListener: page.addEventListener.bind(page),
    removeEventListener: page.removeEventListener.bind(page),
  });
  try {
    const store = new Store([], () => new Promise((resolve) => setImmediate(resolve)));
    const buffer = new Honcho({ fetch: store.fetch }).buffer({ appId: "a", userId: "u", maxEvents: 2 });
    await buffer.add({ sessionId: "s", content: "on its way" });
    await buffer.add({ sessionId: "s", content: "as well" });
    await buffer.add({ sessionId: "s", content: "waiting" });
    await buffer.add({ sessionId: "large", content: "x".repeat(80_000) });
    document.dispatchEvent(new Event("visibilitychange")); // still visible
    assert.equal(store.requests.length, 1);
    document.visibilityState = "hidden";
    document.dispatchEvent(new Event("visibilitychange"));
    const sent = store.requests.slice(1);
    assert.deepEqual(sent.map((request) => request.init.keepalive), [true]);
    await buffer.flush();
    assert.deepEqual(store.contents("/s/"), ["on its way", "as well", "waiting"]);
    assert.equal(store.contents("/large/").length, 1);
    assert.equal(buffer.pending, 0);
    await buffer.close();
    page.dispatchEvent(new Event("pagehide")); // heard no more
  } finally {
    for (const name of ["document", "addEventListener", "removeEventListener"]) delete (globalThis as Record<string, unknown>)[name];
  }
});
