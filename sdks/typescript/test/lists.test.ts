import assert from "node:assert/strict";
import { test } from "node:test";

import { Honcho } from "django-honcho-client";

import { all, failing, serve, json, thrown } from "./helpers.js";

/** A list of `total` apps, in pages as the server makes them. */
async function apps(total: number) {
  return serve((response, request) => {
    const query = new URL(request.url ?? "", "http://x").searchParams;
    const [page, size] = [Number(query.get("page")), Number(query.get("size") ?? 50)];
    const ids = Array.from({ length: total }, (_, index) => ({ id: `a${index}` }));
    const items = ids.slice((page - 1) * size, page * size);
    json({ items, total, page, size, pages: Math.ceil(total / size) })(response);
  });
}

test("a list by pages is walked to its end, and no further", async () => {
  for (const [total, requests] of [[0, 1], [2, 1], [5, 3], [6, 3]] as const) {
    await using server = await apps(total);
    const found = await all(new Honcho({ baseURL: server.url }).apps.list({ size: 2, filter: { a_b: 1 } }));
    assert.equal(found.length, total);
    assert.equal(server.seen.length, requests);
    assert.deepEqual(JSON.parse(server.seen[0]?.body ?? ""), { filter: { a_b: 1 } });
  }
});

test("awaited, a list is its first page", async () => {
  await using server = await apps(5);
  const page = await new Honcho({ baseURL: server.url }).apps.list({ size: 2, page: 2 });
  assert.deepEqual([page.items.map((app) => app.id), page.total, page.page, page.pages], [["a2", "a3"], 5, 2, 3]);
  assert.equal(server.seen.length, 1);
});

test("a list begins at the page that is asked for", async () => {
  await using server = await apps(5);
  const found = await all(new Honcho({ baseURL: server.url }).apps.list({ size: 2, page: 2 }));
  assert.deepEqual(found.map((app) => app.id), ["a2", "a3", "a4"]);
});

test("a list by cursors is walked to its end, even where the server turns in a circle", async () => {
  await using server = await serve(
    json({ items: [{ id: "e1" }], next_cursor: "c1" }),
    json({ items: [], next_cursor: "c2" }),
    json({ items: [{ id: "e2" }], next_cursor: "c1" }),
  );
  const events = new Honcho({ baseURL: server.url }).apps.users.events.list({ appId: "a", userId: "u", kind: "x.y", limit: 1 });
  assert.deepEqual((await all(events)).map((event) => event.id), ["e1", "e2"]);
  assert.deepEqual(
    server.seen.map((request) => request.path.split("?")[1]),
    ["kind=x.y&limit=1", "kind=x.y&limit=1&cursor=c1", "kind=x.y&limit=1&cursor=c2"],
  );
});

test("pages can be walked, and an error ends the walk", async () => {
  await using server = await serve(json({ items: [{ id: "e1" }], next_cursor: "c1" }), failing(404));
  const pages = new Honcho({ baseURL: server.url }).apps.webhooks.list({ appId: "a" }).pages();
  assert.deepEqual((await pages.next()).value?.items.length, 1);
  assert.equal((await thrown(pages.next())).status, 404);
});

test("nothing is asked for before a list is used", async () => {
  await using server = await apps(1);
  new Honcho({ baseURL: server.url }).apps.list();
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(server.seen.length, 0);
});
