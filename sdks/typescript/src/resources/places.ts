/** What users, sessions and projects have alike: a log, conclusions, a representation. */

import { APIConnectionError, APIStatusError } from "../errors.js";
import { fromWire } from "../names.js";
import type { CursorPage, List } from "../pagination.js";
import { lines, serverSentEvents } from "../sse.js";
import { path, type RequestOptions, type Transport } from "../transport.js";
import type {
  Answer,
  AnswerPiece,
  Conclusion,
  ConclusionChange,
  Consolidation,
  CursorArgs,
  Diff,
  Erasure,
  ErasureArgs,
  Event,
  EventFilter,
  EventStatements,
  Explanation,
  Feedback,
  NewConclusion,
  NewEvent,
  ObserverArgs,
  ReasonArgs,
  Recalled,
  RecallArgs,
  Representation,
  SearchArgs,
  SearchResult,
  Version,
  VersionArgs,
  VersionDetail,
  When,
  WrittenEvent,
} from "../types.js";
import { fields, type Place, Resource, speaking } from "./resource.js";

type Cursors<T> = List<T, CursorPage<T>>;

abstract class Placed<Ref extends object> extends Resource {
  /** @internal */
  constructor(
    transport: Transport,
    protected readonly place: Place<Ref>,
  ) {
    super(transport);
  }
}

