import assert from "node:assert/strict";
import { mock, test } from "node:test";

import { APIConnectionError, APITimeoutError, Honcho, RateLimitError, InternalServerError } from "django-honcho-client";

import { failing, json, serve, settle, thrown } from "./helpers.js";

const PLACE = { appId: "a", userId: "u", sessionId: "s" };

test("a write is sent again with the same key and body until it succeeds", async () => {
  await using server = await serve(
    failing(503),
    (response) => response.destroy(),
    (response) => response.writeHead(200, { "content-length": "100" }).write('{"id":', () => response.destroy()),
    json({ id: "m1" }),
  );
  const honcho = new Honcho({ baseURL: server.url, maxRetries: 3 });
  assert.equal((await honcho.apps.users.sessions.messages.create({ ...PLACE, content: "x", isUser: true })).id, "m1");
  assert.equal(server.seen.length, 4);
  assert.equal(new Set(server.seen.map((request) => request.headers["idempotency-key"])).size, 1);
  assert.ok(server.seen[0]?.headers["idempotency-key"]);
  assert.equal(new Set(server.seen.map((request) => request.body)).size, 1);
});

test("each write has a key of its own, and reads have none", async () => {
  await using server = await serve(json({ items: [] }));
  const honcho = new Honcho({ baseURL: server.url });
  await honcho.apps.create({ name: "a" });
  await honcho.apps.create({ name: "b" });
  await honcho.apps.create({ name: "c" }, { idempotencyKey: "mine" });
  await honcho.apps.list();
  await honcho.apps.search({ appId: "a", query: "q" });
  const [first, second, third, ...reads] = server.seen.map((request) => request.headers["idempotency-key"]);
  assert.ok(first && second && first !== second);
  assert.equal(third, "mine");
  assert.deepEqual(reads, [undefined, undefined]);
});

test("what cannot get better is not sent again, nor what the server says cannot", async () => {
  for (const status of [400, 401, 403, 404, 409, 413, 422]) {
    await using server = await serve(failing(status));
    assert.equal((await thrown(new Honcho({ baseURL: server.url }).apps.get())).status, status);
    assert.equal(server.seen.length, 1);
  }
  await using server = await serve(failing(503, { "x-should-retry": "false" }));
  assert.ok((await thrown(new Honcho({ baseURL: server.url }).apps.get())) instanceof InternalServerError);
  assert.equal(server.seen.length, 1);
});

test("it gives up after maxRetries, with the last error", async () => {
  for (const status of [408, 429, 500, 502]) {
    await using server = await serve(failing(status));
    assert.equal((await thrown(new Honcho({ baseURL: server.url, maxRetries: 1 }).apps.get())).status, status);
    assert.equal(server.seen.length, 2);
  }
});

/** Advance the clock, step by step, and return after how many milliseconds each request was sent. */
async function times(milliseconds: number, ...headers: Record<string, string>[]): Promise<number[]> {
  mock.timers.enable({ apis: ["setTimeout", "Date"], now: 0 });
  const sent: number[] = [];
  const fetch = async (): Promise<Response> => {
    sent.push(Date.now());
    const given = headers[sent.length - 1];
    return given ? new Response("{}", { status: 429, headers: given }) : new Response("{}");
  };
  try {
    const done = new Honcho({ fetch, maxRetries: 9 }).apps.get();
    for (let now = 0; now < milliseconds; now += 100) {
      await settle();
      mock.timers.tick(100);
    }
    await done;
  } finally {
    mock.timers.reset();
  }
  return sent;
}

test("Retry-After is kept to, in seconds or as a date, but for no longer than a minute", async () => {
  assert.deepEqual(await times(4_000, { "retry-after": "1.5" }), [0, 1_500]);
  assert.deepEqual(await times(4_000, { "retry-after": new Date(3_000).toUTCString() }), [0, 3_000]);
  assert.deepEqual(await times(62_000, { "retry-after": "86400" }), [0, 60_000]);
});

test("without Retry-After the waiting grows, up to eight seconds", async () => {
  const sent = await times(30_000, {}, {}, {}, {}, {}, {});
  const waits = sent.slice(1).map((time, index) => time - (sent[index] ?? 0));
  for (const [index, most] of [500, 1_000, 2_000, 4_000, 8_000, 8_000].entries()) {
    const wait = waits[index] ?? 0;
    assert.ok(wait >= most * 0.75 - 100 && wait <= most + 100, `${wait} of ${most}`);
  }
});

test("no answer within the timeout is an error of its own", async () => {
  await using server = await serve(() => undefined);
  const error = await thrown(new Honcho({ baseURL: server.url, timeout: 30, maxRetries: 0 }).apps.get());
  assert.ok(error instanceof APITimeoutError && error instanceof APIConnectionError);
});

test("an answer that does not end within the timeout is asked for again", async () => {
  await using server = await serve(
    (response) => void response.writeHead(200).write("{"),
    json({ id: "a1" }),
  );
  assert.equal((await new Honcho({ baseURL: server.url, timeout: 500, maxRetries: 9 }).apps.get()).id, "a1");
  assert.equal(server.seen.length, 2);
});

test("an abort ends a request, and the waiting between two", async () => {
  const controller = new AbortController();
  await using server = await serve(() => controller.abort(new Error("enough")));
  const honcho = new Honcho({ baseURL: server.url });
  assert.equal((await thrown(honcho.apps.get({}, { signal: controller.signal }))).message, "enough");

  const second = new AbortController();
  await using busy = await serve((response) => {
    failing(429, { "retry-after": "60" })(response);
    response.on("close", () => setTimeout(() => second.abort(), 20));
  });
  const waiting = new Honcho({ baseURL: busy.url }).apps.get({}, { signal: second.signal });
  assert.equal((await thrown(waiting)).name, "AbortError");
  assert.equal(busy.seen.length, 1);
  assert.equal((await thrown(honcho.apps.get({}, { signal: AbortSignal.abort() }))).name, "AbortError");
});

test("a limit of requests is an error of its own, with how long to wait", async () => {
  await using server = await serve(failing(429, { "retry-after": "7" }, "rate_limited"));
  const error = await thrown(new Honcho({ baseURL: server.url, maxRetries: 0 }).apps.get());
  assert.ok(error instanceof RateLimitError);
  assert.deepEqual([error.code, error.retryAfter], ["rate_limited", 7_000]);
});

test("a copy of a session is not asked for twice: it would be made twice", async () => {
  await using server = await serve(failing(503));
  await thrown(new Honcho({ baseURL: server.url }).apps.users.sessions.clone(PLACE));
  assert.equal(server.seen.length, 1);
});
