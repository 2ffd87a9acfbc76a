/** Conversations, and the messages in them. */

import type { List, NumberedPage } from "../pagination.js";
import { path, type RequestOptions, type Transport } from "../transport.js";
import type {
  Chat,
  Context,
  ContextArgs,
  Ended,
  Erasure,
  ErasureArgs,
  Message,
  Metadata,
  NewMessage,
  NumberedArgs,
  Session,
  SessionRef,
  UserRef,
} from "../types.js";
import { Answering } from "./places.js";
import { fields, Resource, sessionPath, speaking, userPath } from "./resource.js";

export class Messages extends Resource {
  /** Add a message; app, user and session are made if they are not there and the key may make them. */
  create(args: SessionRef & NewMessage, options?: RequestOptions): Promise<Message> {
    return this.write("POST", `${sessionPath(args)}/messages`, { body: fields(args) }, options);
  }

  /** Add up to 100 messages, all or none, in their order. */
  batch(args: SessionRef & { messages: NewMessage[] }, options?: RequestOptions): Promise<Message[]> {
    return this.write("POST", `${sessionPath(args)}/messages/batch`, { body: fields(args) }, options);
  }

  list(args: SessionRef & NumberedArgs, options?: RequestOptions): List<Message, NumberedPage<Message>> {
    return this.numbered(`${sessionPath(args)}/messages`, args, options);
  }

  get(args: SessionRef & { messageId: string }, options?: RequestOptions): Promise<Message> {
    return this.read(sessionPath(args) + path`/messages/${args.messageId}`, {}, options);
  }

  /** Replace a message's metadata; nothing else of it can change. */
  update(args: SessionRef & { messageId: string; metadata: Metadata }, options?: RequestOptions): Promise<Message> {
    const address = sessionPath(args) + path`/messages/${args.messageId}`;
    return this.write("PUT", address, { body: { metadata: args.metadata } }, options);
  }
}

type ChatArgs = SessionRef & { queries: string | string[] };

export class Sessions extends Answering<SessionRef> {
  readonly messages: Messages;

  /** @internal */
  constructor(transport: Transport) {
    super(transport, sessionPath);
    this.messages = new Messages(transport);
  }

  create(args: UserRef & { name?: string; metadata?: Metadata }, options?: RequestOptions): Promise<Session> {
    return this.write("POST", `${userPath(args)}/sessions`, { body: fields(args) }, options);
  }

  get(args: SessionRef, options?: RequestOptions): Promise<Session> {
    return this.read(sessionPath(args), {}, options);
  }

  getByName(args: UserRef & { name: string }, options?: RequestOptions): Promise<Session> {
    return this.read(userPath(args) + path`/sessions/name/${args.name}`, {}, options);
  }

  getOrCreate(args: UserRef & { name: string }, options?: RequestOptions): Promise<Session> {
    return this.read(userPath(args) + path`/sessions/get_or_create/${args.name}`, {}, options);
  }

  /** `isActive: true` leaves out those deleted. */
  list(
    args: UserRef & NumberedArgs & { isActive?: boolean },
    options?: RequestOptions,
  ): List<Session, NumberedPage<Session>> {
    return this.numbered(`${userPath(args)}/sessions`, args, options);
  }

  /** Replace a session's metadata. */
  update(args: SessionRef & { metadata: Metadata }, options?: RequestOptions): Promise<Session> {
    return this.write("PUT", sessionPath(args), { body: fields(args) }, options);
  }

  /** End a session. Nothing of it is erased: see {@link erase}. */
  delete(args: SessionRef, options?: RequestOptions): Promise<Ended> {
    return this.write("DELETE", sessionPath(args), {}, options);
  }

  /** Erase a session; what rests on it cannot be read any more. */
  erase(args: SessionRef & ErasureArgs, options?: RequestOptions): Promise<Erasure> {
    return this.write("DELETE", sessionPath(args), { query: { ...fields(args), erase: true } }, options);
  }

  /**
   * Return a new session with the metadata and the messages of this one, up to `messageId`.
   * It is not sent again unless `maxRetries` says so: that could make a second one.
   */
  clone(args: SessionRef & { messageId?: string; deepCopy?: boolean }, options?: RequestOptions): Promise<Session> {
    return this.read(`${sessionPath(args)}/clone`, fields(args), { maxRetries: 0, ...options });
  }

  /** Return what an agent should know now; `String()` of it is the text. */
  async getContext(args: SessionRef & ContextArgs, options?: RequestOptions): Promise<Context> {
    return speaking(await this.read<Context>(`${sessionPath(args)}/context`, fields(args), options), "context");
  }

  /** Ask about the user; with `stream: true` the answer's text comes in pieces. */
  chat(args: ChatArgs & { stream: true }, options?: RequestOptions): Promise<AsyncGenerator<string, void, void>>;
  chat(args: ChatArgs & { stream?: false }, options?: RequestOptions): Promise<Chat>;
  async chat(
    args: ChatArgs & { stream?: boolean },
    options?: RequestOptions,
  ): Promise<Chat | AsyncGenerator<string, void, void>> {
    const ask = { path: `${sessionPath(args)}/chat`, body: fields(args) };
    if (args.stream) return this.transport.text({ method: "POST", repeatable: true, ...ask }, options);
    return speaking(await this.ask<Chat>(ask.path, ask, options), "content");
  }
}
