/** A server of our own, and a `fetch` that answers what a test says. */

import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Seen {
  method: string;
  path: string;
  headers: Record<string, string | string[] | undefined>;
  body: string;
}

export interface Server extends AsyncDisposable {
  url: string;
  seen: Seen[];
}

/** Serve requests with `answers`, one after the other, the last one for all that follow. */
export async function serve(...answers: ((response: ServerResponse, request: IncomingMessage) => void)[]): Promise<Server> {
  const seen: Seen[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const answer = answers[Math.min(seen.length, answers.length - 1)];
    const { method = "", url: path = "", headers } = request;
    seen.push({ method, path, headers, body: Buffer.concat(chunks).toString() });
    answer?.(response, request);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    seen,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

/** Answer with JSON. */
export function json(body: unknown, status = 200, headers: Record<string, string> = {}) {
  return (response: ServerResponse): void => {
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
  };
}

/** Answer with an error. */
export function failing(status: number, headers: Record<string, string> = { "retry-after": "0" }, code = "nope") {
  return json({ detail: "No.", code, request_id: "r-1" }, status, headers);
}

/** Return a body of exactly these chunks. */
export function chunked(chunks: (string | Uint8Array)[], broken = false): Response {
  const left = chunks.map((chunk) => (typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk));
  return new Response(
    new ReadableStream({
      pull(controller) {
        const chunk = left.shift();
        if (chunk) controller.enqueue(chunk);
        else if (broken) controller.error(new TypeError("terminated"));
        else controller.close();
      },
    }),
  );
}

/** Return every item of a list or stream. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

/** Let everything that is ready run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve));
}

/** Return what a promise throws. */
export async function thrown(work: Promise<unknown> | (() => unknown)): Promise<any> {
  try {
    await (typeof work === "function" ? work() : work);
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}
