/** Everything that the client can ask, of a running server with keys on, where Ana of the app harbour has two versions. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { AuthenticationError, ConflictError, Honcho, NotFoundError, PermissionDeniedError } from "django-honcho-client";

import { all, thrown } from "./helpers.js";

const honcho = new Honcho();
const { apps } = honcho;
const { users } = apps;
const { sessions } = users;
const ANA = { appId: "harbour", userId: "ana" };
const reason = "Let us see";

test("the snippet of the readme, on an empty server", async () => {
  const place = { appId: "my-app", userId: "user-123", sessionId: "session-456" };
  const message = await sessions.messages.create({ ...place, content: "I want to automate my invoicing workflow", isUser: true });
  assert.equal(message.content, "I want to automate my invoicing workflow");
  const context = await sessions.getContext(place);
  assert.equal(context.behind.events, 1);
  assert.equal(String(context), context.context);
});

test("apps", async () => {
  const app = await apps.create({ name: "my app & co", metadata: { plan_name: "x" } });
  assert.deepEqual(app.metadata, { plan_name: "x" });
  assert.equal((await apps.get({ appId: app.id })).name, app.name);
  assert.equal((await apps.getByName({ name: app.name })).id, app.id);
  assert.equal((await apps.getOrCreate({ name: app.name })).id, app.id);
  assert.equal((await apps.update({ appId: app.id, name: "renamed" })).name, "renamed");
  assert.deepEqual((await all(apps.list({ filter: { plan_name: "x" } }))).map((found) => found.id), [app.id]);
  assert.ok((await thrown(apps.create({ name: "renamed" }))) instanceof ConflictError);
  assert.equal((await apps.queue({ appId: "harbour" })).notTakenIn, 0);
});

test("users and sessions", async () => {
  const appId = "my-app";
  for (let number = 0; number < 5; number++) await users.create({ appId, name: `u ${number}`, metadata: { number } });
  assert.equal((await all(users.list({ appId, size: 2 }))).filter((user) => user.name.startsWith("u ")).length, 5);
  const user = await users.getByName({ appId, name: "u 3" });
  const ref = { appId, userId: user.id };
  assert.equal((await users.get(ref)).appId, user.appId);
  assert.equal((await users.getOrCreate({ appId, name: "u 3" })).id, user.id);
  assert.deepEqual((await users.update({ ...ref, metadata: { a_b: 1 } })).metadata, { a_b: 1 });
  assert.equal((await users.getContext(ref)).version, 0);

  const session = await sessions.create({ ...ref, metadata: { c: 1 } });
  const named = await sessions.getOrCreate({ ...ref, name: "s" });
  assert.equal((await sessions.getByName({ ...ref, name: "s" })).id, named.id);
  const place = { ...ref, sessionId: session.id };
  assert.deepEqual((await sessions.get(place)).metadata, { c: 1 });
  assert.deepEqual((await sessions.update({ ...place, metadata: {} })).metadata, {});
  assert.match((await sessions.delete(place)).message, /deleted/);
  assert.deepEqual((await all(sessions.list({ ...ref, isActive: true }))).map((found) => found.id), [named.id]);
});

test("messages", async () => {
  const place = { appId: "my-app", userId: "m", sessionId: "s" };
  const messages = Array.from({ length: 5 }, (_, number) => ({ content: `${number}`, isUser: number % 2 === 0, id: `own-${number}` }));
  const written = await sessions.messages.batch({ ...place, messages });
  assert.deepEqual(written.map((message) => message.clientId), messages.map((message) => message.id));
  assert.deepEqual(await sessions.messages.batch({ ...place, messages }), written);
  assert.deepEqual((await all(sessions.messages.list({ ...place, size: 2 }))).map((message) => message.content), ["0", "1", "2", "3", "4"]);
  const [first] = (await sessions.messages.list({ ...place, reverse: true, size: 1 })).items;
  assert.equal(first?.content, "4");
  const ref = { ...place, messageId: first?.id ?? "" };
  assert.equal((await sessions.messages.get(ref)).isUser, true);
  assert.deepEqual((await sessions.messages.update({ ...ref, metadata: { a_b: 2 } })).metadata, { a_b: 2 });
});

test("events of sessions, users and projects", async () => {
  const user = { appId: "my-app", userId: "e" };
  const event = await sessions.events.create({ ...user, sessionId: "s", kind: "tool_call", content: "list", data: { someKey: [1] } });
  assert.deepEqual([event.created, event.kind, event.data, event.origin], [true, "tool_call", { someKey: [1] }, "agent"]);
  const many = await users.events.batch({ ...user, events: [{ kind: "invoice.sent", content: "a", project: "p" }, { content: "b" }] });
  assert.equal(many.length, 2);
  await apps.projects.events.create({ appId: "my-app", projectId: "p", kind: "build.done", content: "ok", author: "e" });
  assert.equal((await all(users.events.list({ ...user, limit: 2 }))).length, 3);
  assert.deepEqual((await all(apps.projects.events.list({ appId: "my-app", projectId: "p", reverse: true, since: new Date(0) }))).map((found) => found.kind), ["build.done", "invoice.sent"]);
  assert.equal((await sessions.events.statements({ ...user, sessionId: "s", eventId: event.id })).event.id, event.id);
});

test("what is known, and how it came about", async () => {
  const known = await users.representation.get(ANA);
  assert.equal(String(known), known.text);
  assert.equal(known.version, 2);
  assert.equal(known.madeBy?.["prompt_number"], 2);
  assert.equal((await users.representation.get({ ...ANA, version: 1 })).version, 1);
  const context = await users.getContext({ ...ANA, tokens: 500, include: ["conclusions", "summary", "card", "pending"], wait: 1 });
  assert.match(context.context, /line 2/);
  assert.equal(context.conclusions?.length, 2);
  assert.deepEqual(context.pending, []);
  assert.deepEqual((await all(users.representation.versions({ ...ANA, limit: 1 }))).map((version) => version.version), [2, 1]);
  assert.equal((await users.representation.version({ ...ANA, number: 2 })).added[0]?.content, "It was said: line 2");
  assert.equal((await users.representation.keep({ ...ANA, number: 1, reason })).version, 1);
  assert.equal((await users.representation.release({ ...ANA, number: 1 })).version, 1);
  const diff = await users.representation.diff({ ...ANA, from: 1, to: 2, include: ["kept"] });
  assert.deepEqual([diff.added.length, diff.kept?.length, diff.keptCount], [1, 1, 1]);
  const explained = await users.representation.explain({ ...ANA, conclusion: "It was said: line 2" });
  assert.deepEqual(explained.sources.map((source) => source.content), ["line 2"]);
  assert.deepEqual(explained.archivedSources, []);
  assert.equal((await users.representation.feedback({ ...ANA, version: 2, score: 0.5, comment: "fine" })).score, 0.5);
  assert.equal((await users.representation.rollback({ ...ANA, to: 1, reason })).version, 3);
  assert.equal((await users.representation.consolidate(ANA)).subject.name, "ana");
});

test("what humans say of it", async () => {
  const added = await users.conclusions.create({ ...ANA, content: "Ana is vegetarian.", importance: 4 });
  assert.deepEqual([added.pinned, added.standing], [true, true]);
  const edited = await users.conclusions.update({ ...ANA, conclusionId: added.id, content: "Ana is vegan.", reason });
  assert.equal(edited.content, "Ana is vegan.");
  assert.equal((await users.conclusions.get({ ...ANA, conclusionId: edited.id })).correction?.act, "edit");
  assert.equal((await users.conclusions.delete({ ...ANA, conclusionId: edited.id, reason })).retracted, true);
  assert.ok((await all(users.conclusions.list({ ...ANA, standing: true, limit: 1 }))).every((found) => found.standing));
});

test("searching", async () => {
  const found = await users.search({ ...ANA, query: "line", limit: 5, in: ["events"], mode: "lexical", filters: { kind: "message", since: "30d", until: new Date(), metadata: {} } });
  assert.deepEqual(found.items.map((hit) => hit.event?.content).sort(), ["line 1", "line 2"]);
  assert.deepEqual([found.mode, found.items[0]?.highlights[0]?.marks], ["lexical", [[0, 4]]]);
  const [hit] = (await apps.search({ appId: "harbour", query: "line 2", in: ["conclusions"], limit: 1 })).items;
  assert.deepEqual([hit?.type, hit?.conclusion?.subject.name], ["conclusion", "ana"]);
  assert.deepEqual((await apps.projects.search({ appId: "my-app", projectId: "p", query: "nothing" })).items, []);
});

test("collections of documents", async () => {
  const user = { appId: "my-app", userId: "d" };
  await users.create({ appId: "my-app", name: "d" });
  const collection = await users.collections.create({ ...user, name: "notes", metadata: { a_b: 1 } });
  const ref = { ...user, collectionId: collection.id };
  assert.deepEqual((await users.collections.get(ref)).metadata, { a_b: 1 });
  assert.equal((await users.collections.getByName({ ...user, name: "notes" })).id, collection.id);
  assert.equal((await users.collections.update({ ...ref, name: "papers" })).name, "papers");
  assert.equal((await all(users.collections.list({ ...user, size: 1 }))).length, 1);
  const document = await users.collections.documents.create({ ...ref, content: "Invoices are sent on Fridays.", metadata: { a_b: 2 } });
  await users.collections.documents.create({ ...ref, content: "The office has a cat." });
  const one = { ...ref, documentId: document.id };
  assert.equal((await users.collections.documents.get(one)).collectionId, collection.id);
  assert.deepEqual((await users.collections.documents.update({ ...one, metadata: { a_b: 3 } })).metadata, { a_b: 3 });
  assert.deepEqual((await users.collections.documents.query({ ...ref, query: "When are invoices sent?", topK: 1 })).map((found) => found.id), [document.id]);
  assert.equal((await all(users.collections.documents.list({ ...ref, filter: { a_b: 3 } }))).length, 1);
  assert.ok((await users.collections.documents.delete(one)).message);
  assert.ok((await users.collections.delete(ref)).message);
});

test("metamessages, and a copy of a session", async () => {
  const user = { appId: "my-app", userId: "c" };
  const place = { ...user, sessionId: "s" };
  const message = await sessions.messages.create({ ...place, content: "Hello", isUser: true });
  const note = await users.metamessages.create({ ...user, sessionId: message.sessionId, messageId: message.id, metamessageType: "thought", content: "A greeting" });
  assert.deepEqual([note.metamessageType, note.sessionId, note.messageId], ["thought", message.sessionId, message.id]);
  const ref = { ...user, metamessageId: note.id };
  assert.equal((await users.metamessages.get(ref)).content, "A greeting");
  assert.deepEqual((await users.metamessages.update({ ...ref, metadata: { a_b: 1 } })).metadata, { a_b: 1 });
  assert.equal((await all(users.metamessages.list({ ...user, sessionId: message.sessionId, metamessageType: "thought" }))).length, 1);
  const copy = await sessions.clone({ ...place, messageId: message.id, deepCopy: true });
  assert.deepEqual((await all(sessions.messages.list({ ...user, sessionId: copy.id }))).map((found) => found.content), ["Hello"]);
});

test("prompts, experiments, reprocesses and rollbacks", async () => {
  const appId = "harbour";
  const prompt = await apps.prompts.create({ appId, from: "user-2", instructions: "Know {subject} well.", message: "Shorter", parameters: { top_p: 1 } });
  assert.deepEqual(prompt.parameters, { top_p: 1 });
  assert.equal((await apps.prompts.get({ appId, promptId: prompt.name })).instructions, "Know {subject} well.");
  assert.ok((await all(apps.prompts.list({ appId, kind: "user", limit: 2 }))).length >= 3);
  assert.equal((await apps.prompts.diff({ appId, promptId: "user-1", to: prompt.name })).to.name, prompt.name);
  assert.ok((await apps.prompts.labels({ appId })).labels.length);

  const experiment = await apps.experiments.create({ appId, name: "tone", candidates: [{ version: prompt.name, share: 0.1 }], guardrails: [{ measure: "cost", limit: 2, leastPasses: 9 }] });
  assert.equal(experiment.guardrails[0]?.leastPasses, 9);
  const ref = { appId, experimentId: experiment.id };
  assert.equal((await apps.experiments.start({ ...ref, reason })).state, "running");
  assert.equal((await apps.experiments.ramp({ ...ref, arm: prompt.name, share: 0.2, reason })).acts.at(-1)?.sharesAfter[experiment.arms[0]?.id ?? ""], 0.2);
  assert.equal((await apps.experiments.pause({ ...ref, reason })).state, "paused");
  assert.equal((await apps.experiments.resume({ ...ref, reason })).state, "running");
  assert.equal((await apps.experiments.assignment({ ...ref, user: "ana" })).subject.name, "ana");
  assert.ok("failure_rate" in (await apps.experiments.measures(ref)).units);
  assert.equal((await apps.experiments.nextPair({ ...ref, arm: prompt.name })).pair, null);
  assert.equal((await apps.experiments.stop({ ...ref, reason })).state, "stopped");
  assert.equal((await apps.experiments.get(ref)).acts.at(-1)?.act, "stop");
  assert.equal((await all(apps.experiments.list({ appId }))).length, 1);
  await apps.prompts.moveLabel({ appId, kind: "user", label: "candidate", version: prompt.name, reason });
  assert.equal((await apps.prompts.takeOffLabel({ appId, kind: "user", label: "candidate", reason })).move?.from?.name, prompt.name);

  const run = await apps.reprocesses.create({ appId, prompt: prompt.name, reason, tokenBudget: 100_000 });
  const one = { appId, reprocessId: run.id };
  assert.equal((await apps.reprocesses.update({ ...one, passesPerMinute: 60 })).passesPerMinute, 60);
  assert.equal((await apps.reprocesses.start({ ...one, reason })).state, "running");
  assert.equal((await apps.reprocesses.pause({ ...one, reason })).state, "paused");
  assert.equal((await apps.reprocesses.resume({ ...one, reason })).state, "running");
  assert.equal((await apps.reprocesses.cancel({ ...one, reason })).state, "cancelled");
  assert.equal((await apps.reprocesses.get(one)).progress.failures, 0);
  assert.deepEqual((await all(apps.reprocesses.items({ ...one, limit: 1 }))).map((item) => item.subject.name), ["ana"]);
  assert.deepEqual((await apps.reprocesses.sample(one)).items, []);
  assert.equal((await all(apps.reprocesses.list({ appId }))).length, 1);

  const plan = await apps.rollbacks.create({ appId, prompt: "user-2", dryRun: true });
  assert.deepEqual([plan.id, plan.plan?.live], [null, "user-1"]);
  const rollback = await apps.rollbacks.create({ appId, prompt: "user-2", reason });
  const back = { appId, rollbackId: rollback.id ?? "" };
  assert.equal((await apps.rollbacks.get(back)).prompt, "user-2");
  assert.equal((await apps.rollbacks.undo({ ...back, reason })).undoes, rollback.id);
  assert.equal((await all(apps.rollbacks.list({ appId }))).length, 2);
});

test("keys, and what they open", async () => {
  const made = await honcho.keys.create({ name: "bot", scope: "user", app: "my-app", user: "k", access: "read", ratePerMinute: 600 });
  const bot = new Honcho({ apiKey: made.key });
  assert.equal((await bot.keys.self()).id, made.id);
  assert.equal((await bot.apps.users.getContext({ appId: "my-app", userId: "k" })).version, 0);
  const refused = await thrown(bot.apps.users.update({ appId: "my-app", userId: "k", metadata: {} }));
  assert.ok(refused instanceof PermissionDeniedError);
  assert.ok((await thrown(bot.apps.users.get(ANA))) instanceof AuthenticationError);
  assert.equal((await honcho.keys.get({ keyId: made.id })).ratePerMinute, 600);
  assert.ok((await all(honcho.keys.list({ app: "my-app", limit: 1 }))).some((key) => key.id === made.id));
  assert.ok((await honcho.keys.revoke({ keyId: made.id })).revokedAt);
  assert.ok((await thrown(new Honcho({ apiKey: "wrong" }).apps.get({ appId: "my-app" }))) instanceof AuthenticationError);
});

test("asking", async () => {
  const recalled = await users.query({ ...ANA, query: "Which lines are there?", tokens: 100, wait: 1, askedAt: new Date() });
  assert.match(`${recalled}`, /line [12]/);
  assert.ok(recalled.tokens <= 100 && recalled.items.length);
  assert.ok(recalled.items.every((item) => item.sources.length && recalled.context.includes(item.line)));
  const answer = await users.query({ ...ANA, query: "Which lines are there?", mode: "reason", level: "minimal" });
  assert.equal(`${answer}`, answer.answer);
  assert.equal(answer.known, answer.citations.length > 0);
  assert.equal((await users.query({ ...ANA, query: "Which?", mode: "reason" })).usage.calls, answer.usage.calls);
  const pieces = await all(await users.query({ ...ANA, query: "Which lines are there?", mode: "reason", stream: true }));
  const last = pieces.pop();
  assert.equal(last?.type === "done" && last.answer.answer, answer.answer);
  assert.equal(pieces.map((piece) => piece.type === "delta" && piece.text).join(""), answer.answer);
  const place = { ...ANA, sessionId: "s" };
  await sessions.getOrCreate({ ...ANA, name: "s" });
  const chat = await sessions.chat({ ...place, queries: ["Which lines are there?"] });
  const text = await all(await sessions.chat({ ...place, queries: "Which lines are there?", stream: true }));
  assert.equal(text.join(""), `${chat}`);
});

test("webhooks", async () => {
  const appId = "my-app";
  const made = await apps.webhooks.create({ appId, url: "https://93.184.216.34/hook", events: ["pass.parked"], description: "alarm" });
  assert.match(made.secret, /^whsec_/);
  const ref = { appId, webhookId: made.id };
  assert.equal((await apps.webhooks.get(ref)).disabledReason, "");
  assert.equal((await apps.webhooks.update({ ...ref, description: "bell" })).description, "bell");
  assert.notEqual((await apps.webhooks.rotate(ref)).secret, made.secret);
  const delivery = await apps.webhooks.test(ref);
  assert.equal((await apps.webhooks.replay({ ...ref, deliveryId: delivery.id })).eventId, delivery.eventId);
  assert.deepEqual((await all(apps.webhooks.deliveries({ ...ref, limit: 1 }))).map((found) => found.id), [delivery.id]);
  assert.equal((await all(apps.webhooks.list({ appId }))).length, 1);
  assert.ok((await apps.webhooks.delete(ref)).message);
});

test("what was exported comes in elsewhere, and is not there twice", async () => {
  const lines = await all(await apps.export({ appId: "my-app" }));
  assert.equal(JSON.parse(lines[0] ?? "").type, "header");
  const imported = await apps.import({ appId: "copy", ids: "new", lines: await apps.export({ appId: "my-app" }) });
  assert.ok((imported.imported["event"] ?? 0) > 5);
  assert.deepEqual((await apps.import({ appId: "copy", ids: "new", lines: lines.join("\n") })).imported, {});
  assert.ok((await all(await users.export({ appId: "my-app", userId: "e" }))).length < lines.length);
  assert.ok((await all(await apps.projects.export({ appId: "my-app", projectId: "p" }))).length < lines.length);
});

test("erasing", async () => {
  const appId = "copy";
  const user = { appId, userId: "e" };
  const [event] = (await users.events.list({ ...user, limit: 1 })).items;
  const counted = await users.events.erase({ ...user, eventId: event?.id ?? "", dryRun: true });
  assert.deepEqual([counted.id, counted.dryRun, counted.what], [null, true, "event"]);
  const receipt = await users.events.erase({ ...user, eventId: event?.id ?? "", reason });
  assert.deepEqual([receipt.erased, receipt.target, receipt.reason], [counted.erased, event?.id, reason]);
  assert.equal((await sessions.erase({ appId, userId: "m", sessionId: "s" })).what, "session");
  assert.equal((await apps.projects.erase({ appId, projectId: "p" })).what, "project");
  assert.equal((await users.erase(user)).what, "user");
  assert.equal((await apps.erasures.get({ appId, erasureId: receipt.id ?? "" })).id, receipt.id);
  assert.equal((await all(apps.erasures.list({ appId, limit: 3 }))).length, 4);
  assert.equal((await apps.erase({ appId, reason })).what, "app");
  assert.ok((await thrown(apps.getByName({ name: appId }))) instanceof NotFoundError);
});

test("what is not there", async () => {
  const missing = await thrown(users.representation.version({ ...ANA, number: 99 }));
  assert.ok(missing instanceof NotFoundError);
  assert.ok(missing.requestId);
});
