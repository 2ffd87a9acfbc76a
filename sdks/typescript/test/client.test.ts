import assert from "node:assert/strict";
import { inspect } from "node:util";
import { test } from "node:test";

import { APIStatusError, AuthenticationError, ConflictError, Honcho, HonchoError, NotFoundError, UnprocessableEntityError } from "django-honcho-client";

import { failing, json, serve, thrown } from "./helpers.js";

const MESSAGE = { content: "I want to automate my invoicing workflow", isUser: true };
const PLACE = { appId: "my-app", userId: "user-123", sessionId: "session-456" };

test("a message goes out in the names of the wire, with the key", async () => {
  await using server = await serve(json({ id: "m1", is_user: true, token_count: 7, metadata: { some_key: { a_b: 1 } } }));
  const honcho = new Honcho({ baseURL: `${server.url}/`, apiKey: "hk_1" });
  const message = await honcho.apps.users.sessions.messages.create({
    ...PLACE,
    ...MESSAGE,
    metadata: { ownKey: { innerKey: 1 } },
    occurredAt: new Date(0),
  });
  assert.deepEqual(message, { id: "m1", isUser: true, tokenCount: 7, metadata: { some_key: { a_b: 1 } } });
  const [seen] = server.seen;
  assert.equal(seen?.path, "/v1/apps/my-app/users/user-123/sessions/session-456/messages");
  assert.equal(seen?.headers["authorization"], "Bearer hk_1");
  assert.deepEqual(JSON.parse(seen?.body ?? ""), {
    content: MESSAGE.content,
    is_user: true,
    metadata: { ownKey: { innerKey: 1 } },
    occurred_at: "1970-01-01T00:00:00.000Z",
  });
});

test("the context is its text", async () => {
  await using server = await serve(json({ context: "Prefers Python.", session_version: 2, behind: { events: 0, seconds: 0 } }));
  const context = await new Honcho({ baseURL: server.url }).apps.users.sessions.getContext({
    ...PLACE,
    tokens: 100,
    include: ["card", "pending"],
  });
  assert.equal(String(context), "Prefers Python.");
  assert.equal(context.sessionVersion, 2);
  assert.deepEqual(Object.keys(context), ["context", "sessionVersion", "behind"]);
  assert.match(server.seen[0]?.path ?? "", /\/context\?tokens=100&include=card%2Cpending$/);
  assert.equal(server.seen[0]?.headers["authorization"], undefined);
});

test("names are encoded, and what no address can hold is refused before it is sent", async () => {
  await using server = await serve(json({}));
  const honcho = new Honcho({ baseURL: server.url });
  await honcho.apps.users.getByName({ appId: "a b&c", name: "Zoë/№1?#" });
  assert.equal(server.seen[0]?.path, `/v1/apps/a%20b%26c/users/name/${encodeURIComponent("Zoë/№1?#")}`);
  for (const name of ["", ".", ".."]) {
    assert.ok((await thrown(() => honcho.apps.getByName({ name }))) instanceof HonchoError);
  }
  assert.equal(server.seen.length, 1);
});

test("a path before /v1 is kept", async () => {
  await using server = await serve(json({}));
  await new Honcho({ baseURL: `${server.url}/memory/` }).keys.self();
  assert.equal(server.seen[0]?.path, "/memory/v1/keys/self");
});

test("an error says what the server said", async () => {
  const detail = [{ type: "missing", loc: ["body", "content"], msg: "This field is required." }];
  await using server = await serve(
    json({ detail: "User not found", code: "not_found", request_id: "r-7" }, 404),
    json({ detail, code: "invalid", request_id: "r-8" }, 422),
    failing(409, {}, "conflict"),
    (response) => response.writeHead(418).end("<html>"),
  );
  const honcho = new Honcho({ baseURL: server.url });
  const missing = await thrown(honcho.apps.get({ appId: "a" }));
  assert.ok(missing instanceof NotFoundError && missing instanceof APIStatusError && missing instanceof HonchoError);
  assert.deepEqual([missing.name, missing.status, missing.code, missing.detail], ["NotFoundError", 404, "not_found", "User not found"]);
  assert.equal(missing.requestId, "r-7");
  const invalid = await thrown(honcho.apps.create({ name: "a" }));
  assert.ok(invalid instanceof UnprocessableEntityError);
  assert.deepEqual(invalid.detail, detail);
  assert.match(invalid.message, /body\.content: This field is required/);
  assert.ok((await thrown(honcho.apps.create({ name: "a" }))) instanceof ConflictError);
  assert.deepEqual([(await thrown(honcho.apps.get())).status, server.seen.length], [418, 4]);
});

test("the key is in nothing that is shown", async () => {
  await using server = await serve(failing(401));
  const honcho = new Honcho({ baseURL: server.url, apiKey: "hk_secret" });
  const refused = await thrown(honcho.apps.get());
  assert.ok(refused instanceof AuthenticationError);
  const unreachable = await thrown(new Honcho({ baseURL: "http://127.0.0.1:9", apiKey: "hk_secret", maxRetries: 0 }).apps.get());
  const malformed = await thrown(() => new Honcho({ apiKey: "hk_secret\nx" }));
  for (const shown of [honcho, honcho.apps, refused, unreachable, malformed]) {
    assert.doesNotMatch(inspect(shown, { depth: 9, showHidden: true }) + JSON.stringify(shown) + String(shown.stack), /secret/);
  }
});

test("a redirect is not followed", async () => {
  await using elsewhere = await serve(json({}));
  await using server = await serve((response) => response.writeHead(308, { location: elsewhere.url }).end());
  const error = await thrown(new Honcho({ baseURL: server.url, apiKey: "hk_1" }).apps.create({ name: "a" }));
  assert.equal(error.code, "redirected");
  assert.deepEqual([server.seen.length, elsewhere.seen.length], [1, 0]);
});

test("the environment says where the server is", async () => {
  await using server = await serve(json({}));
  process.env["HONCHO_BASE_URL"] = server.url;
  process.env["HONCHO_API_KEY"] = " hk_2\n";
  try {
    await new Honcho().apps.get();
  } finally {
    delete process.env["HONCHO_BASE_URL"];
    delete process.env["HONCHO_API_KEY"];
  }
  assert.equal(server.seen[0]?.headers["authorization"], "Bearer hk_2");
});
