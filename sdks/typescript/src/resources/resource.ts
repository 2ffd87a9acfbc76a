/** What all resources share: addresses, the ways to ask, lists. */

import { byCursor, type CursorPage, type List, numbered, type NumberedPage } from "../pagination.js";
import { type Ask, type Method, path, type Query, type RequestOptions, type Transport } from "../transport.js";
import type { AppRef, CursorArgs, NumberedArgs, ProjectRef, SessionRef, UserRef } from "../types.js";

/** The address of something that has a log, given what names it. */
export type Place<Ref> = (ref: Ref) => string;

export const appPath: Place<AppRef> = ({ appId }) => path`/v1/apps/${appId}`;
export const userPath: Place<UserRef> = (ref) => appPath(ref) + path`/users/${ref.userId}`;
export const sessionPath: Place<SessionRef> = (ref) => userPath(ref) + path`/sessions/${ref.sessionId}`;
export const projectPath: Place<ProjectRef> = (ref) => appPath(ref) + path`/projects/${ref.projectId}`;

const IN_PATH = new Set(["appId", "userId", "sessionId", "projectId"]);

/** Return the arguments that do not name the place, without those `but`. */
export function fields(args: object, ...but: string[]): Query {
  return Object.fromEntries(Object.entries(args).filter(([name]) => !IN_PATH.has(name) && !but.includes(name)));
}

/** A branch of the tree of resources. */
export abstract class Resource {
  /** @internal */
  constructor(protected readonly transport: Transport) {}

  protected read<T>(address: string, query: Query = {}, options?: RequestOptions): Promise<T> {
    return this.transport.json<T>({ method: "GET", path: address, query }, options);
  }

  protected write<T>(method: Method, address: string, ask: Partial<Ask> = {}, options?: RequestOptions): Promise<T> {
    return this.transport.json<T>({ method, path: address, ...ask }, options);
  }

  /** Ask with a body, and change nothing. */
  protected ask<T>(address: string, ask: Partial<Ask>, options?: RequestOptions): Promise<T> {
    return this.write<T>("POST", address, { ...ask, repeatable: true }, options);
  }

  protected numbered<T>(
    address: string,
    args: NumberedArgs,
    options?: RequestOptions,
    more: Query = {},
  ): List<T, NumberedPage<T>> {
    const { page: first, size, reverse, ...filters } = args;
    const body = { ...fields(filters), ...more };
    return numbered(
      (page) => this.ask(`${address}/list`, { query: { page, size, reverse }, body }, options),
      first,
    );
  }

  protected cursors<T, P extends CursorPage<T> = CursorPage<T>>(
    address: string,
    args: CursorArgs,
    options?: RequestOptions,
  ): List<T, P> {
    const { cursor: first, ...query } = args;
    return byCursor<T, P>((cursor) => this.read<P>(address, { ...fields(query), cursor }, options), first);
  }
}

/** Give an answer a `String()`, which is one of its fields; it stays out of the answer's own properties. */
export function speaking<T extends object>(answer: T, field: keyof T): T & { toString(): string } {
  return Object.defineProperty(answer, "toString", { value: () => String(answer[field]), enumerable: false });
}
