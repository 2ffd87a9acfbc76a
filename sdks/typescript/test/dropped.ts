/** Writes through a proxy that loses requests and replies; who runs this looks at what was stored. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { Honcho } from "django-honcho-client";

const setTimeoutFor = globalThis.setTimeout;
// The waiting between two tries is not what is tested.
globalThis.setTimeout = ((then: () => void, milliseconds: number) =>
  setTimeoutFor(then, milliseconds > 10_000 ? milliseconds : milliseconds / 20)) as typeof setTimeout;

const PLACE = { appId: "lossy", userId: "u" };

test("messages one by one, and two sessions through a buffer", async () => {
  const honcho = new Honcho({ maxRetries: 100 });
  const buffer = honcho.buffer({ ...PLACE, maxEvents: 7 });
  for (let number = 0; number < 60; number++) {
    for (const sessionId of ["first", "second"]) await buffer.add({ sessionId, content: `${sessionId} ${number}`, isUser: true });
  }
  for (let number = 0; number < 20; number++) {
    const content = `created ${number}`;
    const message = await honcho.apps.users.sessions.messages.create({ ...PLACE, sessionId: "created", content, isUser: true });
    assert.equal(message.content, content);
  }
  await buffer.close();
});
