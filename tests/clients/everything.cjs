// Calls everything that the installed npm package `honcho-ai` exposes and prints what it was answered, as JSON.
"use strict";

const Honcho = require("honcho-ai");

const NAME = process.argv[2];
const HINT = { of: NAME };
const client = new Honcho({ baseURL: process.env.HONCHO_BASE_URL });
const said = {};
const called = new Set();

function* resources(thing, path = "") {
  for (const [name, part] of Object.entries(thing)) {
    if (!name.startsWith("_") && part && part._client === client) {
      for (const method of Object.getOwnPropertyNames(Object.getPrototypeOf(part))) {
        if (method !== "constructor") yield `${path}${name}.${method}`;
      }
      yield* resources(part, `${path}${name}.`);
    }
  }
}

function call(path, ...given) {
  called.add(path);
  const names = path.split(".");
  const method = names.pop();
  const resource = names.reduce((thing, name) => thing[name], client);
  return resource[method](...given);
}

async function refused(promise) {
  try {
    await promise;
  } catch (error) {
    const detail = error.error.detail;
    return [error.status, typeof detail === "string" ? detail : detail[0].loc];
  }
  return "not refused";
}

const contents = (items) => items.map((item) => item.content);
const names = (items) => items.map((item) => item.name);

async function everything() {
  // Apps
  const app = await call("apps.getOrCreate", `${NAME} & co`);
  said["app"] = [
    app.metadata,
    (await call("apps.get", { app_id: app.id })).id === app.id,
    (await call("apps.getByName", encodeURIComponent(app.name))).id === app.id,
  ];
  const second = await call("apps.create", { name: `${NAME} second`, metadata: HINT });
  said["app that is there"] = (await refused(call("apps.create", { name: `${NAME} second` })))[0];
  said["app renamed"] = (
    await call("apps.update", second.id, { name: `${NAME} other`, metadata: { ...HINT, a: 1 } })
  ).metadata.a;
  said["app that is not there"] = await refused(call("apps.get", { app_id: "missing" }));
  const found = await call("apps.list", { page: 1, size: 10, reverse: true, filter: HINT });
  said["apps"] = [found.items.length === 1 && found.items[0].id === second.id, found.total, found.page, found.size];

  // Users
  const ann = await call("apps.users.create", app.id, { name: "ann", metadata: { b: 2 } });
  const bob = await call("apps.users.getOrCreate", app.id, "bob");
  said["user"] = [
    ann.metadata,
    (await call("apps.users.get", app.id, { user_id: ann.id })).name,
    (await call("apps.users.getByName", app.id, "ann")).id === ann.id,
    (await call("apps.users.getOrCreate", app.id, "ann")).id === ann.id,
  ];
  said["user that is there"] = (await refused(call("apps.users.create", app.id, { name: "ann" })))[0];
  said["user changed"] = (await call("apps.users.update", app.id, bob.id, { name: "rob", metadata: { c: 3 } })).name;
  said["users"] = names((await call("apps.users.list", app.id, { reverse: true })).items);
  said["users found"] = names((await call("apps.users.list", app.id, { filter: { b: 2 } })).items);
  const there = [app.id, ann.id];

  // Sessions
  const SESSIONS = "apps.users.sessions";
  const session = await call(`${SESSIONS}.create`, ...there, { metadata: { d: 4 } });
  const ended = await call(`${SESSIONS}.create`, ...there, {});
  said["session"] = [session.is_active, (await call(`${SESSIONS}.get`, ...there, { session_id: session.id })).metadata];
  said["session changed"] = (await call(`${SESSIONS}.update`, ...there, session.id, { metadata: { e: 5 } })).metadata;
  said["session ended"] = (await call(`${SESSIONS}.delete`, ...there, ended.id)).message;
  said["sessions"] = [
    (await call(`${SESSIONS}.list`, ...there)).total,
    (await call(`${SESSIONS}.list`, ...there, { is_active: true })).items.map((each) => each.id === session.id),
    (await call(`${SESSIONS}.list`, ...there, { filter: { e: 6 } })).total,
  ];
  const talk = [...there, session.id];

  // Messages
  const MESSAGES = [0, 1, 2].map((n) => ({ content: `message ${n}`, is_user: n % 2 === 0, metadata: { n } }));
  const written = await call(`${SESSIONS}.messages.batch`, ...talk, { messages: MESSAGES });
  said["batch"] = contents(written);
  const last = await call(`${SESSIONS}.messages.create`, ...talk, { content: "I take the train.", is_user: true });
  said["message"] = [
    last.content, last.is_user, last.session_id === session.id, new Date(last.created_at).getFullYear() > 2000,
  ];
  const listed = await call(`${SESSIONS}.messages.list`, ...talk);
  said["messages"] = [contents(listed.items), listed.items.map((each) => each.is_user), listed.total];
  const page = await call(`${SESSIONS}.messages.list`, ...talk, { page: 2, size: 3, reverse: true });
  said["page"] = [contents(page.items), page.page, page.size];
  const walked = [];
  for await (const message of call(`${SESSIONS}.messages.list`, ...talk, { size: 1 })) walked.push(message);
  said["all pages"] = contents(walked);
  said["messages found"] = contents((await call(`${SESSIONS}.messages.list`, ...talk, { filter: { n: 2 } })).items);
  const changed = await call(`${SESSIONS}.messages.update`, ...talk, last.id, { metadata: { f: 6 } });
  said["message changed"] = [
    changed.metadata, (await call(`${SESSIONS}.messages.get`, ...talk, last.id)).metadata,
  ];
  said["message that is not there"] = await refused(call(`${SESSIONS}.messages.get`, ...talk, "missing"));
  said["message too long"] = await refused(
    call(`${SESSIONS}.messages.create`, ...talk, { content: "x".repeat(50_001), is_user: true }),
  );

  // Metamessages
  const NOTES = "apps.users.metamessages";
  const about = { session_id: session.id, message_id: last.id };
  const note = await call(`${NOTES}.create`, ...there, {
    ...about, content: "calm", metamessage_type: "mood", metadata: { g: 7 },
  });
  said["metamessage"] = [
    note.content, note.metamessage_type, note.message_id === last.id,
    (await call(`${NOTES}.get`, ...there, note.id)).id === note.id,
  ];
  const moved = await call(`${NOTES}.update`, ...there, note.id, { metamessage_type: "tone", metadata: { h: 8 } });
  said["metamessage changed"] = [moved.metamessage_type, moved.metadata];
  const within = { session_id: session.id };
  said["metamessages"] = [];
  for (const asked of [about, { ...within, metamessage_type: "tone" }, { ...within, metamessage_type: "mood" },
    { ...within, filter: { h: 8 } }]) {
    said["metamessages"].push(contents((await call(`${NOTES}.list`, ...there, asked)).items));
  }
  said["metamessages of the user"] = contents(
    (await call(`${NOTES}.list`, ...there, { metamessage_type: "tone" })).items,
  );
  said["message without a session"] = await refused(
    call(`${NOTES}.create`, ...there, { content: "x", metamessage_type: "m", message_id: last.id }),
  );

  // Collections and documents
  const SHELF = "apps.users.collections";
  const collection = await call(`${SHELF}.create`, ...there, { name: "notes", metadata: { i: 9 } });
  const books = [...there, collection.id];
  said["collection"] = [
    collection.metadata,
    (await call(`${SHELF}.get`, ...there, { collection_id: collection.id })).name,
    (await call(`${SHELF}.getByName`, ...there, "notes")).id === collection.id,
  ];
  said["collection that is there"] = (await refused(call(`${SHELF}.create`, ...there, { name: "notes" })))[0];
  said["reserved collection"] = await refused(call(`${SHELF}.create`, ...there, { name: "honcho" }));
  said["collection changed"] = (
    await call(`${SHELF}.update`, ...books, { name: "ideas", metadata: { j: 10 } })
  ).name;
  await call(`${SHELF}.create`, ...there, { name: "empty" });
  said["collections"] = [
    names((await call(`${SHELF}.list`, ...there, { reverse: true })).items),
    names((await call(`${SHELF}.list`, ...there, { filter: { j: 10 } })).items),
  ];
  const documents = [];
  for (const [n, content] of ["Invoices are due within 30 days.", "Trains leave at noon.", "Cats sleep."].entries()) {
    documents.push(await call(`${SHELF}.documents.create`, ...books, { content, metadata: { n } }));
  }
  const paper = [...books, documents[2].id];
  said["document"] = [
    (await call(`${SHELF}.documents.get`, ...paper)).content,
    (await call(`${SHELF}.documents.update`, ...paper, { content: "Cats sleep a lot.", metadata: { n: 3 } })).content,
  ];
  said["documents"] = [
    contents((await call(`${SHELF}.documents.list`, ...books)).items),
    contents((await call(`${SHELF}.documents.list`, ...books, { filter: { n: 1 } })).items),
  ];
  const query = "when are invoices due?";
  said["query"] = [
    contents(await call(`${SHELF}.documents.query`, ...books, { query, top_k: 1 })),
    contents(await call(`${SHELF}.documents.query`, ...books, { query })).sort(),
  ];
  said["query filtered"] = contents(await call(`${SHELF}.documents.query`, ...books, { query, filter: { n: 1 } }));
  said["document gone"] = [
    (await call(`${SHELF}.documents.delete`, ...paper)).message,
    (await refused(call(`${SHELF}.documents.get`, ...paper)))[0],
  ];
  const facts = [...there, (await call(`${SHELF}.getByName`, ...there, "honcho")).id];
  const fact = await call(`${SHELF}.documents.create`, ...facts, { content: "Ann takes the train." });
  const queries = "Does Ann take the train?";
  said["chat"] = (await call(`${SESSIONS}.chat`, ...talk, { queries })).content;
  said["streamed chat"] = await call(`${SESSIONS}.chat`, ...talk, { queries, stream: true });
  const response = await call(`${SESSIONS}.chat`, ...talk, { queries, stream: true }).asResponse();
  said["chat as it is written"] = await response.text();
  said["chat of several questions"] = (
    await call(`${SESSIONS}.chat`, ...talk, { queries: [queries, "Where does Ann live?"] })
  ).content;
  said["chat in a session that is not there"] = await refused(
    call(`${SESSIONS}.chat`, ...there, "missing", { queries }),
  );
  said["facts"] = [
    contents((await call(`${SHELF}.documents.list`, ...facts)).items),
    contents(await call(`${SHELF}.documents.query`, ...facts, { query: "train" })),
    (await call(`${SHELF}.documents.update`, ...facts, fact.id, { content: "Ann takes the ferry." })).content,
  ];
  const [instead] = (await call(`${SHELF}.documents.list`, ...facts)).items;
  await call(`${SHELF}.documents.delete`, ...facts, instead.id);
  said["facts after"] = contents((await call(`${SHELF}.documents.list`, ...facts)).items);

  // Clones
  said["clone"] = [];
  for (const given of [{}, { message_id: written[1].id }, { deep_copy: true }]) {
    const copy = await call(`${SESSIONS}.clone`, ...talk, given);
    const messages = await call(`${SESSIONS}.messages.list`, ...there, copy.id);
    const notes = await call(`${NOTES}.list`, ...there, { session_id: copy.id });
    said["clone"].push([copy.metadata, copy.id !== session.id, contents(messages.items), contents(notes.items)]);
  }
  said["clone up to what is not there"] = await refused(
    call(`${SESSIONS}.clone`, ...talk, { message_id: "missing" }),
  );

  // Keys
  const scopes = [
    [{ app_id: app.id }, (own) => own.apps.get()],
    [{ app_id: app.id, user_id: ann.id }, (own) => own.apps.users.get(app.id)],
    [{ app_id: app.id, user_id: ann.id, session_id: session.id }, (own) => own.apps.users.sessions.get(...there)],
    [{ app_id: app.id, user_id: ann.id, collection_id: collection.id }, (own) =>
      own.apps.users.collections.get(...there)],
  ];
  said["keys"] = [];
  for (const [scope, open] of scopes) {
    const { key } = await call("keys.create", { ...scope, expires_at: "2099-01-01T00:00:00Z" });
    const own = new Honcho({ baseURL: process.env.HONCHO_BASE_URL, apiKey: key });
    said["keys"].push([(await open(own)).id === Object.values(scope).pop(), (await refused(own.apps.list()))[0]]);
  }
  said["key for nothing"] = (await refused(call("keys.create")))[0];

  // The end
  said["collection gone"] = [
    (await call(`${SHELF}.delete`, ...books)).message,
    (await refused(call(`${SHELF}.get`, ...there, { collection_id: collection.id })))[0],
  ];
  const wrong = new Honcho({ baseURL: process.env.HONCHO_BASE_URL, apiKey: "wrong" });
  said["wrong key"] = await refused(wrong.apps.getByName("x"));
  const left = [...resources(client)].filter((path) => !called.has(path)).sort();
  console.log(JSON.stringify({ said, "not called": left }));
}

everything().catch((error) => {
  console.error(error);
  process.exit(1);
});
