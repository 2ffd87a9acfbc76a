import assert from "node:assert/strict";
import { test } from "node:test";

import { APIConnectionError, APIStatusError, APITimeoutError, Honcho } from "django-honcho-client";

import { all, chunked, failing, json, serve, thrown } from "./helpers.js";

const USER = { appId: "a", userId: "u" };
const PLACE = { ...USER, sessionId: "s" };

function answering(...args: Parameters<typeof chunked>): Honcho {
  return new Honcho({ fetch: async () => chunked(...args) });
}

const ANSWER = { mode: "reason", answer: "Zoë: 日本 🎉", known: true, citations: [], usage: { prompt_tokens: 3 } };
const STREAM = [
  ": a comment\r\n\r\n",
  'event: delta\r\ndata: {"text":"Zoë: "}\r\n\r\n',
  'event:delta\ndata: {"text":\ndata: "日本 🎉"}\n\n',
  `id: 7\nevent: done\rdata: ${JSON.stringify(ANSWER)}\r\r`,
].join("");

test("a streamed query is the same wherever its bytes are cut", async () => {
  const bytes = new TextEncoder().encode(STREAM);
  const expected = [
    { type: "delta", text: "Zoë: " },
    { type: "delta", text: "日本 🎉" },
    { type: "done", answer: { ...ANSWER, usage: { promptTokens: 3 } } },
  ];
  for (let cut = 0; cut <= bytes.length; cut++) {
    const honcho = answering([bytes.slice(0, cut), bytes.slice(cut)]);
    const stream = await honcho.apps.users.query({ ...USER, query: "Who?", mode: "reason", stream: true });
    const pieces = await all(stream);
    assert.deepEqual(pieces, expected, `cut at ${cut}`);
    const last = pieces.at(-1);
    assert.equal(last?.type === "done" && String(last.answer), ANSWER.answer);
  }
  const stream = await answering([...bytes].map((byte) => Uint8Array.of(byte))).apps.users.query({ ...USER, query: "Who?", mode: "reason", stream: true });
  assert.deepEqual(await all(stream), expected);
});

test("an error in a stream is thrown", async () => {
  const honcho = answering(['event: delta\ndata: {"text":"x"}\n\n', 'event: error\ndata: {"detail":"No.","code":"provider_failed","request_id":"r-1"}\n\n']);
  const stream = await honcho.apps.users.query({ ...USER, query: "q", mode: "reason", stream: true });
  assert.deepEqual((await stream.next()).value, { type: "delta", text: "x" });
  const error = await thrown(stream.next());
  assert.ok(error instanceof APIStatusError);
  assert.deepEqual([error.code, error.requestId], ["provider_failed", "r-1"]);
});

test("a stream without its end is an error, not an answer", async () => {
  for (const [chunks, broken] of [
    [['event: delta\ndata: {"text":"x"}\n\n', 'event: done\ndata: {"answer":'], false],
    [['event: delta\ndata: {"text":"x"}\n\n'], true],
  ] as const) {
    const stream = await answering([...chunks], broken).apps.users.query({ ...USER, query: "q", mode: "reason", stream: true });
    assert.ok((await thrown(all(stream))) instanceof APIConnectionError);
  }
});

test("a stream that is refused throws before it begins, and is asked for again where that may help", async () => {
  await using server = await serve(failing(503), failing(404));
  const refused = await thrown(new Honcho({ baseURL: server.url }).apps.users.query({ ...USER, query: "q", mode: "reason", stream: true }));
  assert.deepEqual([refused.status, server.seen.length], [404, 2]);
});

test("a chat's text comes as it is sent, without cutting a character", async () => {
  const bytes = new TextEncoder().encode("日本data: 🎉\n\n");
  const stream = await answering([...bytes].map((byte) => Uint8Array.of(byte))).apps.users.sessions.chat({
    ...PLACE,
    queries: ["a", "b"],
    stream: true,
  });
  assert.deepEqual((await all(stream)).join("|"), "日|本|d|a|t|a|:| |🎉|\n|\n");
});

test("a chat that is not streamed is its text", async () => {
  await using server = await serve(json({ content: "Python." }));
  const chat = await new Honcho({ baseURL: server.url }).apps.users.sessions.chat({ ...PLACE, queries: "Which?" });
  assert.equal(`${chat}`, "Python.");
  assert.deepEqual(JSON.parse(server.seen[0]?.body ?? ""), { queries: "Which?" });
});

test("a stream that is left early, aborted or silent lets go of its connection", async () => {
  await using server = await serve((response) => {
    response.writeHead(200, { "content-type": "text/event-stream" }).write("x");
    response.on("close", () => closed.shift()?.());
  });
  const closed: (() => void)[] = [];
  const gone = (): Promise<void> => new Promise((resolve) => closed.push(resolve));
  const honcho = new Honcho({ baseURL: server.url, timeout: 1_000 });
  const ask = (signal?: AbortSignal) => honcho.apps.users.sessions.chat({ ...PLACE, queries: "q", stream: true }, { signal });

  let left = gone();
  for await (const _ of await ask()) break;
  await left;

  left = gone();
  const controller = new AbortController();
  const aborted = await ask(controller.signal);
  await aborted.next();
  controller.abort();
  assert.equal((await thrown(aborted.next())).name, "AbortError");
  await left;

  left = gone();
  assert.ok((await thrown(all(await ask()))) instanceof APITimeoutError);
  await left;
});

test("an export is its lines, and one without its end is an error", async () => {
  const lines = ['{"type":"header","big":12345678901234567890}', '{"type":"end","counts":{}}'];
  for (const text of [`${lines.join("\n")}\n`, lines.join("\n")]) {
    assert.deepEqual(await all(await answering([text.slice(0, 50), text.slice(50)]).apps.export({ appId: "a" })), lines);
  }
  for (const cut of [lines.slice(0, 1), [lines[0] ?? "", '{"type":"en']]) {
    const error = await thrown(all(await answering([cut.join("\n")]).apps.users.export(USER)));
    assert.ok(error instanceof APIConnectionError);
  }
});

test("what was exported is imported as it was, in one body that can be sent again", async () => {
  await using server = await serve(failing(503), json({ imported: { some_type: 1 }, skipped: {} }));
  const honcho = new Honcho({ baseURL: server.url });
  async function* lines() {
    yield '{"a":1}';
    yield '{"b":2}\n';
  }
  const done = await honcho.apps.import({ appId: "a", lines: lines(), ids: "new" });
  assert.deepEqual(done.imported, { some_type: 1 });
  for (const request of server.seen) {
    assert.equal(request.body, '{"a":1}\n{"b":2}\n');
    assert.equal(request.headers["content-type"], "application/x-ndjson");
    assert.equal(request.path, "/v1/apps/a/import?ids=new");
  }
});