/** The log. */
export class Events<Ref extends object> extends Placed<Ref> {
  /** Append an event. */
  create(args: Ref & NewEvent, options?: RequestOptions): Promise<WrittenEvent> {
    return this.write("POST", this.#all(args), { body: fields(args) }, options);
  }

  /** Append up to 1,000 events, all or none. */
  batch(args: Ref & { events: NewEvent[] }, options?: RequestOptions): Promise<WrittenEvent[]> {
    return this.write("POST", this.#all(args), { body: args.events }, options);
  }

  list(args: Ref & EventFilter, options?: RequestOptions): Cursors<Event> {
    return this.cursors(this.#all(args), args, options);
  }

  /** Return what was concluded from an event. */
  statements(args: Ref & { eventId: string }, options?: RequestOptions): Promise<EventStatements> {
    return this.read(this.#all(args) + path`/${args.eventId}/statements`, {}, options);
  }

  /** Erase an event; what rests on it cannot be read any more. */
  erase(args: Ref & ErasureArgs & { eventId: string }, options?: RequestOptions): Promise<Erasure> {
    const query = fields(args, "eventId");
    return this.write("DELETE", this.#all(args) + path`/${args.eventId}`, { query }, options);
  }

  #all(ref: Ref): string {
    return `${this.place(ref)}/events`;
  }
}

type OneConclusion = ObserverArgs & { conclusionId: string };

/** Statements, and what humans say of them. */
export class Conclusions<Ref extends object> extends Placed<Ref> {
  list(
    args: Ref & CursorArgs & ObserverArgs & { pinned?: boolean; retracted?: boolean; standing?: boolean },
    options?: RequestOptions,
  ): Cursors<Conclusion> {
    return this.cursors(this.#all(args), args, options);
  }

  /** Say something that no model takes away. */
  create(args: Ref & NewConclusion & ObserverArgs, options?: RequestOptions): Promise<Conclusion> {
    const ask = { query: { observer: args.observer }, body: fields(args, "observer") };
    return this.write("POST", this.#all(args), ask, options);
  }

  get(args: Ref & OneConclusion, options?: RequestOptions): Promise<Conclusion> {
    return this.read(this.#one(args), { observer: args.observer }, options);
  }

  update(args: Ref & ConclusionChange & OneConclusion, options?: RequestOptions): Promise<Conclusion> {
    const ask = { query: { observer: args.observer }, body: fields(args, "observer", "conclusionId") };
    return this.write("PATCH", this.#one(args), ask, options);
  }

  /** Retract a statement: no model brings it back. */
  delete(args: Ref & OneConclusion & { reason?: string }, options?: RequestOptions): Promise<Conclusion> {
    return this.write("DELETE", this.#one(args), { query: fields(args, "conclusionId") }, options);
  }

  #all(ref: Ref): string {
    return `${this.place(ref)}/conclusions`;
  }

  #one(args: Ref & OneConclusion): string {
    return this.#all(args) + path`/${args.conclusionId}`;
  }
}

type OneVersion = ObserverArgs & { number: number };

/** What is known, version by version. */
export class Representations<Ref extends object> extends Placed<Ref> {
  /** Return a version: the one that readers get, unless another is asked for. */
  async get(args: Ref & VersionArgs, options?: RequestOptions): Promise<Representation> {
    return speaking(await this.read<Representation>(this.#path(args), fields(args), options), "text");
  }

  /** List the versions, the newest first. */
  versions(args: Ref & CursorArgs & ObserverArgs, options?: RequestOptions): Cursors<Version> {
    return this.cursors(`${this.#path(args)}/versions`, args, options);
  }

  /** Return a version with what it added and retired. */
  version(args: Ref & OneVersion, options?: RequestOptions): Promise<VersionDetail> {
    return this.read(this.#version(args), { observer: args.observer }, options);
  }

  /** Keep a version whole for ever. */
  keep(args: Ref & OneVersion & { reason: string }, options?: RequestOptions): Promise<VersionDetail> {
    const ask = { query: { observer: args.observer }, body: { reason: args.reason } };
    return this.write("PUT", `${this.#version(args)}/kept`, ask, options);
  }

  /** No longer keep a version whole. */
  release(args: Ref & OneVersion, options?: RequestOptions): Promise<VersionDetail> {
    return this.write("DELETE", `${this.#version(args)}/kept`, { query: { observer: args.observer } }, options);
  }

  /** Compare two versions or moments: `from: "7d"` is the change over the last week. */
  diff(
    args: Ref & ObserverArgs & { from?: When | number; to?: When | number; tokens?: number; include?: "kept"[] },
    options?: RequestOptions,
  ): Promise<Diff> {
    return this.read(`${this.#path(args)}/diff`, fields(args), options);
  }

  /** Return the events under a statement, given its id or its words, and what made it. */
  explain(args: Ref & ObserverArgs & { conclusion: string }, options?: RequestOptions): Promise<Explanation> {
    return this.read(`${this.#path(args)}/explain`, fields(args), options);
  }

  /** Publish a new version that equals version `to`. */
  async rollback(
    args: Ref & ObserverArgs & { to: number; reason: string; then?: "stay" | "reason_again" },
    options?: RequestOptions,
  ): Promise<Representation> {
    const ask = { query: { observer: args.observer }, body: fields(args, "observer") };
    return speaking(await this.write<Representation>("POST", `${this.#path(args)}/rollback`, ask, options), "text");
  }

  /** Say how well a version served. */
  feedback(
    args: Ref & ObserverArgs & { version: number; score: number; comment?: string },
    options?: RequestOptions,
  ): Promise<Feedback> {
    const ask = { query: { observer: args.observer }, body: fields(args, "observer") };
    return this.write("POST", `${this.#path(args)}/feedback`, ask, options);
  }

  /** Have what is known gone over soon. */
  consolidate(args: Ref & ObserverArgs, options?: RequestOptions): Promise<Consolidation> {
    const ask = { query: { observer: args.observer }, body: {} };
    return this.write("POST", `${this.#path(args)}/consolidate`, ask, options);
  }

  #path(ref: Ref): string {
    return `${this.place(ref)}/representation`;
  }

  #version(args: Ref & OneVersion): string {
    return this.#path(args) + path`/versions/${args.number}`;
  }
}

/** A place that can be asked: a user, a session or a project. */
export abstract class Answering<Ref extends object> extends Placed<Ref> {
  readonly events: Events<Ref>;
  readonly conclusions: Conclusions<Ref>;
  readonly representation: Representations<Ref>;

  /** @internal */
  constructor(transport: Transport, place: Place<Ref>) {
    super(transport, place);
    this.events = new Events(transport, place);
    this.conclusions = new Conclusions(transport, place);
    this.representation = new Representations(transport, place);
  }

  /** Find events and conclusions. */
  search(args: Ref & SearchArgs, options?: RequestOptions): Promise<SearchResult> {
    return this.ask(`${this.place(args)}/search`, { body: fields(args) }, options);
  }

  /**
   * Ask what is known: `mode: "recall"` (the default) gathers what bears on the query, without a model;
   * `mode: "reason"` has a model answer from it, with citations; with `stream: true` in pieces, as it is written.
   */
  query(args: Ref & ReasonArgs & { stream: true }, options?: RequestOptions): Promise<AnswerStream>;
  query(args: Ref & RecallArgs & { stream?: false }, options?: RequestOptions): Promise<Recalled>;
  query(args: Ref & ReasonArgs & { stream?: false }, options?: RequestOptions): Promise<Answer>;
  async query(
    args: Ref & (RecallArgs | ReasonArgs) & { stream?: boolean },
    options?: RequestOptions,
  ): Promise<Recalled | Answer | AnswerStream> {
    const ask = { query: { wait: args.wait }, body: fields(args, "wait") };
    const address = `${this.place(args)}/query`;
    if (!args.stream) return spoken(await this.ask<Recalled | Answer>(address, ask, options));
    return answerPieces(await this.transport.text({ method: "POST", path: address, repeatable: true, ...ask }, options));
  }

  /** Return everything of it as lines of JSON, which {@link Apps.import} takes; throws where the end is missing. */
  protected async exported(ref: Ref, options?: RequestOptions): Promise<AsyncGenerator<string, void, void>> {
    return exportLines(await this.transport.text({ method: "GET", path: `${this.place(ref)}/export` }, options));
  }
}

export type AnswerStream = AsyncGenerator<AnswerPiece, void, void>;

async function* answerPieces(text: AsyncIterable<string>): AnswerStream {
  for await (const { event, data } of serverSentEvents(text)) {
    const body = fromWire(read(data)) as Record<string, unknown>;
    if (event === "error") {
      const { code, detail, requestId } = body as Record<"code" | "detail" | "requestId", string>;
      throw APIStatusError.of(500, code, detail, requestId);
    }
    if (event === "delta") yield { type: "delta", text: String(body["text"]) };
    if (event === "done") {
      yield { type: "done", answer: spoken(body as unknown as Answer) };
      return;
    }
  }
  throw new APIConnectionError("The answer was cut off");
}

function spoken<T extends Recalled | Answer>(answer: T): T {
  return speaking(answer, answer.mode === "reason" ? ("answer" as keyof T) : ("context" as keyof T));
}

/** Yield the lines of an export; throws where the last one, which says that it is whole, is missing. */
export async function* exportLines(text: AsyncIterable<string>): AsyncGenerator<string, void, void> {
  let last = "";
  for await (const line of lines(text, /\r?\n/, true)) {
    if (!line) continue;
    last = line;
    yield line;
  }
  if ((read(last) as { type?: string }).type !== "end") throw new APIConnectionError("The export was cut off");
}

function read(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch {
    throw new APIConnectionError("The answer was cut off, or is not Honcho's");
  }
}
